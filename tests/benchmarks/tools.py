"""Other tools for copying a table from the replica to PostgreSQL, each in its own process.

They are looked for in the virtual environment that BENCH_TOOLS names, pgloader on PATH; none is
part of the project. Each is set as its guide advises for replacing a whole table fast. Only
ingestr makes an index: it finds the primary key and always makes it. They are meant for private
servers on this machine and speak to PostgreSQL without TLS.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias
from urllib.parse import quote as percent

from lab import servers, targets
from runs import run

from deployments.clinic.create import create
from deployments.installation import LOCAL
from transfer.mysql import literals, pool
from transfer.postgres import tables
from transfer.postgres.literals import Place, quote
from transfer.postgres.pool import connect
from transfer.settings import Limits, MySQLServer, Replica, Server, Settings, Warehouse

TABLES = ("procedurelog", "securitylog", "sheetfield")
RECIPES = Path(__file__).parent / "recipes"
LAST_LINES = 12

Run: TypeAlias = Callable[[Replica, Warehouse, str, Path], None]


@dataclass(frozen=True)
class Tool:
    """A tool; `run` starts it on one table and waits for its end, in a folder that it may write to."""

    name: str
    version: str
    run: Run

    @property
    def schema(self) -> str:
        """The PostgreSQL schema in which its tables land."""
        return f"bench_{self.name}"

    def copy(self, replica: Replica, warehouse: Warehouse, table: str, scratch: Path) -> None:
        """Copy a table into a fresh schema and compare the numbers of rows."""
        self.clear(warehouse)
        self.run(replica, warehouse, table, scratch)
        self.check(replica, warehouse, table)

    def clear(self, warehouse: Warehouse) -> None:
        """Drop what an earlier copy left."""
        with connect(warehouse) as connection:
            connection.run("dropping", f"DROP SCHEMA IF EXISTS {quote(self.schema)} CASCADE")
            connection.commit()

    def check(self, replica: Replica, warehouse: Warehouse, table: str) -> None:
        """Raise RuntimeError unless the copy has the replica's number of rows."""
        place, expected = Place(self.schema, table), rows_in(replica, table)
        with connect(warehouse) as connection:
            copied = tables.counts(connection, [place])[place]
        if copied != expected:
            raise RuntimeError(f"{self.name}: {place} has {copied} rows, the replica {expected}")


@dataclass(frozen=True)
class Job:
    """One table to copy: where the tools are, what a tool may write to, and what it may know."""

    tools: Path
    home: Path
    replica: Replica
    warehouse: Warehouse
    table: str

    def environment(self) -> dict[str, str]:
        """Return all that a tool learns from its environment; the logins are nowhere else."""
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "DLT_DATA_DIR": str(self.home),  # else root's dlt keeps its files in /var/dlt
            **_addresses(self.replica, self.warehouse),
            **SETTINGS,
        }


Command: TypeAlias = Callable[[Job], list[str]]

# By name, beside what is said on the command line.
SETTINGS = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "SLING_DISABLE_TELEMETRY": "true",
    "INGESTR_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    # Nothing listens there: in every fourth second sling asks the network for newer versions, and no setting stops it.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    # Files of a size at which dlt loads several at once.
    "DATA_WRITER__FILE_MAX_ITEMS": "100000",
    # Without it sling fills a temporary table and copies that inside PostgreSQL.
    "SLING_DIRECT_INSERT": "true",
}


def _addresses(replica: Replica, warehouse: Warehouse) -> dict[str, str]:
    source, target = _url("mysql", replica), f"{_url('postgresql', warehouse)}?sslmode=disable"
    return {
        "SOURCE_URI": source,
        "TARGET_URI": target,
        "DESTINATION_URI": target,  # ingestr's name for it
        "MYSQL_HOST": replica.host,
        "MYSQL_TCP_PORT": str(replica.port),
        "MYSQL_DATABASE": replica.db,
        "MYSQL_USER": replica.user,
        "MYSQL_PWD": replica.password.get_secret_value(),
        "PGHOST": warehouse.host,
        "PGPORT": str(warehouse.port),
        "PGDATABASE": warehouse.db,
        "PGUSER": warehouse.user,
        "PGPASSWORD": warehouse.password.get_secret_value(),
        "PGSSLMODE": "disable",
    }


