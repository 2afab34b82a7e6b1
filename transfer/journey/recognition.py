"""Whether the source is still the practice that was copied, and shows what it showed."""

from __future__ import annotations

from collections.abc import Collection

from transfer.changes import evidence
from transfer.errors import LOCKED_OUT, MISSING_COLUMN, MISSING_TABLE, DatabaseFault, PreflightError
from transfer.journey.preflight import privileges
from transfer.mysql import connection as mysql
from transfer.mysql.literals import quote
from transfer.settings import MySQLServer, Settings, Source
from transfer.source import opendental as source
from transfer.values.table import Extracted, SourceTable
from transfer.warehouse import schemas

# A database with these is OpenDental's, which has its preferences beside them in every version.
OPENDENTAL = frozenset({"appointment", "claimproc", "patient", "procedurelog", "provider"})
PREFERENCES, PATIENTS = "preference", "patient"

COMPARED = 20  # the first patients
LEAST = 3  # fewer say nothing
ALIKE = 0.5  # of these; names are corrected and patients merged, but not of most
PERSON = ("LName", "FName", "Birthdate")
ACCEPT = "; if it is on purpose, run once with --accept-source."


def check(
    chosen: Settings, found: source.Survey, copies: dict[str, Extracted], known: Collection[str], *, whole: bool
) -> None:
    """Refuse a source that is another practice's, or that shows less than it did; `known` are the tables copied before.

    Raises:
        PreflightError: it is; the sentence names the setting and the mend.

    """
    seen = frozenset(each.table.name for each in found.tables) | {each.table for each in found.excluded}
    lost = sorted(set(known) - seen - schemas.gone(chosen.warehouse)) if whole and set(known) - seen else []
    sentence = (
        _without_preferences(chosen.source, seen, known)
        or (_unseen(chosen, lost) if lost else "")
        or _of_another_practice(chosen, found, copies)
    )
    if sentence:
        raise PreflightError(sentence + ACCEPT)


def _without_preferences(server: Source, seen: frozenset[str], known: Collection[str]) -> str:
    if PREFERENCES in seen or not (PREFERENCES in known or seen >= OPENDENTAL):
        return ""
    return (
        f"SOURCE_MYSQL_DB: {server.db} shows no table {PREFERENCES}, which every OpenDental database has; name the practice's"
        f" database, or grant {server.user} SELECT on all of it (deployments/grants/source.sql)"
    )


def _unseen(chosen: Settings, lost: list[str]) -> str:
    server, most = chosen.source, chosen.limits.gone_tables
    with mysql.connect(server, chosen.limits) as connection:
        granted = [row[0] for row in mysql.rows(connection, "source", "asking for its grants", "SHOW GRANTS")]
    named = f"{len(lost)} table{'s' * (len(lost) > 1)} that it showed before, {lost[0]} the first"
    if "SELECT" not in privileges(granted, server.db):
        return (
            f"SOURCE_MYSQL_USER: {server.user} does not see {named}, and may not read all of {server.db}; grant it SELECT"
            " on the whole database (deployments/grants/source.sql)"
        )
    if len(lost) > most:
        return (
            f"SOURCE_MYSQL_DB: {server.db} lacks {named}, and ELT_GONE_TABLES={most} allows fewer to go at once; name the"
            " practice's database"
        )
    return ""


def _of_another_practice(chosen: Settings, found: source.Survey, copies: dict[str, Extracted]) -> str:
    """Compare the first patients, unless the table is the one that was read: by digests, which the servers make."""
    table = next((each for each in found.tables if each.table.name == PATIENTS), None)
    copied = copies.get(PATIENTS)
    if table is None or copied is None or not evidence.why_read(table, copied) or not _names_people(table):
        return ""
    ours = _people(chosen.replica, chosen, f"ORDER BY PatNum LIMIT {COMPARED}")
    if ours is None or len(ours) < LEAST:
        return ""
    theirs = _people(chosen.source, chosen, f"WHERE PatNum IN ({', '.join(map(str, ours))})")
    if theirs is None or sum(theirs.get(key) == person for key, person in ours.items()) >= ALIKE * len(ours):
        return ""
    return (
        f"SOURCE_MYSQL_HOST or SOURCE_MYSQL_DB: {chosen.source.db} at {chosen.source.host}:{chosen.source.port} is another"
        " practice's, as most of the first patients are others than in the replica; name the practice's own, or give this one a"
        " replica and a warehouse of its own"
    )


def _names_people(table: SourceTable) -> bool:
    return {"PatNum", *PERSON} <= {column.name for column in table.table.columns}


def _people(server: MySQLServer, chosen: Settings, which: str) -> dict[int, str] | None:
    """Return a digest of each of these patients by key; None if the table cannot be asked now."""
    person = ", ".join(f"HEX({quote(name)})" for name in PERSON)
    query = f"SELECT PatNum, MD5(CONCAT_WS('/', {person})) FROM {quote(PATIENTS)} {which}"
    with mysql.connect(server, chosen.limits) as connection:
        try:
            return dict(mysql.rows(connection, server.place, "asking for its first patients", query))
        except DatabaseFault as fault:
            if fault.code in MISSING_TABLE | MISSING_COLUMN | LOCKED_OUT:
                return None
            raise
