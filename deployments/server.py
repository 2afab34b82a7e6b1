"""One server: its address, its administrator, and how to start, stop and kill it if it is ours."""

import re
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.containers import Container
from deployments.databases import Database, grants
from deployments.processes import PrivateProcess, ServerError, wait_until

# What PostgreSQL says while the children of a killed one hold its memory; they soon notice and end.
_PREDECESSOR = re.compile(r"pre-existing shared memory block|lock file .* already exists")


@dataclass(frozen=True, slots=True)
class Server:
    """A database server and its administrator; `process` is None if it is not ours to stop."""

    name: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    process: PrivateProcess | Container | None = field(default=None, repr=False)

    @property
    def on_this_machine(self) -> bool:
        return self.host in {"localhost", "127.0.0.1", "::1"}

    def connect(self, database: str | None = None) -> Any:
        """Return an administrator's connection in autocommit; raise ConnectionError."""
        raise NotImplementedError

    def create_database(self, database: Database) -> None:
        """Make the database; on a server of ours, run its file of grants/ too."""
        raise NotImplementedError

    def execute(self, *statements: str) -> None:
        """Run the statements as the administrator."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def answers(self) -> bool:
        """Tell whether the server accepts connections."""
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    @property
    def pid(self) -> int | None:
        return self._own_process().pid

    def start(self) -> None:
        """Start the server and wait until it answers; raise ServerError if it does not."""
        process = self._own_process()
        process.start()
        if not wait_until(self._has_answered_or_ended, seconds=60) or process.pid is None:
            raise ServerError(
                f"The {self.name} server does not start: {process.last_error()} (see {process.log})"
            )

    def stop(self) -> None:
        self._own_process().stop()

    def kill(self) -> None:
        """Send kill -9; start() brings the server back on the same port."""
        self._own_process().kill()

    def _has_answered_or_ended(self) -> bool:
        """Tell whether the server answers or has given up."""
        process = self._own_process()
        if process.pid is not None:
            return self.answers()
        if not _PREDECESSOR.search(process.last_error()):
            return True
        time.sleep(0.5)
        process.start()
        return False

    def _own_process(self) -> PrivateProcess | Container:
        if self.process is None:
            where = f"{self.name} server at {self.host}:{self.port}"
            raise ServerError(f"The {where} was not started by this project.")
        return self.process


class MariaDB(Server):
    """A server that speaks MySQL: MariaDB or MySQL itself."""

    __slots__ = ()

    @property
    def socket(self) -> Path:
        return self._own_process().folder / "data/server.sock"

    def connect(self, database: str | None = None) -> Any:
        import pymysql  # here, so that stop and clean work without the virtual environment

        try:
            return pymysql.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                database=database,
                charset="utf8mb4",
                autocommit=True,
                # Otherwise MySQL's information_schema may show statistics that are a day old.
                init_command="SET autocommit = 1 /*!80000 , information_schema_stats_expiry = 0 */",
                # Long enough for a busy machine; one that is down refuses at once.
                connect_timeout=30,
                # Loading the machine's certificates would take longer than all the rest.
                ssl_disabled=self.on_this_machine,
            )
        except pymysql.err.OperationalError as error:
            where = f"{self.name} server at {self.host}:{self.port}"
            raise ConnectionError(f"The {where} cannot be used: {error.args[-1]}") from error

    @property
    def product(self) -> str:
        """MariaDB or MySQL, as the server says."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("select version()")
            return "MariaDB" if "MariaDB" in str(cursor.fetchone()) else "MySQL"

    @property
    def version(self) -> str:
        """The version without its suffix, such as 10.11.18."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("select version()")
            return str(cursor.fetchone()[0]).partition("-")[0]

    def create_database(self, database: Database) -> None:
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(f"create database if not exists `{database.name}`")
            if not self.process:
                return
            # MySQL 5.6 has no CREATE USER IF NOT EXISTS.
            known = cursor.execute("select 1 from mysql.user where user = %s", [database.user])
            for statement in grants(self.name, database.name, database.password):
                if not (known and statement.startswith("create user")):
                    cursor.execute(statement)


class PostgreSQL(Server):
    """A PostgreSQL server."""

    __slots__ = ()

    def connect(self, database: str | None = None) -> Any:
        import psycopg2

        try:
            connection = psycopg2.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                dbname=database or "postgres",
                connect_timeout=30,
            )
        except psycopg2.OperationalError as error:
            raise ConnectionError(str(error)) from error
        connection.autocommit = True
        return connection

    def create_database(self, database: Database) -> None:
        create = f'create database "{database.name}"'
        statements = (
            grants(self.name, database.name, database.password) if self.process else [create]
        )
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            # PostgreSQL has no "create role if not exists", and a statement that fails may be
            # logged with its password.
            done = {
                "create role": _has(
                    cursor, "select from pg_roles where rolname = %s", database.user
                ),
                "create database": _has(
                    cursor, "select from pg_database where datname = %s", database.name
                ),
            }
            for statement in statements:
                kind = " ".join(statement.split()[:2])
                if not done.get(kind):
                    cursor.execute(statement + _as_files(kind, connection.server_version))


def _has(cursor: Any, query: str, name: str) -> bool:
    cursor.execute(query, [name])
    return bool(cursor.rowcount)


def _as_files(kind: str, version: int) -> str:
    # Since 15 a new database goes through the log by default, which takes three times as long.
    return " strategy file_copy" if kind == "create database" and version >= 150000 else ""
