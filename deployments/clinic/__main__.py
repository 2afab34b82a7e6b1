"""Creates a clinic, plays days in it, and shows its size: the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from typing import Any

from pymysql.connections import Connection
from pymysql.err import MySQLError

from deployments.clinic import create, play_day
from deployments.clinic.create import read_size
from deployments.clinic.load import ClinicError, connect
from deployments.clinic.practice import FULL_PATIENTS
from deployments.processes import ServerError

_VARIABLE = "CLINIC_ADMIN_PASSWORD"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        with closing(_connection(options)) as connection:
            _COMMANDS[options.command](connection, options)
    except (ClinicError, ServerError) as error:
        sys.exit(str(error))
    except MySQLError as error:
        sys.exit(f"The database server refused: {error.args[-1]}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployments.clinic", description=__doc__)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--host", help=f"a server of your own (password from {_VARIABLE}); else the demo's source"
    )
    where.add_argument("--port", type=int, default=3306)
    where.add_argument("--user", default="root")
    where.add_argument("--db", help="the database (default: the source's)")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser(
        "create", parents=[where], help="make a clinic in an empty database"
    )
    size = making.add_mutually_exclusive_group()
    size.add_argument(
        "--patients", type=_positive, default=300, help="%(default)s; a full clinic has 35,135"
    )
    size.add_argument("--size", choices=["full"], help="full: about 20 million rows")
    making.add_argument(
        "--seed", type=int, default=1, help="the same seed gives the same clinic (%(default)s)"
    )
    making.add_argument("--as-of", type=date.fromisoformat, help="the day of creation (today)")
    making.add_argument(
        "--replace", action="store_true", help="drop the synthetic clinic that is there"
    )
    days = commands.add_parser("day", parents=[where], help="play days of practice")
    days.add_argument("--days", type=_positive, default=1, help="how many (%(default)s)")
    commands.add_parser("size", parents=[where], help="rows of each table")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _connection(options: argparse.Namespace) -> Connection[Any]:
    if options.host:
        password = os.environ.get(_VARIABLE, "")
        return connect(
            options.host, options.port, options.user, password, options.db or "opendental"
        )
    from deployments import servers

    found = servers.find()
    if not found.on_this_machine:
        raise ClinicError(
            "The source in your settings is on another machine: name it with --host if you mean it."
        )
    source = found.source
    return connect(
        source.host,
        source.port,
        source.user,
        source.password,
        options.db or found.databases.source.name,
    )


def _create(connection: Connection[Any], options: argparse.Namespace) -> None:
    patients = FULL_PATIENTS if options.size else options.patients
    made = create(
        connection, patients, options.seed, options.as_of, replace=options.replace, say=_say
    )
    filled = sum(1 for count in made.counts.values() if count)
    _say(
        f"{made.patients:,} patients, {made.rows:,} rows in {filled} of {len(made.counts)} tables, "
        f"seed {made.seed}, as of {made.as_of}, in {made.seconds:.1f} s"
    )


def _day(connection: Connection[Any], options: argparse.Namespace) -> None:
    for _ in range(options.days):
        played = play_day(connection)
        _say(
            f"{played.day}: {played.inserted:,} rows inserted, {played.updated:,} updated, "
            f"{played.deleted:,} deleted"
        )


def _size(connection: Connection[Any], _options: argparse.Namespace) -> None:
    counts = read_size(connection)
    for table, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        _say(f"{rows:>12,}  {table}")
    _say(f"{sum(counts.values()):>12,}  in all")


def _say(line: str) -> None:
    print(line, flush=True)


_COMMANDS = {"create": _create, "day": _day, "size": _size}

if __name__ == "__main__":
    main()
