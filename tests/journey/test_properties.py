"""Random tables with hostile values, brought along the whole path and compared by a plain client; and pure functions.

ELT_TEST_PROPERTY_SECONDS is the time for the tables; with more than the suite's 15 the examples are other ones each time
and a failing one is made smaller. It is printed as the SQL that makes it, with the ELT_TEST_PROPERTY_SEED that repeats it.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import oracle
import pyarrow as pa
import pytest
from abilities import lack
from conftest import settings_for
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import seed as seeded
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from oracle import Places, ask, my, pg
from runs import limited, run

from deployments.databases import Databases
from transfer.mysql import load_data, pool
from transfer.mysql.address import address as connectorx_address
from transfer.rules import layout
from transfer.settings import Settings, Source
from transfer.values.table import Column

SUITE_SECONDS = 15.0
SECONDS = float(os.environ.get("ELT_TEST_PROPERTY_SECONDS", SUITE_SECONDS))
LONG = SECONDS > SUITE_SECONDS
SEED = int(os.environ.get("ELT_TEST_PROPERTY_SEED", secrets.randbelow(10**9) if LONG else 1))

# In both kinds of server, with what a column in them may be compared by.
CHARSETS = {
    "utf8mb4": (
        "utf8mb4_bin",
        "utf8mb4_general_ci",
        "utf8mb4_unicode_ci",
        "utf8mb4_unicode_520_ci",
        "utf8mb4_czech_ci",
    ),
    "utf8mb3": ("utf8mb3_bin", "utf8mb3_general_ci", "utf8mb3_unicode_ci", "utf8mb3_swedish_ci"),
    "latin1": ("latin1_swedish_ci", "latin1_bin", "latin1_german2_ci", "latin1_general_cs"),
    "ucs2": ("ucs2_general_ci", "ucs2_bin"),
    "utf16": ("utf16_general_ci", "utf16_unicode_ci"),
    "utf16le": ("utf16le_general_ci",),
    "utf32": ("utf32_general_ci",),
    "sjis": ("sjis_japanese_ci", "sjis_bin"),
    "cp932": ("cp932_japanese_ci",),
    "eucjpms": ("eucjpms_japanese_ci",),
    "gbk": ("gbk_chinese_ci", "gbk_bin"),
    "big5": ("big5_chinese_ci",),
    "euckr": ("euckr_korean_ci",),
    "tis620": ("tis620_thai_ci",),
    "cp1251": ("cp1251_general_ci",),
    "cp1250": ("cp1250_czech_cs",),
    "koi8r": ("koi8r_general_ci",),
    "greek": ("greek_general_ci",),
    "ascii": ("ascii_general_ci",),
}

HOSTILE_NAMES = "a|A|ä|select|key|Id|xmin|ctid|with space|quo`te|quo'te|quo\"te|100%|%s|{c}|{}|\\N|a.b|tab\t|line\n|PatNum|pat_num|名前".split(
    "|"
)
HOSTILE_TEXTS = "|NULL|\\N|\\|\\\\|\t|\n|\r\n|\0|a\0b|'|\"|`|%s|%(x)s|\\n|\\0| |a |  a|\x1a|\ufeff|\u00a0|😀|e\u0301|é|É|ß|ss|ﬁ|\u2028|0|-0|nan".split(
    "|"
)


@dataclass(frozen=True)
class Kind:
    """A column's type and its possible values, both as SQL; `key` is how it stands in a key, empty if it cannot."""

    sql: str
    values: st.SearchStrategy[str]
    key: str = ""


@dataclass(frozen=True)
class Example:
    """A table by the statements that make it and those that change it."""

    name: str
    made: tuple[str, ...] = field(repr=False)
    changed: tuple[str, ...] = field(repr=False)

    def __repr__(self) -> str:
        return "\n".join(("", *self.made, "-- first run", *self.changed, "-- second run", ""))


def _one_of(*values: object) -> st.SearchStrategy[str]:
    return st.sampled_from([str(value) for value in values])


