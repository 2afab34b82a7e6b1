"""Bytes, whatever they spell, up to a row of 64 MB."""

import pytest
from oracle import ask
from runs import limited, run
from samples import Sample, family

TABLES = {
    "bytes": Sample(
        "a binary(4), b varbinary(9), c longblob, d tinyblob, e blob NOT NULL, f mediumblob, g binary(1), h varbinary(1000) NOT NULL",
        (
            r"x'00', x'00FF1A0A0D09', x'5C4E5C000A09', '', x'00', x'FF', x'00', x'00'",
            "NULL, NULL, NULL, NULL, '', NULL, NULL, ''",
            r"x'80818283', '\\N', '\\', x'FFFE', '\\N', 'NULL', x'5C', x'C3'",
            r"'a', '', REPEAT(x'0009', 50000), x'E28C', REPEAT('\\', 1000), x'0A', x'0A', REPEAT(x'5C0A09', 300)",
            "x'61000000', x'6100', x'EFBBBF', x'EDA080', x'0D0A', x'', x'09', x'5C6E'",
        ),
    ),
    "every_byte": Sample(
        "a binary(1), b varbinary(3), c blob",
        tuple(
            f"x'{byte:02X}', x'{byte:02X}5C{byte:02X}', x'{byte:02X}{byte:02X}'"
            for byte in range(256)
        ),
    ),
}


brought = family(TABLES, page_rows=50)


@pytest.mark.parametrize("table", TABLES)
def test_binaries_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_bytes_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_bytes_follow(table, brought):
    brought.follows(table)


@pytest.mark.thorough
def test_a_row_of_64_megabytes(brought):
    """Half in bytes, each of which LOAD DATA would take for an end or an escape, half in a text."""
    ask(
        brought.places.source,
        "CREATE TABLE large (Id int PRIMARY KEY, B longblob, T longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci)",
    )
    ask(
        brought.places.source,
        r"INSERT INTO large VALUES (1, REPEAT(x'5C0A0900', 8388608), REPEAT('é\\\n', 8388608)), (2, x'5C', '\\'), (3, NULL, '')",
    )
    run(limited(brought.settings, page_rows=20000), "large")
    digests = "SELECT Id, LENGTH(B), SHA2(B, 256), LENGTH(T), SHA2(T, 256) FROM large ORDER BY Id"
    wanted = ask(brought.places.source, digests)
    assert wanted[0][1:4:2] == (2**25, 2**25)
    assert ask(brought.places.replica, digests) == wanted
    held = brought.raw(
        """SELECT "Id", length("B"), encode(sha256("B"), 'hex'), octet_length("T"),
            encode(sha256(convert_to("T", 'UTF8')), 'hex') FROM raw.large ORDER BY "Id" """,
    )
    assert held == wanted
