"""Gentle reads (L1, L5, L6, L10, L11): what the source is asked, by its own logs, and that nothing moves without need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from abilities import lack
from asked import asked, forget, logged
from conftest import settings_for
from oracle import Places, ask
from practice import A_PROCEDURE, ENGINES, PAGE_ROWS, PROCEDURES, SIZES, Practice, opened

from deployments.databases import Databases

ROWS = 240
COMPOSITE = (
    "PatNum bigint NOT NULL, Ordinal int NOT NULL, Note varchar(20), PRIMARY KEY (PatNum, Ordinal)"
)


@dataclass(frozen=True)
class Logs:
    """What the source's server says that the pipeline's account asked: of each statement its connection and text.

    `examined` has the number of rows that each statement looked at.
    """

    statements: list[tuple[int, str]]
    examined: list[tuple[int, str]]

    @property
    def of_tables(self) -> list[str]:
        """The statements that read a table with a key of the practice's."""
        return [text for _, text in self.statements if READS.search(text)]


READS = re.compile(r"^SELECT.* FROM `?(procedurelog|patientnote)_", re.DOTALL)
KEYS = {"procedurelog": ["ProcNum"], "patientnote": ["PatNum", "Ordinal"]}

PAGE = re.compile(r" LIMIT \d+$")
KEYED = re.compile(r" WHERE `\w+` IN \([-\d, ]+\)$")


@pytest.fixture(scope="module")
def logs(places: Places, module_databases: Databases) -> dict[str, Logs]:
    """The logs of first loads, runs after changes, verifications and forced runs of tables of either size, per engine."""
    found = {}
    for engine in ENGINES:
        forget(places.source)
        with pytest.MonkeyPatch.context() as patch:
            for size in SIZES:
                _play(opened(engine, size, places, module_databases, patch))
        user = settings_for(module_databases).source.user
        slow = "SELECT rows_examined, CONVERT(sql_text USING utf8mb4) FROM mysql.slow_log WHERE user_host LIKE %s"
        found[engine] = Logs(
            [
                (thread, _plain(text))
                for thread, text in asked(places.source, user, "Query", "Execute")
            ],
            [(rows, _plain(text)) for rows, text in ask(places.source, slow, f"{user}[%")],
        )
    return found


def _plain(text: str) -> str:
    """A statement without its first comment."""
    return re.sub(r"^(\w+) /\* .*? \*/ ", r"\1 ", text.strip())


def _play(practice: Practice) -> None:
    tables = [
        practice.fill(practice.create(PROCEDURES, "procedurelog"), A_PROCEDURE, ROWS),
        practice.fill(practice.create(COMPOSITE, "patientnote"), "seq DIV 5, seq, 'n'", ROWS),
    ]
    with logged(practice.places.source):
        practice.bring(*tables)
        for table, key in zip(tables, ("ProcNum", "Ordinal"), strict=True):
            practice.write(
                f"UPDATE {table} SET Note = 'changed' WHERE {key} IN (7, 190)",
                f"DELETE FROM {table} WHERE {key} = 200",
            )
        practice.bring(*tables)
        practice.bring(*tables, verify=True, force_full=True)


def test_l01_no_statement_reads_more_than_a_page_or_ranges_of_keys_and_each_has_a_time_limit(
    engine, logs, servers
):
    pages = [
        int(found[1])
        for text in logs[engine].of_tables
        if (found := re.search(r" LIMIT (\d+)$", text))
    ]
    assert 0 < max(pages) <= PAGE_ROWS
    counting = re.compile(r"^SELECT COUNT\(\*\) FROM `\w+`$")
    # A table so small that a scan takes no longer than a page, or a stretch of a larger one's key.
    by_cells = re.compile(r" GROUP BY cell ORDER BY NULL$")
    for text in logs[engine].of_tables:
        of_ranges = text.count(" FROM `") == text.count(" WHERE (")
        # Of InnoDB, whose writers wait for no reader, the rows must be counted.
        assert (
            of_ranges
            or PAGE.search(text)
            or KEYED.search(text)
            or by_cells.search(text)
            or (engine == "InnoDB" and counting.match(text))
        )
    examined = [
        rows for rows, text in logs[engine].examined if READS.search(text) and PAGE.search(text)
    ]
    assert len(examined) >= ROWS / PAGE_ROWS
    assert max(examined) <= 2 * PAGE_ROWS
    if lack(servers, "source", "time limit for statements"):
        return
    limit = {"MariaDB": "max_statement_time", "MySQL": "max_execution_time"}[servers.source.product]
    limited: set[int] = set()
    for thread, text in logs[engine].statements:
        if re.match(rf"SET .*\b{limit} = [1-9]", text, re.DOTALL):
            limited.add(thread)
        assert not READS.search(text) or thread in limited