@st.composite
def integers(draw: st.DrawFn) -> Kind:
    name, bits = draw(
        st.sampled_from(
            [("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)]
        )
    )
    unsigned = draw(st.sampled_from(["", " unsigned", " unsigned zerofill"]))
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if draw(st.booleans()):
        name += "(1)"
    edges = _one_of(low, low + 1, high, high - 1, 0, 1, -1, 2**53 + 1)
    return Kind(name + unsigned, edges | st.integers(low, high).map(str), "{c}")


@st.composite
def bits(draw: st.DrawFn) -> Kind:
    width = draw(st.sampled_from([1, 7, 8, 9, 33, 64]))
    return Kind(
        f"bit({width})",
        _one_of(0, 1, 92, 10, 9, 2**width - 1) | st.integers(0, 2**width - 1).map(str),
        "{c}",
    )


@st.composite
def decimals(draw: st.DrawFn) -> Kind:
    precision = draw(st.sampled_from([1, 10, 18, 19, 28, 29, 38, 39, 65]))
    scale = draw(st.integers(0, min(precision, 30)))

    def written(number: int) -> str:
        digits = str(abs(number)).rjust(scale + 1, "0")
        return (
            ("-" if number < 0 else "")
            + digits[: len(digits) - scale]
            + ("." + digits[-scale:] if scale else "")
        )

    most = 10**precision - 1
    numbers = st.sampled_from([0, 1, -1, most, -most]) | st.integers(-most, most)
    return Kind(f"decimal({precision},{scale})", numbers.map(written), "{c}")


def _of_bits(form: str, code: str, number: int) -> float:
    return float(struct.unpack(form, struct.pack(code, number))[0])


@st.composite
def floats(draw: st.DrawFn) -> Kind:
    name, form, code, width = draw(
        st.sampled_from([("float", "f", "I", 32), ("double", "d", "Q", 64)])
    )
    scaled = draw(st.sampled_from(["", "", "", "(7,2)", "(20,10)"]))
    random = (
        st.integers(0, 2**width - 1)
        .map(lambda number: _of_bits(form, code, number))
        .filter(lambda each: abs(each) < 1e308)
    )
    plain = st.floats(allow_nan=False, allow_infinity=False, width=32 if width == 32 else 64)
    edges = _one_of(
        "-0e0",
        "5e-324",
        "1.4e-45",
        "1.7976931348623157e308",
        "3.4028234663852886e38",
        "0.1",
        "16777217",
        "9007199254740993",
        "1e22",
    )
    return Kind(name + scaled, edges | random.map(repr) | plain.map(repr))


def _day(year: int, month: int, day: int) -> str:
    return f"{year:04}-{month:02}-{day:02}"


DAYS = _one_of(
    "0000-00-00",
    "0001-01-01",
    "1900-01-01",
    "9999-12-31",
    "2024-02-30",
    "2024-00-00",
    "0000-02-29",
    "2023-02-29",
    "1582-10-10",
) | st.builds(_day, st.integers(0, 9999), st.integers(0, 12), st.integers(0, 31))
CLOCKS = _one_of("00:00:00", "23:59:59.999999", "12:00:00.5") | st.builds(
    "{:02}:{:02}:{:02}.{:06}".format,
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999_999),
)
STAMPS = st.integers(1, 2**31 - 1).map(
    lambda seconds: f"'{datetime(1970, 1, 1) + timedelta(seconds=seconds)}'"  # noqa: DTZ001 - in UTC
)
SPANS = _one_of("-838:59:59", "838:59:59", "-00:00:00.000001", "24:00:00", "00:00:00") | st.builds(
    "{}{:02}:{:02}:{:02}.{:06}".format,
    st.sampled_from(["", "-"]),
    st.integers(0, 838),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999_999),
)


@st.composite
def moments(draw: st.DrawFn) -> Kind:
    kind, fraction = (
        draw(st.sampled_from(["date", "datetime", "timestamp", "time", "year"])),
        draw(st.integers(0, 6)),
    )
    digits = f"({fraction})" if fraction else ""
    if kind == "date":
        return Kind("date", DAYS.map("'{}'".format), "{c}")
    if kind == "datetime":
        return Kind(f"datetime{digits}", st.builds("'{} {}'".format, DAYS, CLOCKS), "{c}")
    if kind == "timestamp":
        return Kind(
            f"timestamp{digits}",
            STAMPS | _one_of(0, "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'"),
            "{c}",
        )
    if kind == "time":
        return Kind(f"time{digits}", SPANS.map("'{}'".format), "{c}")
    return Kind(
        "year", _one_of("'0000'", 1901, 2155, 2000, 1970) | st.integers(1901, 2155).map(str), "{c}"
    )


TEXTS = st.sampled_from(HOSTILE_TEXTS) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=12
)