def _url(scheme: str, server: Server, *, with_password: bool = True) -> str:
    password = f":{percent(server.password.get_secret_value(), safe='')}" if with_password else ""
    return f"{scheme}://{percent(server.user, safe='')}{password}@{server.host}:{server.port}/{percent(server.db, safe='')}"


def _recipe(job: Job, name: str) -> list[str]:
    return [str(job.tools / "bin" / "python"), "-I", str(RECIPES / f"by_{name}.py"), job.table]


def _dlt(job: Job) -> list[str]:
    return _recipe(job, "dlt")


def _duckdb(job: Job) -> list[str]:
    return _recipe(job, "duckdb")


def _pandas(job: Job) -> list[str]:
    return _recipe(job, "pandas")


def _ingestr(job: Job) -> list[str]:
    # Its default strategy and page size: `truncate+insert` and pages of 100,000 rows were no faster. With names in
    # snake_case, its default for PostgreSQL, it asks MySQL for columns that are not there.
    flags = "ingest --yes --full-refresh --incremental-strategy replace --schema-naming direct --progress log".split()
    places = ["--source-table", job.table, "--dest-table", f"bench_ingestr.{job.table}"]
    return [str(job.tools / "bin" / "ingestr"), *flags, *places, "--pipelines-dir", str(job.home)]


def _sling(job: Job) -> list[str]:
    program = next(
        job.tools.glob("lib/python*/site-packages/sling_linux_amd64/bin/sling-linux-amd64")
    )
    source = ["--src-conn", "SOURCE_URI", "--src-stream", f"{job.replica.db}.{job.table}"]
    target = ["--tgt-conn", "TARGET_URI", "--tgt-object", f"bench_sling.{job.table}"]
    return [str(program), "run", *source, *target, "--mode", "full-refresh"]


def _pgloader(job: Job) -> list[str]:
    # Its own numbers of workers and rows in a batch: several readers for one table were no faster on two cores. Fewer rows
    # in advance than its 100,000 take less memory at the same speed.
    file = job.home / "copy.load"
    file.write_text(
        f"""LOAD DATABASE FROM {_url("mysql", job.replica, with_password=False)}
            INTO {_url("postgresql", job.warehouse, with_password=False)}?sslmode=disable
        WITH include drop, create tables, create no indexes, no foreign keys, reset no sequences, prefetch rows = 25000
        INCLUDING ONLY TABLE NAMES MATCHING '{job.table}'
        ALTER SCHEMA '{job.replica.db}' RENAME TO 'bench_pgloader'
        BEFORE LOAD DO $$ CREATE SCHEMA IF NOT EXISTS bench_pgloader $$;
        """
    )
    return ["pgloader", "--on-error-stop", "--root-dir", str(job.home), str(file)]


# The packages that each tool needs; the first gives it its version.
PACKAGED: Mapping[str, tuple[Command, tuple[str, ...]]] = {
    "dlt": (
        _dlt,
        (
            "dlt",
            "connectorx",
            "pyarrow",
            "adbc-driver-postgresql",
            "psycopg2-binary",
            "sqlalchemy",
            "pymysql",
        ),
    ),
    "sling": (_sling, ("sling-linux-amd64",)),
    "ingestr": (_ingestr, ("ingestr",)),
    "duckdb": (
        _duckdb,
        ("duckdb", "duckdb-extension-mysql-scanner", "duckdb-extension-postgres-scanner"),
    ),
    "pandas": (_pandas, ("pandas", "connectorx", "pyarrow", "adbc-driver-postgresql")),
}


