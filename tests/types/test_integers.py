"""Integers of every width, unsigned ones, bits and what OpenDental uses for booleans."""

from decimal import Decimal

import oracle
import pytest
from oracle import ask, my, pg
from runs import run
from samples import Sample, family

TABLES = {
    "signed": Sample(
        "a tinyint, b smallint, c mediumint, d int, e bigint, f bigint(5) zerofill, g int(3) NOT NULL",
        (
            "-128, -32768, -8388608, -2147483648, -9223372036854775808, 7, -2147483648",
            "127, 32767, 8388607, 2147483647, 9223372036854775807, 9007199254740993, 2147483647",
            "NULL, NULL, NULL, NULL, NULL, NULL, 0",
            "0, 0, 0, 0, 0, 0, 0",
            "-1, -1, -1, -1, -1, 18446744073709551615, -1",
            "1, 1, 1, 1, -9223372036854775807, 9223372036854775808, 1234",
        ),
    ),
    "unsigned": Sample(
        "a tinyint unsigned, b smallint unsigned, c mediumint unsigned, d int unsigned, e bigint unsigned, f int zerofill",
        (
            "255, 65535, 16777215, 4294967295, 18446744073709551615, 4294967295",
            "0, 0, 0, 0, 9223372036854775808, 0",
            "128, 32768, 8388608, 2147483648, 9223372036854775807, 2147483648",
            "NULL, NULL, NULL, NULL, NULL, NULL",
            "1, 1, 1, 1, 18446744073709551614, 1",
        ),
    ),
    "bits": Sample(
        "a bit(1), b bit(7), c bit(8), d bit(33), e bit(63), f bit(64) NOT NULL, g bit(64) DEFAULT b'101'",
        (
            "1, b'101', 255, b'100000000000000000000000000000000', 1, 18446744073709551615, DEFAULT",
            "0, 0, 0, 0, 0, 9, 0",
            "NULL, NULL, NULL, NULL, NULL, 0, NULL",
            "1, 92, 92, 9, 10, x'5C4E090A5C6E0D00', x'0A'",
            "1, 127, 48, 49, 9223372036854775807, 9223372036854775808, x'0900'",
        ),
    ),
    "booleans": Sample(
        "a tinyint(1), b boolean NOT NULL DEFAULT 1, c tinyint(1) unsigned, d tinyint NOT NULL",
        (
            "0, 0, 0, 0",
            "1, 1, 1, 1",
            "2, 2, 2, -1",
            "-128, DEFAULT, 255, 3",
            "NULL, 127, NULL, 127",
        ),
    ),
    "serials": Sample(
        "a bigint unsigned NOT NULL UNIQUE, b bool", ("18446744073709551615, 1", "0, 0", "5, NULL")
    ),
}

brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_integers_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_integers_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_integers_follow(table, brought):
    brought.follows(table)


@pytest.mark.parametrize("kind", ["tinyint(1)", "boolean NOT NULL", "tinyint(1) unsigned"])
def test_t1_a_tinyint_is_a_smallint_whatever_it_holds(kind, brought):
    table = f"only flags: {kind}"
    brought.make(table, f"Id int PRIMARY KEY, a {kind}", "1, 0", "2, 1", "3, 1")
    assert oracle.raw_types(brought.places.warehouse, table, ["a"]) == ["smallint"]
    ask(brought.places.source, f"INSERT INTO {my(table)} VALUES (4, 2), (5, 127)")
    run(brought.settings, table)
    assert brought.raw(f'SELECT a FROM raw.{pg(table)} ORDER BY "Id"') == [
        (0,),
        (1,),
        (1,),
        (2,),
        (127,),
    ]


def test_t4_bigints_do_not_go_through_float(brought):
    ids = [2**53 + 1, 2**53 - 1, -(2**53) - 1, 2**63 - 1, 10**18 + 1]
    definition = (
        "PatNum bigint PRIMARY KEY, Guarantor bigint NOT NULL, Other bigint unsigned NOT NULL"
    )
    brought.make("ids", definition, *(f"{each}, {-each}, {abs(each) * 2 - 1}" for each in ids))
    for schema, names in (
        ("raw", '"PatNum", "Guarantor", "Other"'),
        ("public", "pat_num, guarantor, other"),
    ):
        held = brought.raw(f"SELECT {names} FROM {schema}.ids")
        assert sorted(held) == sorted((each, -each, Decimal(abs(each) * 2 - 1)) for each in ids)


def test_t5_unsigned_integers_get_a_type_that_holds_them(brought):
    definition = "a tinyint unsigned PRIMARY KEY, b smallint unsigned, c mediumint unsigned, d int unsigned, e bigint unsigned"
    brought.make("largest", definition, "255, 65535, 16777215, 4294967295, 18446744073709551615")
    assert brought.raw("SELECT a, b, c, d, e FROM raw.largest") == [
        (255, 65535, 16777215, 4294967295, Decimal(18446744073709551615))
    ]
    types = oracle.raw_types(brought.places.warehouse, "largest", ["a", "b", "c", "d", "e"])
    assert types == ["smallint", "integer", "integer", "bigint", "numeric(20,0)"]