def _as_text(value: str) -> str:
    return f"_utf8mb4 x'{value.encode().hex()}'"


@st.composite
def texts(draw: st.DrawFn) -> Kind:
    name = draw(
        st.sampled_from(
            ["char(9)", "varchar(20)", "varchar(200)", "tinytext", "text", "mediumtext", "longtext"]
        )
    )
    charset = draw(st.sampled_from(sorted(CHARSETS)))
    collation = draw(st.sampled_from(CHARSETS[charset]))
    long = st.builds(
        "REPEAT({}, {})".format, TEXTS.map(_as_text), st.sampled_from([15, 300, 20_000])
    )
    values = (
        TEXTS.map(_as_text)
        | TEXTS.map(_as_text)
        | (long if name.endswith("text") else TEXTS.map(_as_text))
    )
    key = "{c}" if name in ("char(9)", "varchar(20)") else "{c}(5)" if name.endswith("text") else ""
    return Kind(f"{name} CHARACTER SET {charset} COLLATE {collation}", values, key)


BYTES = st.binary(max_size=12) | st.text("\\\t\n\0Nr'\"", max_size=9).map(str.encode)


@st.composite
def binaries(draw: st.DrawFn) -> Kind:
    name = draw(
        st.sampled_from(
            ["binary(4)", "varbinary(20)", "tinyblob", "blob", "mediumblob", "longblob"]
        )
    )
    values = BYTES.map(lambda value: f"x'{value.hex()}'")
    long = st.builds("REPEAT({}, {})".format, values, st.sampled_from([15, 20_000]))
    return Kind(
        name,
        values | (long if name.endswith("blob") else values),
        "{c}" if name.endswith(")") else "{c}(3)",
    )


LABELS = st.lists(
    st.sampled_from("a|b|1|2|0||it's|\\N|NULL|\\|é|x y|%s|unsigned|日本".split("|")),
    min_size=1,
    max_size=6,
    unique=True,
)


@st.composite
def labels(draw: st.DrawFn) -> Kind:
    name, known = draw(st.sampled_from(["enum", "set"])), draw(LABELS)
    said = ", ".join("'" + label.replace("\\", "\\\\").replace("'", "''") + "'" for label in known)
    most = len(known) if name == "enum" else 2 ** len(known) - 1
    return Kind(
        f"{name}({said}) CHARACTER SET utf8mb4",
        st.integers(0, most).map(str),
        "{c}" if name == "enum" else "",
    )


DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
).map(lambda document: _as_text(json.dumps(document)))

POINTS = st.floats(-1e300, 1e300).map(repr)
SHAPES = st.builds("POINT({}, {})".format, POINTS, POINTS) | st.builds(
    "ST_GeomFromText('LINESTRING({} 0, 1 {})', {})".format, POINTS, POINTS, _one_of(0, 3857)
)

KINDS = (
    integers()
    | bits()
    | decimals()
    | floats()
    | moments()
    | texts()
    | texts()
    | binaries()
    | labels()
    | st.just(Kind("json", DOCUMENTS))
    | st.just(Kind("geometry", SHAPES))
)
NAMES = st.sampled_from(HOSTILE_NAMES) | st.text(
    st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_characters="/\\."),
    min_size=1,
    max_size=8,
)


