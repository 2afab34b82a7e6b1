"""The servers of the demo and the tests, found or started: MySQL twice, and a PostgreSQL."""

import argparse
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from deployments import containers, mariadb, mysql, postgresql
from deployments.containers import Container
from deployments.databases import (
    ACCOUNTS,
    DEFAULT_NAMES,
    PREFIXES,
    Database,
    Databases,
    from_variables,
)
from deployments.installation import (
    LOCAL,
    NAMES,
    PROJECT,
    Installation,
    homes,
    make_private,
    prepare,
    read,
)
from deployments.packages import Program
from deployments.processes import PrivateProcess, ServerError, find_recorded, stop_recorded
from deployments.server import MariaDB, PostgreSQL, Server

ENV_FILE = PROJECT / ".env"
S = TypeVar("S", MariaDB, PostgreSQL)

# First line of the .env that the demo writes: its addresses are those of private servers.
DEMO_MARK = (
    "# Written by `make demo` for its own servers; "
    "without this line the file is yours and stays as it is."
)


@dataclass(frozen=True, slots=True)
class Servers:
    """The three servers of one pipeline, and its databases on them."""

    source: MariaDB
    replica: MariaDB
    postgres: PostgreSQL
    databases: Databases

    def all(self) -> tuple[MariaDB, MariaDB, PostgreSQL]:
        """Return the servers in the order in which rows pass them."""
        return self.source, self.replica, self.postgres

    @property
    def ours(self) -> bool:
        """Tell whether this project started all three."""
        return all(server.process for server in self.all())

    @property
    def on_this_machine(self) -> bool:
        return all(server.on_this_machine for server in self.all())

    def create_databases(self, source: str, replica: str, warehouse: str) -> Databases:
        """Make databases of these names with the pipeline's rights, unless they exist."""
        old = self.databases
        new = Databases(
            replace(old.source, name=source),
            replace(old.replica, name=replica),
            replace(old.warehouse, name=warehouse),
        )
        self.source.create_database(new.source)
        self.replica.create_database(new.replica)
        self.postgres.create_database(new.warehouse)
        return new

    def drop_databases(self, databases: Databases) -> None:
        """Drop the databases that exist."""
        self.source.execute(f"drop database if exists `{databases.source.name}`")
        self.replica.execute(f"drop database if exists `{databases.replica.name}`")
        self.postgres.execute(f'drop database if exists "{databases.warehouse.name}" with (force)')


def find(folder: Path = LOCAL) -> Servers:
    """Return the servers whose addresses the user gave; without any, start this folder's."""
    return find_given() or start(folder)


def find_given(env_file: Path = ENV_FILE) -> Servers | None:
    """Return the servers that the environment or the user's .env names; None if they name none."""
    variables = {**_read_env(env_file), **os.environ}
    hosts = [f"{PREFIXES[name]}_HOST" for name in NAMES]
    absent = [host for host in hosts if not variables.get(host)]
    if len(absent) == len(hosts):
        return None
    if absent:
        raise ServerError(
            f"{absent[0]} is not set although another server's address is: give all three or none."
        )
    source, replica = (from_variables(name, variables, 3306) for name in ("source", "replica"))
    warehouse = from_variables("postgres", variables, 5432)
    return Servers(
        source=MariaDB("source", source.host, source.port, source.user, source.password),
        replica=MariaDB("replica", replica.host, replica.port, replica.user, replica.password),
        postgres=PostgreSQL(
            "postgres", warehouse.host, warehouse.port, warehouse.user, warehouse.password
        ),
        databases=Databases(source, replica, warehouse),
    )


def _read_env(file: Path) -> Mapping[str, str]:
    if not file.exists() or is_written_by_demo(file):
        return {}
    # Imported here, so that stop and clean work without the virtual environment.
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(file).items() if value}


def is_written_by_demo(env_file: Path) -> bool:
    """Tell whether the demo wrote this .env."""
    return env_file.read_text().startswith(DEMO_MARK)


def start(folder: Path = LOCAL) -> Servers:
    """Start the three servers of this folder, or find them running."""
    folder = folder.resolve()
    make_private(folder)
    with _lock(folder):
        installation = prepare(folder)
        servers = _servers(folder, installation)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: _start(server, folder, installation), servers.all()))
        databases = servers.databases
        servers.create_databases(
            databases.source.name, databases.replica.name, databases.warehouse.name
        )
    return servers


def load(folder: Path = LOCAL) -> Servers:
    """Return the servers of this folder as they are, started or not."""
    folder = folder.resolve()
    if not (folder / "servers.json").exists():
        raise ServerError(
            f"There are no servers in {folder}: python -m deployments.servers start makes them."
        )
    return _servers(folder, read(folder))


