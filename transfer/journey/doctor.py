"""Every precondition of the servers with what was measured, found out in seconds; nothing changes.

A run refuses what `preflight` refuses. The rest only costs time or makes single tables red.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transfer.changes import evidence
from transfer.errors import EltError, TableError
from transfer.journey import plan, preflight
from transfer.mysql import pool
from transfer.postgres.pool import connect
from transfer.settings import MySQLServer, Server, Settings
from transfer.source import survey
from transfer.source.survey import Survey
from transfer.values.checked import Checked
from transfer.values.table import Table
from transfer.warehouse import history

# docs/connect.md has the same. A version that begins with one of these is tested.
TESTED = {
    "MySQL": ("5.6.", "9.7."),
    "MariaDB": ("10.5.", "10.11.", "11.8."),
    "PostgreSQL": ("15.", "18."),
}
OLDEST = {"MySQL": (5, 5), "MariaDB": (10, 2), "PostgreSQL": (15, 0)}
CLOCK_SECONDS = 60
GOOD_DAYS = 2.0
# Longer rows make their table red; those of OpenDental's documents and pictures may have some MB.
LEAST_PACKET, ENOUGH_PACKET = 2**20, 2**24
GB = 1e9
# Rows and keys of the source's bytes in InnoDB, and in `raw` and `public` together; a table that is
# read anew stands there twice meanwhile.
GROWS = {"replica": 2, "warehouse": 3}
ASKED = "version max_allowed_packet sql_mode time_zone system_time_zone datadir".split()


@dataclass(frozen=True, slots=True)
class _Server:
    """What a server says of itself.

    Its folder and its bytes, those of the pipeline's own database, are for the room on its disk.
    """

    kind: str
    version: str
    clock: datetime
    zone: str
    folder: str
    bytes: int
    packet: int = 0
    mode: str = ""
    encoding: str = ""


def examine(settings: Settings) -> tuple[Checked, ...]:
    """Check every precondition of the three servers, and how old the last good run is."""
    looked = preflight.look(settings)
    found = [each for seen in looked.servers for each in seen.checks]
    sound = {each.place for each in found if each.name == "answers" and each.holds}
    asked: dict[str, Callable[[], object]] = {
        "source": lambda: _mysql(settings, settings.source),
        "replica": lambda: _mysql(settings, settings.replica),
        "warehouse": lambda: _postgres(settings),
        "survey": lambda: survey.survey(settings.source, settings.limits),
        "last run": lambda: _last_run(settings),
    }
    where = {"survey": "source", "last run": "warehouse"}
    able = {name: ask for name, ask in asked.items() if where.get(name, name) in sound}
    with ThreadPoolExecutor(len(asked)) as threads:
        told = dict(zip(able, threads.map(_answer, able.values()), strict=True))
    servers = {name: each for name, each in told.items() if isinstance(each, _Server)}
    seen = told.get("survey")
    found += looked.between
    found += _of_servers(settings, servers)
    if isinstance(seen, Survey):
        found += _of_tables(settings, seen)
        found += [
            _room(settings, name, server, seen) for name, server in servers.items() if name in GROWS
        ]
    found += [each for each in told.values() if isinstance(each, Checked)]
    return tuple(found)


def _answer(ask: Callable[[], object]) -> object:
    """Return what was asked for, or that there was no answer."""
    try:
        return ask()
    except EltError as error:
        return Checked("servers", "questions", "one was not answered", str(error), stops=False)


def _mysql(settings: Settings, server: MySQLServer) -> _Server:
    names = ", ".join(f"'{name}'" for name in ASKED)
    with pool.connect(server, settings.limits) as connection:
        set_to: dict[str, str] = dict(
            connection.rows(
                "asking for its settings",
                f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})",
            )
        )
        ((clock, size),) = connection.rows(
            "asking for its clock and size",
            "SELECT UTC_TIMESTAMP(/*!50604 6 */), COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0)"
            " FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        )
    zone = set_to["time_zone"]
    return _Server(
        "MariaDB" if "MariaDB" in set_to["version"] else "MySQL",
        set_to["version"],
        clock.replace(tzinfo=UTC),
        set_to["system_time_zone"] if zone == "SYSTEM" else zone,
        set_to["datadir"],
        int(size),
        int(set_to["max_allowed_packet"]),
        set_to["sql_mode"],
    )


def _postgres(settings: Settings) -> _Server:
    with connect(settings.warehouse) as connection:
        ((version, clock, zone, size, encoding, folder),) = connection.rows(
            "asking for its settings",
            "SELECT current_setting('server_version'), now(),"
            " (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'),"
            " pg_database_size(current_database()), current_setting('server_encoding'),"
            " COALESCE((SELECT setting FROM pg_settings WHERE name = 'data_directory'), '')",
        )
    moment = clock if clock.tzinfo else clock.replace(tzinfo=UTC)
    return _Server("PostgreSQL", version, moment, zone, folder, int(size), encoding=encoding)


def _of_servers(settings: Settings, servers: dict[str, _Server]) -> list[Checked]:
    places = (settings.source, settings.replica, settings.warehouse)
    found = [_tls(server) for server in places]
    for server in places:
        seen = servers.get(server.place)
        if seen is None:
            continue
        found += [
            _version(server, seen),
            _clock(server, seen),
            Checked(server.place, "time zone", f"{seen.zone}; each session sets UTC"),
        ]
        if seen.kind == "PostgreSQL":
            found.append(Checked(server.place, "encoding", seen.encoding))
        else:
            mode = seen.mode or "none"
            found.append(Checked(server.place, "sql_mode", f"{mode}; each session sets its own"))
            found.append(_packet(server, seen, servers.get("source")))
    return found


def _tls(server: Server) -> Checked:
    if server.verified_tls:
        return Checked(server.place, "TLS", "verified")
    if server.on_this_machine:
        return Checked(server.place, "TLS", "not needed on this machine")
    measured = f"off, as {server.prefix}TLS says: rows travel to {server.host} in the clear"
    return Checked(server.place, "TLS", measured)


def _version(server: Server, seen: _Server) -> Checked:
    tested = seen.version.startswith(TESTED[seen.kind])
    listed = ", ".join(version.rstrip(".") for version in TESTED[seen.kind])
    numbers = re.match(r"(\d+)\.(\d+)", seen.version)
    number = tuple(map(int, numbers.groups())) if numbers else (0, 0)
    old = (
        f"{server.prefix}HOST: the server at {server.host}:{server.port} is {seen.kind}"
        f" {seen.version}, older than any that works; docs/connect.md lists those that do."
    )
    measured = f"{seen.kind} {seen.version}" + ("" if tested else f"; tested are {listed}")
    sentence = old if number < OLDEST[seen.kind] else ""
    return Checked(server.place, "server", measured, sentence, stops=False)


def _clock(server: Server, seen: _Server) -> Checked:
    ahead = (seen.clock - datetime.now(UTC)).total_seconds()
    measured = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    wrong = (
        f"{server.prefix}HOST: the clock of the server at {server.host}:{server.port} is"
        f" {measured}; let both follow a time server, as the ages of rows and runs are told by"
        " them."
    )
    sentence = wrong if abs(ahead) > CLOCK_SECONDS else ""
    return Checked(server.place, "clock", measured, sentence, stops=False)


def _packet(server: Server, seen: _Server, source: _Server | None) -> Checked:
    """Check that a row of the source can be hashed there: what exceeds a packet is NULL."""
    least = min(source.packet, ENOUGH_PACKET) if source else LEAST_PACKET
    least = least if server.place == "replica" else LEAST_PACKET
    small = (
        f"{server.prefix}HOST: the server at {server.host}:{server.port} has max_allowed_packet ="
        f" {seen.packet:,}; set it to {least:,} or more there, or tables with longer rows are red."
    )
    sentence = small if seen.packet < least else ""
    return Checked(server.place, "max_allowed_packet", f"{seen.packet:,}", sentence, stops=False)


def _of_tables(settings: Settings, seen: Survey) -> list[Checked]:
    """Check what is special about the source's tables, and the settings that name some."""
    tables = seen.tables
    whole = [each.table.name for each in tables if _is_read_whole(each.table)]
    engines = Counter(each.evidence.engine for each in tables if not each.evidence.tells_of_writes)
    silent = ", ".join(f"{count} {name}" for name, count in engines.most_common()) or "none"
    names = [each.table.name for each in tables] + [each.table for each in seen.excluded]
    unused = plan.unused(settings.limits, [each.table.name for each in tables], names)
    fits = f"{', '.join(unused)}: fits no table of the source; mend or remove it."
    return [
        Checked("source", "tables to copy", f"{len(tables)}, {len(seen.excluded)} left out"),
        Checked("source", "tables that cannot be paged", _some(whole)),
        Checked("source", "tables that do not tell when they were written", silent),
        Checked(
            "settings",
            "patterns of tables",
            f"{len(unused)} fit no table",
            fits if unused else "",
            stops=False,
        ),
    ]