@st.composite
def tables(draw: st.DrawFn, number: int) -> Example:
    """A table whose name ends in a number, so that it is no other's; the columns' as well."""
    name = my(f"{draw(NAMES)}_{number}")
    kinds = draw(st.lists(KINDS, min_size=1, max_size=6))
    columns = [my(f"{draw(NAMES)}_{position}") for position in range(len(kinds))]
    able = [position for position, kind in enumerate(kinds) if kind.key]
    form = draw(st.sampled_from(["counted", "counted", "none", *(["own", "own"] if able else [])]))
    key = (
        draw(st.lists(st.sampled_from(able), min_size=1, max_size=2, unique=True))
        if form == "own"
        else []
    )
    nullable = [position not in key and draw(st.booleans()) for position in range(len(kinds))]
    definition = [
        f"{column} {kind.sql} {_null(kind, nulls)}"
        for column, kind, nulls in zip(columns, kinds, nullable, strict=True)
    ]
    if form == "counted":
        definition.append("counter int AUTO_INCREMENT PRIMARY KEY")
    if draw(st.integers(0, 9)) == 0:
        # What is stored must not depend on the session, as a CHAR's blanks do.
        forms = ["VIRTUAL"] if kinds[0].sql.startswith("char") else ["VIRTUAL", "STORED"]
        computed = f", computed int AS ({columns[0]} IS NULL) {draw(st.sampled_from(forms))}"
        definition[-1] += (
            f" /*M! {computed} */ /*!50708 {computed} */"  # MySQL 5.6 has no such columns
        )
    if key:
        definition.append(
            f"PRIMARY KEY ({', '.join(kinds[each].key.format(c=columns[each]) for each in key)})"
        )
    engine = draw(st.sampled_from(["MyISAM", "MyISAM", "InnoDB"]))

    def row() -> str:
        said = (
            "NULL" if nulls and draw(st.integers(0, 4)) == 0 else draw(kind.values)
            for kind, nulls in zip(kinds, nullable, strict=True)
        )
        return f"INSERT IGNORE INTO {name} ({', '.join(columns)}) VALUES ({', '.join(said)})"

    def change() -> str:
        position = draw(st.integers(0, len(kinds) - 1))
        return draw(
            st.sampled_from(
                [
                    row(),
                    f"DELETE FROM {name} LIMIT 1",
                    f"UPDATE IGNORE {name} SET {columns[position]} = {draw(kinds[position].values)} LIMIT {draw(st.integers(1, 3))}",
                    *(
                        [f"UPDATE {name} SET {columns[position]} = NULL LIMIT 1"]
                        if nullable[position]
                        else []
                    ),
                    *(
                        [
                            f"INSERT INTO {name} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM {name} LIMIT 2"
                        ]
                        if not key
                        else []
                    ),
                ]
            )
        )

    return Example(
        name,
        (
            f"CREATE TABLE {name} ({', '.join(definition)}) ENGINE={engine}",
            *(row() for _ in range(draw(st.integers(0, 7)))),
        ),
        tuple(change() for _ in range(draw(st.integers(1, 4)))),
    )


def _null(kind: Kind, nulls: bool) -> str:
    if kind.sql.startswith("timestamp"):
        return "NULL DEFAULT NULL" if nulls else "NOT NULL DEFAULT 0"
    return "NULL" if nulls else "NOT NULL"


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), page_rows=2)


def _round(seed: int, until: float, check: Callable[[tuple[Example, ...]], None]) -> None:
    """Some examples, the same for the same seed whatever the time; those left when the time is over are not looked at."""

    @seeded(seed)
    @hypothesis(
        max_examples=8,
        deadline=None,
        database=None,
        print_blob=False,
        phases=[Phase.generate, *([Phase.shrink] if LONG else [])],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples=st.tuples(*(tables(number) for number in range(5))))
    def hold(examples):
        if time.monotonic() < until:
            check(examples)

    try:
        hold()
    except BaseException as error:
        error.add_note(f"ELT_TEST_PROPERTY_SEED={seed} repeats it")
        raise


def test_any_table_arrives_and_follows_its_changes(places, settings, servers):
    without_json = lack(servers, "source", "JSON")
    until = time.monotonic() + SECONDS
    checked = 0

    def check(examples):
        nonlocal checked
        _clear(places)
        if without_json:
            examples = [each for each in examples if " json " not in each.made[0]]
        names = [_make(places, each) for each in examples]
        _run_and_compare(places, settings, names, examples)
        for statement in (statement for each in examples for statement in each.changed):
            ask(places.source, statement)
        _run_and_compare(places, settings, names, examples)
        checked += len(names)

    for seed in itertools.count(SEED):
        if time.monotonic() > until:
            break
        _round(seed, until, check)
    assert checked
    print(f"{checked} tables, seeds {SEED} to {seed - 1}")


def _make(places: Places, each: Example) -> str:
    before = set(_tables(places))
    for statement in each.made:
        ask(places.source, statement)
    ((made,),) = set(_tables(places)) - before
    return made


def _tables(places: Places) -> list[tuple[str]]:
    return ask(
        places.source,
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
    )


def _clear(places: Places) -> None:
    """Drop what the example before has made, so that the runs stay short."""
    for place in (places.source, places.replica):
        for (table,) in ask(
            place,
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        ):
            if not table.startswith("etl_"):
                ask(place, f"DROP TABLE {my(table)}")
            elif table.startswith("etl_extract"):
                ask(place, f"DELETE FROM {table}")
    for schema, table in ask(
        places.warehouse,
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('raw', 'public')",
    ):
        if not table.startswith("etl_"):
            ask(places.warehouse, f"DROP TABLE {pg(schema)}.{pg(table)}")
        elif table == "etl_transform_status":
            ask(places.warehouse, "DELETE FROM etl_transform_status")


