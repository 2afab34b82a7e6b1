"""Old servers: MySQL 5.5 understands what a source is sent, although none is here to run it on."""

import importlib
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asked import asked, forget, logged
from conftest import settings_for
from fiftyfive import Dialect, kind_of, strange, tokens
from oracle import Places, ask
from practice import PROCEDURES
from runs import limited, run
from samples import Family, Made, Sample, made

from deployments.databases import Databases
from transfer.errors import DatabaseFault, EltError, PreflightError
from transfer.journey import doctor, preflight
from transfer.journey.plan import look
from transfer.mysql import buckets, reading, session
from transfer.settings import Settings
from transfer.source import rows, survey
from transfer.values.scope import Range
from transfer.values.table import SourceTable

MORE = {
    "preference": made(
        "CREATE TABLE {t} (PrefName varchar(255) PRIMARY KEY, ValueString text)",
        "INSERT INTO {t} VALUES ('DataBaseVersion', '24.3.1'), ('UpdateInProgressOnComputerName', '')",
    ),
    "procedurelog": made(
        f"CREATE TABLE {{t}} ({PROCEDURES}) ENGINE=MyISAM",
        "INSERT INTO {t} (PatNum, ProcDate, DateTStamp) VALUES (1, '2025-01-01', '2025-01-01')"
        + ", (2, '2025-01-02', '2025-01-02 03:04:05')" * 30,
    ),
    "document": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, Note varchar(9000), RawBase64 longtext) ENGINE=InnoDB",
        "INSERT INTO {t} VALUES (1, REPEAT('n', 2000), REPEAT('r', 50000)), (2, '', NULL), (3, REPEAT('n', 2000), 'r')",
    ),
    "labelled": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A enum('?', 'x') NOT NULL DEFAULT '?', B varchar(9) DEFAULT '?', C set('?'))",
        "INSERT INTO {t} VALUES (1, '?', '?', '?'), (2, 'x', 'x', '')",
    ),
    "history": made(
        "CREATE TABLE {t} (Id int PRIMARY KEY, A int) WITH SYSTEM VERSIONING",
        "INSERT INTO {t} VALUES (1, 1), (2, 2), (3, 3)",
    ),
}
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def all_samples() -> dict[str, Sample | Made]:
    """The tables of every file beside this one."""
    found: dict[str, Sample | Made] = dict(MORE)
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.stem != Path(__file__).stem:
            kind = path.stem.removeprefix("test_")
            tables = getattr(importlib.import_module(path.stem), "TABLES", {})
            found |= {
                name if kind == "names" else f"{kind}_{name}": sample
                for name, sample in tables.items()
            }
    return found


@dataclass(frozen=True)
class Log:
    statements: frozenset[str]
    dialect: Dialect


@pytest.fixture(scope="module")
def log(places: Places, module_databases: Databases) -> Log:
    """All that the source was sent in runs of every kind over tables of every type."""
    settings = limited(
        settings_for(module_databases),
        page_rows=2,
        page_bytes=20_000,
        reload_rows=0,
        reload_bytes=0,
    )
    forget(places.source)
    with pytest.MonkeyPatch.context() as patch, logged(places.source):
        patch.setattr(buckets, "ROWS", 2)
        _play(Family(places, settings, all_samples()), patch)
    charsets = {
        name.upper()
        for (name,) in ask(
            places.source, "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS"
        )
    }
    said = {
        text
        for _, text in asked(places.source, settings.source.user, "Query", "Prepare", "Execute")
    }
    statements = frozenset(text for text in said if "SLEEP" not in text)
    return Log(statements, Dialect(columns_charsets=frozenset(charsets)))


def _play(family: Family, patch: pytest.MonkeyPatch) -> None:
    settings = family.settings
    with suppress(PreflightError):  # a replica that does not know a sample's collation
        preflight.check(settings)
    doctor.examine(settings)
    for each in survey.survey(settings.source, settings.limits).tables:
        with suppress(EltError):
            _read(settings, each)
    look(settings)
    ordinary = [name for name in MORE if name in family.tables]
    run(settings, *ordinary)
    ask(family.places.source, "UPDATE procedurelog SET ProcFee = 7 WHERE ProcNum IN (3, 17)")
    run(settings, *ordinary)
    run(settings, *ordinary, verify=True)
    _hang(settings, patch)


def _read(settings: Settings, each: SourceTable) -> None:
    """Read a table in every way in which a source is read; all that a run asks of it goes through these."""
    place, limits = settings.source, settings.limits
    survey.definition(place, limits, each.table.name)
    survey.count(place, limits, each)
    rows.hashes(place, limits, each)
    lasts = [page.last_key for page in rows.pages(place, limits, each) if page.last_key]
    for last in lasts[:1]:
        halves, since = (
            [Range(None, last), Range(last, None)],
            LONG_AGO if each.table.stamps else None,
        )
        list(rows.list_rows(place, limits, each, halves[0], since))
        list(rows.rows_of(place, limits, each, lasts))
        with rows.reading(place, limits) as connection:
            buckets.Side(connection, each.table).tallies(halves, since)


def _hang(settings: Settings, patch: pytest.MonkeyPatch) -> None:
    """A read is given up after a second, long before the server would end it."""
    patch.setattr(session, "ANSWER_SECONDS", 1 - settings.limits.statement_seconds)
    with suppress(DatabaseFault):
        reading.read(settings.source, settings.limits, "reading", "SELECT SLEEP(30) AS nothing")


def _as_mysqls(statement: str) -> str:
    """A statement without what is sent of system-versioned tables only, which only MariaDB has."""
    return re.sub(r"^SET STATEMENT time_zone = '\+00:00' FOR ", "", statement)