def stop(folder: Path = LOCAL) -> list[str]:
    """Stop what was started in this folder or one folder below; return where."""
    started = homes(folder)
    stopped = [str(home.relative_to(folder)) for home in started if find_recorded(home)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda home: stop_recorded(home, _stop_signal(home)), started))
    for home in _in_containers(folder):
        containers.compose(home, "stop", variables=read(home).compose_variables())
        stopped.append(f"the containers of {home}")
    return stopped


def _stop_signal(home: Path) -> int:
    return postgresql.STOP_SIGNAL if home.name == "postgres" else signal.SIGTERM


def clean(folder: Path = LOCAL) -> None:
    """Stop the servers and remove what start made; whatever else is in the folder stays."""
    stop(folder)
    for home in _in_containers(folder):
        containers.compose(home, "down", "--volumes", variables=read(home).compose_variables())
    installed = _installed(folder)
    for home in installed:
        for path in (home / name for name in (*NAMES, "prefect")):
            shutil.rmtree(path, ignore_errors=True)
        for path in (home / name for name in ("servers.json", "lock")):
            path.unlink(missing_ok=True)
    if folder.resolve() == LOCAL:
        shutil.rmtree(LOCAL, ignore_errors=True)
        # With an .env of the user's, the logs are those of a real practice.
        if not ENV_FILE.exists() or is_written_by_demo(ENV_FILE):
            ENV_FILE.unlink(missing_ok=True)
            shutil.rmtree(PROJECT / "logs", ignore_errors=True)
    for home in (*installed, folder.resolve()):
        if home.exists() and not any(home.iterdir()):
            home.rmdir()


def _installed(folder: Path) -> list[Path]:
    """Return the folders with servers, the innermost first."""
    files = (*folder.glob("*/servers.json"), *folder.glob("servers.json"))
    return [file.parent.resolve() for file in files]


def _in_containers(folder: Path) -> list[Path]:
    return [home for home in _installed(folder) if not read(home).programs]


def _start(server: Server, folder: Path, installation: Installation) -> None:
    home, password = folder / server.name, installation.passwords[server.name]
    program = installation.programs.get(server.name)
    if program and server.name == "postgres":
        postgresql.prepare(program, home, password)
    elif program:
        (mysql if _is_mysql(program) else mariadb).prepare(program, home, password)
    server.start()


def _servers(folder: Path, installation: Installation) -> Servers:
    def server(kind: type[S], name: str, user: str) -> S:
        port, password = installation.ports[name], installation.passwords[name]
        return kind(name, "127.0.0.1", port, user, password, _process(name, folder, installation))

    return Servers(
        source=server(MariaDB, "source", "root"),
        replica=server(MariaDB, "replica", "root"),
        postgres=server(PostgreSQL, "postgres", "postgres"),
        databases=Databases(*(_database(name, installation) for name in NAMES)),
    )


def _process(name: str, folder: Path, installation: Installation) -> PrivateProcess | Container:
    program, port = installation.programs.get(name), installation.ports[name]
    if not program:
        return Container(name, folder, installation.compose_variables())
    if name == "postgres":
        return postgresql.process(program, folder / name, port)
    home, is_source = folder / name, name == "source"
    if _is_mysql(program):
        return mysql.process(program, home, port, mysql.SOURCE if is_source else mysql.REPLICA)
    return mariadb.process(program, home, port, mariadb.SOURCE if is_source else mariadb.REPLICA)


def _is_mysql(program: Program) -> bool:
    """Tell whether `make matrix` has put MySQL in MariaDB's place."""
    return program.path.name == "mysqld"


def _database(name: str, installation: Installation) -> Database:
    account = ACCOUNTS[name]
    port, password = installation.ports[name], installation.passwords[account]
    return Database("127.0.0.1", port, DEFAULT_NAMES[name], account, password)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two starts at once, of the tests and the demo, take turns."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def status(folder: Path = LOCAL) -> list[str]:
    return [_state(server) for server in load(folder).all()]


def _state(server: Server) -> str:
    address = f"{server.name:9}{server.host}:{server.port}"
    if not server.process:
        return f"{address} is yours"
    return f"{address} runs as pid {server.pid}" if server.pid else f"{address} is stopped"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m deployments.servers", description=__doc__)
    parser.add_argument("command", choices=["start", "stop", "status", "clean"])
    parser.add_argument(
        "--folder", type=Path, default=LOCAL, help="where the servers live (%(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "start":
                servers = find(options.folder)
                print(*(_state(server) for server in servers.all()), sep="\n")
            case "status":
                print(*status(options.folder), sep="\n")
            case "stop":
                print("stopped:", ", ".join(stop(options.folder)) or "nothing ran")
            case "clean":
                clean(options.folder)
    except ServerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