def _run_and_compare(
    places: Places, settings: Settings, names: list[str], examples: tuple[Example, ...]
) -> None:
    run(settings)
    for table, each in zip(names, examples, strict=True):
        source, replica = oracle.structures(places, table)
        assert (replica, each) == (source, each)
        assert (oracle.inexact(places, table), each) == ("", each)
        assert (oracle.counted(places.warehouse, table), each) == (
            _lost_in_raw(places, table),
            each,
        )


def _lost_in_raw(places: Places, table: str) -> dict[str, dict[str, int]]:
    """What the warehouse could not hold; a −0 was lost before that."""
    kinds = {
        column: {kind: count for kind, count in found.items() if kind != "negative_zeros"}
        for column, found in oracle.lost(places, table).items()
    }
    return {column: found for column, found in kinds.items() if found}


COLUMNS = (Column("Id", "bigint(20)", "bigint"), Column("B", "longblob", "longblob"))


@pytest.fixture(scope="module")
def blobs(places: Places, settings: Settings) -> Iterator[Any]:
    ask(places.replica, "CREATE TABLE blobs (Id bigint PRIMARY KEY, B longblob)")
    with pool.connect(settings.replica, settings.limits, writes=True) as connection:
        yield connection
    ask(places.replica, "DROP TABLE blobs")


@hypothesis(max_examples=60, deadline=None)
@given(values=st.lists(st.none() | st.binary(max_size=300) | BYTES, min_size=1, max_size=20))
def test_any_bytes_come_back_from_load_data(values, blobs, places):
    page = pa.table(
        {"Id": pa.array(range(len(values)), pa.int64()), "B": pa.array(values, pa.large_binary())}
    )
    ask(places.replica, "DELETE FROM blobs")
    load_data.load(blobs, "blobs", COLUMNS, page)
    assert [row[0] for row in ask(places.replica, "SELECT B FROM blobs ORDER BY Id")] == values


@hypothesis(deadline=None)
@given(
    values=st.lists(
        st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
        min_size=1,
        max_size=9,
    )
)
def test_lines_of_load_data_can_be_taken_apart_again(values):
    page = pa.table(
        {"A": pa.array(values, pa.large_string()), "B": pa.array(range(len(values)), pa.int64())}
    )
    lines = bytes(load_data.encode(page)).split(b"\n")
    assert lines.pop() == b""
    fields = [line.split(b"\t") for line in lines]
    unescaped = {b"\\\\": b"\\", b"\\t": b"\t", b"\\n": b"\n"}
    read = [
        None if a == rb"\N" else re.sub(rb"\\.", lambda found: unescaped[found[0]], a).decode()
        for a, _ in fields
    ]
    assert read == values
    assert [int(b) for _, b in fields] == list(range(len(values)))


@given(
    names=st.lists(
        st.text(min_size=1, max_size=64) | st.sampled_from(HOSTILE_NAMES), max_size=8, unique=True
    )
)
def test_names_of_columns_fit_and_stay_apart(names):
    given_names = layout.unique(names)
    assert len(set(given_names)) == len(names)
    assert all(len(name.encode()) <= 63 for name in given_names)
    assert not set(given_names) & {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
    assert layout.unique(names) == given_names


@given(name=st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,30}", fullmatch=True))
def test_names_are_turned_into_snake_case_as_the_oracle_does(name):
    assert layout.snake_case(name) == oracle.snake(name)


@given(
    user=st.text(min_size=1, max_size=16),
    password=st.text(max_size=32),
    name=st.text(min_size=1, max_size=16),
)
@example(user="a b", password="@:/?#[]%&=+ ä\\'\"", name="x/y")
def test_any_login_can_be_read_from_the_drivers_address(user, password, name):
    server = Source(
        _env_file=None, host="127.0.0.1", port=3306, user=user, password=password, db=name
    )
    address = urlsplit(connectorx_address(server))
    assert (unquote(address.username or ""), unquote(address.password or "")) == (user, password)
    assert (address.hostname, address.port, unquote(address.path[1:])) == ("127.0.0.1", 3306, name)
