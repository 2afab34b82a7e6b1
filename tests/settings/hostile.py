"""A few small tables whose values any alteration would lose, copied under foreign settings."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import oracle
from conftest import EVERYTHING, settings_for
from oracle import Places, ask
from runs import limited, run

from deployments.servers import Servers
from transfer.journey import preflight
from transfer.mysql import pool, reading
from transfer.postgres.pool import close_connections
from transfer.settings import Settings

COLUMNS = (
    "Id bigint unsigned NOT NULL AUTO_INCREMENT, Name varchar(99) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL DEFAULT 'née',"
    " Old varchar(20) CHARACTER SET latin1, Note mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, Padded char(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci,"
    " Kind enum('é','b\\\\c','ß','1','') CHARACTER SET latin1 NOT NULL DEFAULT 'é', Flags set('é','x','ÿ') CHARACTER SET latin1,"
    " Fee double, Small float, Price decimal(20,6), Born date, Seen datetime(6), Lasted time(3), Made year, Bits bit(9), Raw varbinary(20),"
    " Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (Id), KEY Old (Old)"
)
KEYLESS = "Name varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, Kind enum('ñ','n') CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, Fee double, At timestamp NULL"

# Values that are written as they stand in SQL; what the client's character set makes of them is not under test.
NAMES = ("'plain'", "'ñ € 😀 \\\\ \\' \" %'", "'a\\0b\\tc\\nd'", "''", "'NULL'", "' padded '")
NUMBERS = (
    "0.30000000000000004e0",
    "1.7976931348623157e308",
    "-5e-324",
    "1e0 / 3",
    "NULL",
    "123456789.12345679e0",
)
# In UTC, as the writing client's session is; the second and third are the same hour of a clock that is set back.
MOMENTS = (
    "'2024-02-29 23:59:58'",
    "'2023-11-05 05:30:00'",
    "'2023-11-05 06:30:00'",
    "'1970-01-01 00:00:01'",
    "'2038-01-19 03:14:07'",
    "'2001-09-09 01:46:40'",
)


def _rows() -> Iterator[str]:
    for number, (name, double, moment) in enumerate(zip(NAMES, NUMBERS, MOMENTS, strict=True), 1):
        identity = 18446744073709551615 - 6 + number if number > 3 else number
        yield (
            f"({identity}, {name}, _latin1 x'E9FF{number:02x}', REPEAT({name}, 3), {name if number == 1 else repr('ab ')},"
            f" {number % 5 + 1}, {number}, {double}, 1e0 / {number}, '12345678901234.{number:06}', '2024-02-{20 + number}',"
            f" '0987-06-05 04:03:02.{number:06}', '-123:45:56.{number:03}', {2000 + number}, b'1{number:04b}', x'00FF5C0A{number:02x}', {moment})"
        )


@dataclass(frozen=True)
class Path:
    """Servers of the test's own, plain connections to them, and what the pipeline needs to work on them."""

    servers: Servers
    places: Places
    settings: Settings

    def tables(self) -> list[str]:
        """Fresh tables of the source, one of them without a key."""
        name = f"t{secrets.token_hex(5)}"
        source = self.places.source
        ask(
            source,
            f"CREATE TABLE {name} ({COLUMNS}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE utf8mb4_general_ci",
        )
        ask(source, f"INSERT INTO {name} VALUES {', '.join(_rows())}")
        ask(source, f"CREATE TABLE {name}_keyless ({KEYLESS}) ENGINE=MyISAM DEFAULT CHARSET=latin1")
        values = zip(NAMES, NUMBERS, MOMENTS, strict=True)
        rows = ", ".join(
            f"({each}, {n % 2 + 1}, {number}, {at})" for n, (each, number, at) in enumerate(values)
        )
        ask(source, f"INSERT INTO {name}_keyless VALUES {rows}, {rows}")
        return [name, f"{name}_keyless"]

    def exact(self) -> None:
        """The whole way, twice: afterwards all places are equal."""
        tables = self.tables()
        renew()
        try:
            preflight.check(self.settings)
            self._bring(tables)
            changed = "Name = CONCAT(Name, 'ñ😀'), Kind = 3, Fee = 0.1e0 + 0.7e0, Stamp = '2023-11-05 05:30:00'"
            ask(self.places.source, f"UPDATE {tables[0]} SET {changed} WHERE Id = 2")
            ask(self.places.source, f"DELETE FROM {tables[0]} WHERE Id = 3")
            ask(self.places.source, f"DELETE FROM {tables[1]} LIMIT 1")
            self._bring(tables)
        finally:
            renew()
            ask(self.places.source, f"DROP TABLE {', '.join(tables)}")

    def _bring(self, tables: list[str]) -> None:
        results = run(self.settings, *tables)
        assert {name: result.error for name, result in results.items() if result.error} == {}
        assert oracle.unequal(self.places, tables) == {}


def renew() -> None:
    """Let the pipeline open new sessions, and prove them anew: those that are idle know nothing of what was set meanwhile."""
    pool.close_connections()
    for reader in reading._IDLE_READERS:
        reader.proven.clear()
    close_connections()


@contextmanager
def opened(servers: Servers) -> Iterator[Path]:
    databases = servers.databases
    settings = limited(settings_for(databases), statement_seconds=20)
    with oracle.connected(servers, databases) as places:
        ask(places.source, "SET NAMES utf8mb4")
        yield Path(servers, places, settings)


def asked(connection: Any, query: str) -> Any:
    return ask(connection, query)[0][0]


def alone(settings: str) -> list[str]:
    """Each value of each line, `name = value | value`."""
    lines = (line.partition(" = ") for line in settings.strip().splitlines())
    return [f"{name} = {value}" for name, _, values in lines for value in values.split(" | ")]


def together(settings: str, apart: Collection[str]) -> list[list[str]]:
    """As few rounds as have each value once, but for those that come alone; in `make thorough` all of them do, which tells which is at fault."""
    every = alone(settings)
    if EVERYTHING:
        return [[setting] for setting in every]
    values: dict[str, list[str]] = {}
    for setting in every:
        if setting not in apart:
            values.setdefault(setting.partition(" = ")[0], []).append(setting)
    rounds = [[setting for setting in found if setting] for found in zip_longest(*values.values())]
    return [*rounds, *([setting] for setting in apart)]