@cache
def installed(folder: Path) -> tuple[Tool, ...]:
    """Return the tools that are found in the folder, and pgloader if it is on PATH; name the others."""
    versions = _versions(folder)
    tools = []
    for name, (command, packages) in PACKAGED.items():
        absent = [package for package in packages if package not in versions]
        if absent:
            print(f"{name} is left out: {', '.join(absent)} not in {folder}")
        else:
            tools.append(Tool(name, versions[packages[0]], _runs(name, command, folder)))
    if shutil.which("pgloader"):
        return (*tools, Tool("pgloader", _pgloader_version(), _runs("pgloader", _pgloader, folder)))
    print("pgloader is left out: it is not on PATH")
    return tuple(tools)


def _versions(folder: Path) -> dict[str, str]:
    places = [str(path) for path in folder.glob("lib/python*/site-packages")]
    found = distributions(path=places) if places else ()
    return {re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(): each.version for each in found}


def _pgloader_version() -> str:
    said = subprocess.run(
        ["pgloader", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return said.partition('"')[2].partition('"')[0]


def _runs(name: str, command: Command, tools: Path) -> Run:
    def start(replica: Replica, warehouse: Warehouse, table: str, scratch: Path) -> None:
        with TemporaryDirectory(prefix=f"{name}_", dir=scratch) as home:
            job = Job(tools.absolute(), Path(home), replica, warehouse, table)
            done = subprocess.run(
                command(job),
                env=job.environment(),
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        if done.returncode:
            raise RuntimeError(
                f"{name} failed on {table}:\n{_last_lines(done.stdout, replica, warehouse)}"
            )

    return start


def _last_lines(said: str, *servers: Server) -> str:
    for server in servers:
        for secret in (
            server.password.get_secret_value(),
            percent(server.password.get_secret_value(), safe=""),
        ):
            said = said.replace(secret, "***")
    return "\n".join(said.strip().splitlines()[-LAST_LINES:])


def rows_in(server: MySQLServer, table: str) -> int:
    """Return the number of rows of a MySQL table."""
    with pool.connect(server, Limits(_env_file=None)) as connection:
        counted = connection.rows("counting", f"SELECT COUNT(*) FROM {literals.quote(table)}")
    return int(counted[0][0])


def main() -> None:
    """Copy three tables of a small clinic with each tool; print its version, the seconds and the rows."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--patients", type=int, default=50, help="size of the clinic (%(default)s)")
    options = parser.parse_args()
    tools = installed(Path(os.environ.get("BENCH_TOOLS", LOCAL / "tools")))
    # A warehouse of their own: ADBC reads the whole catalog with each connection, which `raw` would make dear.
    with (
        servers() as found,
        targets(found) as clinic,
        targets(found, clinic) as empty,
        TemporaryDirectory() as scratch,
    ):
        with closing(found.source.connect(clinic.source.db)) as connection:
            create(connection, options.patients, 1, None)
        run(clinic, *TABLES)
        print(f"{'tool':10}{'version':16}{'table':14}{'seconds':>8}{'rows':>8}")
        for tool in tools:
            for table in TABLES:
                _report(
                    tool,
                    clinic.model_copy(update={"warehouse": empty.warehouse}),
                    table,
                    Path(scratch),
                )


def _report(tool: Tool, settings: Settings, table: str, scratch: Path) -> None:
    tool.clear(settings.warehouse)
    started = time.monotonic()
    try:
        tool.run(settings.replica, settings.warehouse, table, scratch)
        seconds = time.monotonic() - started
        tool.check(settings.replica, settings.warehouse, table)
    except RuntimeError as error:
        print(error, flush=True)
    else:
        rows = rows_in(settings.replica, table)
        print(f"{tool.name:10}{tool.version:16}{table:14}{seconds:8.2f}{rows:8,}", flush=True)


if __name__ == "__main__":
    main()