def test_mysql_5_5_understands_all_that_a_source_is_sent(log):
    found = {
        sentence
        for statement in log.statements
        for sentence in strange(_as_mysqls(statement), log.dialect)
    }
    assert "\n".join(sorted(found)) == ""


KINDS = {
    "the driver's questions": r"SELECT @@max_allowed_packet",
    "a session": r"^SET (SESSION|NAMES) .*\btime_zone = ",
    "the preflight": r"SHOW GRANTS",
    "the doctor": r"SELECT UTC_TIMESTAMP.*SUM\(DATA_LENGTH \+ INDEX_LENGTH\)",
    "collations": r"COLLATION_NAME.* FROM information_schema\.COLUMNS",
    "OpenDental's version": r"FROM preference WHERE PrefName IN",
    "the survey": r"FROM information_schema\.STATISTICS",
    "a definition": r"SHOW CREATE TABLE `keys_composite`",
    "labels": r"SELECT DISTINCT CAST\(.* FROM `labelled`",
    "defaults": r"HEX\(CONVERT\(DEFAULT\(.* FROM `labelled` LIMIT 1",
    "a count": r"SELECT COUNT\(\*\) FROM `document`",
    "a first page": r"FROM `procedurelog` FORCE INDEX \(PRIMARY\) WHERE TRUE ORDER BY `ProcNum` LIMIT \d+$",
    "a later page of two columns' key": r"FROM `keys_composite` .*\bWHERE \(.* > .* OR \(.* ORDER BY .* LIMIT",
    "the lengths of long texts": r"LENGTH\(CAST\(`RawBase64` AS BINARY\)\), 0\) AS SIGNED\) FROM `document`",
    "texts that fill a page": r"CAST\(@elt_bytes AS SIGNED\) FROM `document`",
    "rows by their keys": r"FROM `procedurelog` FORCE INDEX \(PRIMARY\) WHERE `ProcNum` IN \(",
    "hashes of buckets, by stamps": r"UNION ALL SELECT 1, .*UNIX_TIMESTAMP\(`DateTStamp`\) >= .*FROM `procedurelog`",
    "hashes of buckets, by all columns": r"COUNT\(hash\).*SHA2\(CONCAT_WS\((?!.*DateTStamp`\) >=).*FROM `procedurelog`",
    "a connection that hangs": r"FROM information_schema\.PROCESSLIST",
    "its end": r"KILL \d+",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_statement_was_heard(kind, log):
    assert [text for text in log.statements if re.search(KINDS[kind], text, re.DOTALL)]


@pytest.mark.parametrize(
    ("statement", "thing"),
    [
        ("SELECT UTC_TIMESTAMP(6)", "UTC_TIMESTAMP(6)"),
        ("SELECT CAST(`a` AS DATETIME(6)) FROM `t`", "DATETIME(6)"),
        ("SELECT CAST(`a` AS JSON) FROM `t`", "JSON"),
        ("SELECT SUM(`a`) OVER () FROM `t`", "OVER"),
        ("WITH one AS (SELECT 1) SELECT 1 FROM `one`", "WITH"),
        ("SELECT JSON_EXTRACT(`a`, '$.b') FROM `t`", "JSON_EXTRACT"),
        ("SELECT `a` -> '$.b' FROM `t`", "->"),
        ("SELECT TO_BASE64(`a`) FROM `t`", "TO_BASE64"),
        ("SELECT GENERATION_EXPRESSION FROM information_schema.COLUMNS", "GENERATION_EXPRESSION"),
        ("SELECT INFO FROM information_schema.KEYWORDS", "KEYWORDS"),
        ("SELECT @@session.tx_read_only", "TX_READ_ONLY"),
        ("SET SESSION time_zone = '+00:00', max_execution_time = 1", "max_execution_time"),
        ("SELECT CONVERT(`a` USING utf8mb3) FROM `t`", "utf8mb3"),
        ("SELECT 1 FROM `t` WHERE `a` = _gb18030 x'41'", "gb18030"),
        ("SELECT 1 FROM `t` LIMIT 1 ROWS EXAMINED 2", "EXAMINED"),
        ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", "WRITE"),
        ("SET STATEMENT max_statement_time = 1 FOR SELECT 1", "STATEMENT"),
    ],
)
def test_what_came_later_is_found(statement, thing):
    found = [
        sentence
        for sentence in strange(statement)
        if f" {thing} is none that MySQL 5.5 has; it came with " in sentence
    ]
    assert len(found) == 1
    assert found[0].startswith(kind_of(statement))


def test_what_nobody_knows_is_found():
    (sentence,) = strange("SELECT FROB(`JSON_EXTRACT(a)`, 'OVER ()') FROM `with` -- JSON")
    assert sentence.startswith("SELECT: the function FROB is none that MySQL 5.5 has; if it has it")


@pytest.mark.parametrize(
    ("comment", "read"),
    [
        ("/* 1 */", ""),
        ("/*+ MAX_EXECUTION_TIME(1) */", ""),
        ("/*! 1 */", "1"),
        ("/*!50500 1 */", "1"),
        ("/*!50604 1 */", ""),
        ("/*!80000 1 */", ""),
        ("/*!80000 1 /* 2 */ 3 */ 4", "4"),
        ("/*!50101 1 */ 2 /*!80000 3 */", "12"),
        ("/*!100300 1 */", "01"),  # a version has five digits, of which these are 1.00.30
        ("/*M! 1 */", ""),
        ("/*M!100300 1 */", ""),
        ("'/*! 1 */'", "'/*! 1 */'"),
        ("2 */ 3", "2*/3"),
    ],
)
def test_comments_are_read_as_mysql_5_5_reads_them(comment, read):
    assert "".join(token.text for token in tokens(comment)) == read