def test_l05_pages_go_on_behind_the_last_key_in_its_order_and_never_by_an_offset(engine, logs):
    pages = [text for text in logs[engine].of_tables if PAGE.search(text)]
    assert len(pages) > ROWS / PAGE_ROWS
    assert [text for text in pages if re.search(r"\bOFFSET\b|LIMIT \d+ *,", text)] == []
    for text in pages:
        (name,) = {found[1] for found in READS.finditer(text)}
        order = ", ".join(f"`{key}`" for key in KEYS[name])
        assert re.search(rf" ORDER BY {order} LIMIT \d+$", text)
    later = [text for text in pages if " WHERE " in text]
    assert len(later) > len(pages) / 2


def test_l06_the_source_is_only_ever_asked(engine, logs):
    verbs = {text.split()[0].upper() for _, text in logs[engine].statements}
    assert verbs <= {"SELECT", "SHOW", "SET"}
    settings = [text for _, text in logs[engine].statements if text.upper().startswith("SET")]
    assert settings
    assert [
        text
        for text in settings
        if re.search(r"\b(GLOBAL|PERSIST|PERSIST_ONLY|PASSWORD)\b", text.upper())
    ] == []
    assert [
        text
        for text in logs[engine].of_tables
        if re.search(r"\bFOR UPDATE\b|\bLOCK IN\b|\bINTO\b", text.upper())
    ] == []


def _versions(practice: Practice, table: str) -> list[list[tuple[Any, ...]]]:
    """Each row's place and the transaction that wrote it."""
    return [
        ask(
            practice.places.warehouse,
            f"SELECT ctid::text, xmin::text FROM {schema}.{table} ORDER BY 1",
        )
        for schema in ("raw", "public")
    ]


def test_l10_rows_that_are_written_again_as_they_were_move_nothing(practice):
    keyed = practice.procedures()
    keyless = practice.fill(
        practice.create("Code varchar(9), Amount double", "keyless"), "seq % 7, seq DIV 20", 60
    )
    practice.bring(keyed, keyless)
    numbers = "SELECT load_id, public_id FROM etl_transform_status WHERE table_name IN (%s, %s)"
    before = (
        _versions(practice, keyed),
        _versions(practice, keyless),
        ask(practice.places.warehouse, numbers, keyed, keyless),
    )
    for table in (keyed, keyless):
        practice.write(
            f"CREATE TABLE {table}_kept AS SELECT * FROM {table}", f"DELETE FROM {table}"
        )
        practice.write(
            f"INSERT INTO {table} SELECT * FROM {table}_kept ORDER BY 1 DESC",
            f"DROP TABLE {table}_kept",
        )
    practice.write(
        f"UPDATE {keyed} SET ProcFee = ProcFee + 1, DateTStamp = DateTStamp",
        f"UPDATE {keyed} SET ProcFee = (ProcNum / 7), DateTStamp = DateTStamp",
    )
    for how in ({}, {"force_full": True}):
        results = practice.bring(keyed, keyless, **how)
        assert {table: result.changed for table, result in results.items()} == {
            keyed: 0,
            keyless: 0,
        }
    after = (
        _versions(practice, keyed),
        _versions(practice, keyless),
        ask(practice.places.warehouse, numbers, keyed, keyless),
    )
    assert after == before


def test_l11_no_rows_are_counted_or_looked_for_by_their_stamp(engine, logs):
    for text in logs[engine].of_tables:
        conditions = " ".join(
            re.findall(r"\bWHERE\b(.*?)(?:\bORDER BY\b|\bUNION ALL\b|$)", text, re.DOTALL)
        )
        assert "DateTStamp" not in conditions