def _is_read_whole(table: Table) -> bool:
    try:
        return not evidence.is_paged(table)
    except TableError:  # its own task will say so
        return False


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = ", …" if len(names) > 3 else ""
    return f"{len(names)}, read in one statement: {', '.join(names[:3])}{more}"


def _room(settings: Settings, name: str, server: _Server, seen: Survey) -> Checked:
    """Check the room for what is not there yet, and for the largest table a second time."""
    place: Server = settings.replica if name == "replica" else settings.warehouse
    sizes = [each.estimated_bytes for each in seen.tables]
    largest = max(sizes, default=0)
    need = GROWS[name] * (max(0, sum(sizes) - server.bytes // GROWS[name]) + largest)
    told = f"about {need / GB:.1f} GB needed for the next load"
    free = _free(place, server.folder)
    if free is None:
        return Checked(name, "room on the disk", f"{told}; its disk is not this machine's")
    full = (
        f"{place.prefix}HOST: {free / GB:.1f} GB are free on the disk of the server at"
        f" {place.host}:{place.port}, and {told}; make room there."
    )
    measured = f"{free / GB:.1f} GB free, {told}"
    return Checked(name, "room on the disk", measured, full if free < need else "", stops=False)


def _free(place: Server, folder: str) -> int | None:
    """Return the bytes that are free where the server keeps its data, None if that is elsewhere."""
    try:
        there = place.on_this_machine and bool(folder) and Path(folder).exists()
        return shutil.disk_usage(folder).free if there else None
    except OSError:
        return None


def _last_run(settings: Settings) -> Checked:
    days = history.status(settings.warehouse).good_days
    if days is None:
        return Checked("runs", "last good run", "none yet")
    old = (
        f"the last good run ended {days:.1f} days ago; flows/elt.py --status says what was red, and"
        " a schedule or a worker may have stopped."
    )
    measured = f"{days * 24:.1f} hours ago"
    return Checked("runs", "last good run", measured, old if days > GOOD_DAYS else "", stops=False)
