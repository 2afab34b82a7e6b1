"""Whether the source is still the practice that was copied, and shows what it showed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from transfer.changes import evidence
from transfer.errors import DatabaseFault, SourceRefused
from transfer.journey.mysql_checks import privileges
from transfer.mysql import pool
from transfer.mysql.literals import quote
from transfer.postgres.literals import Place
from transfer.postgres.pool import connect
from transfer.server_codes import LOCKED_OUT, MISSING_COLUMN, MISSING_TABLE
from transfer.settings import Limits, MySQLServer, Settings, Source, Warehouse
from transfer.source import survey as source
from transfer.values.table import Extracted, SourceTable
from transfer.warehouse import schemas

# A database with these is OpenDental's, which has its preferences beside them in every version.
OPENDENTAL = frozenset({"appointment", "claimproc", "patient", "procedurelog", "provider"})
PREFERENCES, PATIENTS = "preference", "patient"

COMPARED = 20  # the first patients
LEAST = 3  # fewer say nothing
ALIKE = 0.5  # of these; names are corrected and patients merged, but not of most
PERSON = ("PatNum", "LName", "FName", "Birthdate")
# What tells one practice from another where its patients do not; any may change, but not all at
# once.
NAMED = ("PracticeTitle", "PracticePhone", "PracticeAddress", "PracticeZip", "RegistrationKey")
TOLD = 2  # so many of them say something
NOT_NOW = MISSING_TABLE | MISSING_COLUMN | LOCKED_OUT | {"42703"}
ACCEPT = "; if it is on purpose, run once with --accept-source."

# The same text on MySQL and PostgreSQL, whatever the column's character set or type of date.
OF_MYSQL = (
    "SHA2(CONCAT_WS('/', HEX(CONVERT(LName USING utf8mb4)), HEX(CONVERT(FName USING utf8mb4)),"
    " DATE_FORMAT(Birthdate, '%Y-%m-%d')), 256)"
)
OF_VALUE = """encode(sha256(convert_to(
    upper(encode(convert_to("ValueString", 'UTF8'), 'hex')), 'UTF8')), 'hex')"""
OF_POSTGRES = """encode(sha256(convert_to(concat_ws('/',
    upper(encode(convert_to("LName", 'UTF8'), 'hex')),
    upper(encode(convert_to("FName", 'UTF8'), 'hex')),
    to_char("Birthdate", 'YYYY-MM-DD')), 'UTF8')), 'hex')"""


def check(
    settings: Settings,
    found: source.Survey,
    copies: Mapping[str, Extracted],
    known: Collection[str],
    *,
    whole: bool,
) -> None:
    """Refuse a source that is another practice's, or that shows less than it did; `known` are the
    tables copied before.

    Raises:
        SourceRefused: it is; the sentence names the setting and the mend.

    """
    seen = frozenset(table.table.name for table in found.tables) | {
        table.table for table in found.excluded
    }
    lost = sorted(set(known) - seen - schemas.gone(settings.warehouse)) if set(known) - seen else []
    sentence = (
        _without_preferences(settings.source, seen, known, lost)
        or (_unseen(settings, lost) if lost and whole else "")
        or _of_another_practice(settings, found, copies)
    )
    if sentence:
        raise SourceRefused(sentence + ACCEPT)


def _without_preferences(
    server: Source, seen: frozenset[str], known: Collection[str], lost: Collection[str]
) -> str:
    if PREFERENCES in seen or not (PREFERENCES in lost or (not known and seen >= OPENDENTAL)):
        return ""
    return (
        f"SOURCE_MYSQL_DB: {server.db} shows no table {PREFERENCES}, which every OpenDental"
        " database has; name the practice's"
        f" database, or grant {server.user} SELECT on all of it (deployments/grants/source.sql)"
    )


def _unseen(settings: Settings, lost: list[str]) -> str:
    server, most = settings.source, settings.limits.gone_tables
    with pool.connect(server, settings.limits) as connection:
        granted = [row[0] for row in connection.rows("asking for its grants", "SHOW GRANTS")]
    named = f"{len(lost)} table{'s' * (len(lost) > 1)} that it showed before, {lost[0]} the first"
    if "SELECT" not in privileges(granted, server.db):
        return (
            f"SOURCE_MYSQL_USER: {server.user} does not see {named}, and may not read all of"
            f" {server.db}; grant it SELECT"
            " on the whole database (deployments/grants/source.sql)"
        )
    if len(lost) > most:
        return (
            f"SOURCE_MYSQL_DB: {server.db} lacks {named}, and ELT_GONE_TABLES allows {most} to go"
            " at once; name the"
            " practice's database"
        )
    return ""


def _of_another_practice(
    settings: Settings, found: source.Survey, copies: Mapping[str, Extracted]
) -> str:
    """Compare the first patients with those of the replica, or of `raw` beside a new one, and where
    they tell nothing the practice's preferences: by digests, which the servers make.
    """
    patients = next((seen for seen in found.tables if seen.table.name == PATIENTS), None)
    if patients and PATIENTS in copies and not evidence.why_read(patients, copies[PATIENTS]):
        return ""
    alike = _alike_patients(settings, patients) if patients else None
    if alike is None:
        alike = _alike_preferences(settings)
    if alike is not False:
        return ""
    return (
        f"SOURCE_MYSQL_HOST or SOURCE_MYSQL_DB: {settings.source.db} at"
        f" {settings.source.host}:{settings.source.port} is another"
        " practice's, as most of the first patients, or all its names and numbers, are others than"
        " were copied; name the"
        " practice's own, or give this one a replica and a warehouse of its own"
    )


def _alike_patients(settings: Settings, patients: SourceTable) -> bool | None:
    """Tell whether most of the first patients are those that were copied; None if they cannot be
    compared.
    """
    if not set(PERSON) <= {column.name for column in patients.table.columns}:
        return None
    which = f"ORDER BY PatNum LIMIT {COMPARED}"
    ours = _of(settings.replica, settings.limits, "PatNum", OF_MYSQL, PATIENTS, which)
    if ours is None:
        ours = _of_raw(
            settings.warehouse,
            '"PatNum"::text',
            OF_POSTGRES,
            PATIENTS,
            f'ORDER BY "PatNum" LIMIT {COMPARED}',
        )
    if ours is None or len(ours) < LEAST:
        return None
    theirs = _of(
        settings.source,
        settings.limits,
        "PatNum",
        OF_MYSQL,
        PATIENTS,
        f"WHERE PatNum IN ({', '.join(ours)})",
    )
    if theirs is None:
        return None
    return sum(theirs.get(key) == person for key, person in ours.items()) >= ALIKE * len(ours)


def _alike_preferences(settings: Settings) -> bool | None:
    """Tell whether any of the practice's names and numbers is as it was copied; None if they cannot
    be compared.
    """
    names = ", ".join(f"'{name}'" for name in NAMED)
    # An empty one is the same in every practice.
    of_mysql = f"WHERE PrefName IN ({names}) AND ValueString <> ''"
    of_raw = f"""WHERE "PrefName" IN ({names}) AND "ValueString" <> ''"""
    value = "SHA2(HEX(CONVERT(ValueString USING utf8mb4)), 256)"
    theirs = _of(settings.source, settings.limits, "PrefName", value, PREFERENCES, of_mysql)
    ours = _of(settings.replica, settings.limits, "PrefName", value, PREFERENCES, of_mysql)
    if ours is None:
        value = OF_VALUE
        ours = _of_raw(settings.warehouse, '"PrefName"', value, PREFERENCES, of_raw)
    both = [name for name in ours or () if name in (theirs or {})]
    if not ours or not theirs or len(both) < TOLD:
        return None
    return any(ours[name] == theirs[name] for name in both)


def _of(
    server: MySQLServer, limits: Limits, key: str, value: str, table: str, which: str
) -> dict[str, str] | None:
    """Return digests by key; None if the table is not there or cannot be asked now."""
    query = f"SELECT CAST({key} AS CHAR), {value} FROM {quote(table)} {which}"
    with pool.connect(server, limits) as connection:
        try:
            return dict(connection.rows(f"asking {table} whose it is", query))
        except DatabaseFault as fault:
            if fault.code in NOT_NOW:
                return None
            raise


def _of_raw(
    warehouse: Warehouse, key: str, value: str, table: str, which: str
) -> dict[str, str] | None:
    query = f"SELECT {key}, {value} FROM {Place(warehouse.raw_schema, table)} {which}"
    with connect(warehouse) as connection:
        try:
            return dict(connection.rows(f"asking raw's {table} whose it is", query))
        except DatabaseFault as fault:
            if fault.code in NOT_NOW:
                return None
            raise
