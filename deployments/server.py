"""One server: its address, its administrator, and starting, stopping and killing it if it is ours."""

import re
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.containers import Container
from deployments.databases import Database, grants
from deployments.processes import PrivateProcess, ServerError, wait_until

# PostgreSQL's words when the children of a killed one still hold its memory; they leave once they notice.
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
        """An administrator's connection in autocommit."""
        raise NotImplementedError

    def create_database(self, database: Database) -> None:
        """Makes the database and runs the file in grants/ for it; only the former on a server that is not ours."""
        raise NotImplementedError

    def execute(self, *statements: str) -> None:
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def answers(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    @property
    def pid(self) -> int | None:
        return self._ours().pid

    def start(self) -> None:
        process = self._ours()
        process.start()
        if not wait_until(self._decided, seconds=60) or process.pid is None:
            raise ServerError(
                f"The {self.name} server does not start: {process.last_words()} (see {process.log})"
            )

    def stop(self) -> None:
        self._ours().stop()

    def kill(self) -> None:
        """kill -9; start() brings it back on the same port."""
        self._ours().kill()

    def _decided(self) -> bool:
        """True when the server answers or has given up."""
        process = self._ours()
        if process.pid is not None:
            return self.answers()
        if not _PREDECESSOR.search(process.last_words()):
            return True
        time.sleep(0.5)
        process.start()
        return False

    def _ours(self) -> PrivateProcess | Container:
        if self.process is None:
            raise ServerError(
                f"The {self.name} server at {self.host}:{self.port} was not started by this project."
            )
        return self.process


class MariaDB(Server):
    __slots__ = ()

    @property
    def socket(self) -> Path:
        return self._ours().folder / "data/server.sock"

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
                # MySQL's information_schema tells of tables what it found up to a day ago.
                init_command="SET autocommit = 1 /*!80000 , information_schema_stats_expiry = 0 */",
                connect_timeout=30,  # on a machine that is busy; one that is down refuses at once
                ssl_disabled=self.on_this_machine,  # to read the machine's certificates takes longer than all else
            )
        except pymysql.err.OperationalError as error:
            where = f"{self.name} server at {self.host}:{self.port}"
            raise ConnectionError(f"The {where} cannot be used: {error.args[-1]}") from error

    @property
    def product(self) -> str:
        """MariaDB or MySQL, whichever answers."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("select version()")
            return "MariaDB" if "MariaDB" in str(cursor.fetchone()) else "MySQL"

    @property
    def version(self) -> str:
        """As in 10.11.18."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("select version()")
            return str(cursor.fetchone()[0]).partition("-")[0]

    def create_database(self, database: Database) -> None:
        self.execute(f"create database if not exists `{database.name}`")
        if self.process:
            known = self._knows(database.user)  # CREATE USER IF NOT EXISTS came with MySQL 5.7
            statements = grants(self.name, database.name, database.password)
            self.execute(
                *(each for each in statements if not (known and each.startswith("create user")))
            )

    def _knows(self, user: str) -> bool:
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            return bool(cursor.execute("select 1 from mysql.user where user = %s", [user]))


class PostgreSQL(Server):
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
                connect_timeout=30,  # on a machine that is busy; one that is down refuses at once
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
        # PostgreSQL has no "create role if not exists"; trying may write the statement with its password into the log.
        done = {
            "create role": self._has("select from pg_roles where rolname = %s", database.user),
            "create database": self._has(
                "select from pg_database where datname = %s", database.name
            ),
        }
        self.execute(
            *(
                statement
                for statement in statements
                if not done.get(" ".join(statement.split()[:2]))
            )
        )

    def _has(self, query: str, name: str) -> bool:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(query, [name])
            return bool(cursor.rowcount)
