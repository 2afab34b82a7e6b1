"""Servers that cannot be used are refused in one sentence with the remedy; nothing is written."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path as File

import hostile
import private
import pytest
from conftest import EVERYTHING
from hostile import Path, asked
from oracle import ask

from deployments import editions
from deployments.installation import LOCAL
from deployments.packages import Apt
from deployments.processes import PrivateProcess, ServerError
from deployments.server import MariaDB
from transfer.errors import PreflightError
from transfer.journey import preflight
from transfer.settings import Settings


@contextmanager
def servers(name: str, **arguments: Sequence[str]) -> Iterator[Path]:
    given = {server: arguments.get(server, ()) for server in ("source", "replica", "postgres")}
    with (
        private.home(name) as folder,
        private.started(folder, given) as found,
        hostile.opened(found) as path,
    ):
        yield path


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with servers("refused") as path:
        ask(path.places.source, "CREATE TABLE standing (Id int PRIMARY KEY) DEFAULT CHARSET=latin1")
        yield path


def refused(settings: Settings, said: str) -> None:
    """One sentence, and no other."""
    hostile.renew()
    with pytest.raises(PreflightError) as error:
        preflight.check(settings)
    (sentence,) = str(error.value).splitlines()
    assert said in sentence
    assert sentence.count(". ") == 0


# ---- the warehouse's database and server


@pytest.fixture(params=["LATIN1", "SQL_ASCII", "EUC_JP", "WIN1252"])
def strange(request: pytest.FixtureRequest, path: Path) -> Iterator[tuple[str, Settings]]:
    """The encoding of a warehouse, and the settings for it."""
    place, user = path.places.warehouse, path.settings.warehouse.user
    ask(
        place,
        f"CREATE DATABASE strange OWNER \"{user}\" ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0",
    )
    yield request.param, with_warehouse(path.settings, db="strange")
    hostile.renew()
    ask(place, "DROP DATABASE strange WITH (FORCE)")


def with_warehouse(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={"warehouse": settings.warehouse.model_copy(update=changes)})


def test_a_warehouse_is_in_utf8(strange, path):
    encoding, settings = strange
    refused(settings, f"ANALYTICS_POSTGRES_DB: nothing goes through the server at 127.0.0.1:{settings.warehouse.port}, as the"
                      f" database strange has the encoding {encoding}; recreate it by CREATE DATABASE")  # fmt: skip


def test_the_mend_for_a_warehouse_is_one(path):
    mend = "CREATE DATABASE \"mended\" ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"
    ask(path.places.warehouse, f'{mend} OWNER "{path.settings.warehouse.user}"')
    preflight.check(with_warehouse(path.settings, db="mended"))
    hostile.renew()
    ask(path.places.warehouse, "DROP DATABASE mended WITH (FORCE)")


def test_a_warehouse_that_is_only_for_reading_is_named(path):
    ask(path.places.warehouse, "ALTER SYSTEM SET default_transaction_read_only = on")
    ask(path.places.warehouse, "SELECT pg_reload_conf()")
    try:
        path.exact()  # it is overruled
    finally:
        ask(path.places.warehouse, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        ask(path.places.warehouse, "ALTER SYSTEM RESET default_transaction_read_only")
        ask(path.places.warehouse, "SELECT pg_reload_conf()")


def test_a_postgresql_that_is_too_old_is_named(path):
    if not (LOCAL / "matrix" / "postgres-13").exists():
        pytest.skip("PostgreSQL 13 is not at hand: python -m deployments.matrix fetches it")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(editions.VARIABLES["postgres"], "postgres-13")
        with private.home("thirteen") as folder, private.started(folder, {"postgres": ()}) as found:
            database = found.databases.warehouse
            changes = {
                "port": database.port,
                "password": path.settings.warehouse.password.__class__(database.password),
            }
            refused(
                with_warehouse(path.settings, **changes),
                "is PostgreSQL 13; take one of version 15 or newer",
            )
            hostile.renew()


def test_a_warehouse_that_takes_encrypted_connections_only_is_named(path):
    data = File(asked(path.places.warehouse, "SHOW hba_file"))
    before = data.read_text()
    data.write_text(
        f"hostssl all analytics_user all scram-sha-256\nhostnossl all analytics_user all reject\n{before}"
    )
    ask(path.places.warehouse, "SELECT pg_reload_conf()")
    try:
        refused(
            path.settings,
            "takes encrypted connections only; set ANALYTICS_POSTGRES_TLS=verify, and ANALYTICS_POSTGRES_TLS_CA",
        )
    finally:
        data.write_text(before)
        ask(path.places.warehouse, "SELECT pg_reload_conf()")


# ---- the replica


@pytest.fixture
def turned(path: Path) -> Iterator[object]:
    """The replica, whose global variables are as they were when the test is over."""
    place = path.places.replica
    before = {
        name: asked(place, f"SELECT @@global.{name}")
        for name in ("read_only", "local_infile", "init_connect")
    }
    yield place
    for name, value in before.items():
        ask(place, f"SET GLOBAL {name} = %s", value)


def test_a_replica_that_is_only_for_reading_is_named(path, turned):
    ask(turned, "SET GLOBAL read_only = 1")
    refused(
        path.settings,
        "is only for reading; set read_only=OFF there, or name the server that it follows",
    )


def test_a_source_that_is_only_for_reading_is_welcome(path):
    ask(path.places.source, "SET GLOBAL read_only = 1")
    try:
        path.exact()
    finally:
        ask(path.places.source, "SET GLOBAL read_only = 0")


def test_a_clock_that_stands_still_is_started_or_named(path, turned):
    """Where no session may set its clock, none was set by somebody else either."""
    ask(turned, "SET GLOBAL init_connect = 'SET timestamp = 86400'")
    path.exact()


# ---- servers that take no client at its word


# In the suite one of them is enough.
HEARD = [
    "latin1_swedish_ci",
    *(["cp1251_general_ci", "utf8mb4_general_ci"] if EVERYTHING else []),
]


@pytest.fixture(scope="module", params=HEARD)
def deaf(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A source and a replica that take whatever comes for this character set, until they are told again."""
    charset = request.param.partition("_")[0]
    # MySQL 9 has the option no more.
    options = (
        "--loose-skip-character-set-client-handshake",
        f"--character-set-server={charset}",
        f"--collation-server={request.param}",
        "--loose-secure-timestamp=YES",  # nor at its word about the time
    )
    with servers("deaf", source=options, replica=options) as path:
        yield path


def test_values_and_labels_arrive_from_servers_that_take_no_client_at_its_word(deaf):
    deaf.exact()


def lacks_the_option(server: MariaDB) -> bool:
    assert isinstance(server.process, PrivateProcess)
    return "skip-character-set-client-handshake" in server.process.log.read_text(errors="replace")


def test_names_outside_ascii_are_refused_there(deaf):
    if asked(deaf.places.source, "SELECT @@global.character_set_server").startswith("utf8"):
        pytest.skip("it takes them for what they are")
    named = {
        "SOURCE_MYSQL_HOST": deaf.servers.source,
        "REPLICATION_MYSQL_HOST": deaf.servers.replica,
    }
    expected = [name for name, server in named.items() if not lacks_the_option(server)]
    if not expected:
        pytest.skip("the servers lack the option, as their logs say")
    ask(deaf.places.source, "SET NAMES utf8mb4")
    ask(deaf.places.source, "CREATE TABLE t (Id int PRIMARY KEY, Größe int) DEFAULT CHARSET=latin1")
    try:
        hostile.renew()
        with pytest.raises(PreflightError) as error:
            preflight.check(deaf.settings)
    finally:
        ask(deaf.places.source, "DROP TABLE t")
    sentences = str(error.value).splitlines()
    assert [each.partition(":")[0] for each in sentences] == expected
    assert all(
        "skip-character-set-client-handshake" in each and "1 tables have, t the first" in each
        for each in sentences
    )


# ---- poolers


@pytest.fixture(scope="module")
def pgbouncer() -> str:
    """The program, fetched if apt has it, with the library that it needs."""
    found = shutil.which("pgbouncer")
    home = LOCAL / "pgbouncer"
    program = home / "usr/sbin/pgbouncer"
    if not found and not program.exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            pytest.skip(
                "pgbouncer comes from Debian's packages, and there is no apt-get on this machine"
            )
        try:
            apt = Apt(home / "apt")
            apt.update()
            for file in apt.download(["pgbouncer", "libc-ares2"]):
                subprocess.run(["dpkg-deb", "-x", file, home], check=True)
        except (ServerError, subprocess.CalledProcessError):
            pytest.skip("Debian's packages cannot be had now")
        if not program.exists():
            pytest.skip("this machine's package sources have no pgbouncer")
    return found or str(program)


@contextmanager
def pooled(path: Path, program: str, mode: str, ignored: str) -> Iterator[Settings]:
    """The settings for a pooler before the warehouse."""
    warehouse = path.settings.warehouse
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with private.home("pooler") as folder:
        (folder / "users").write_text(
            f'"{warehouse.user}" "{warehouse.password.get_secret_value()}"\n'
        )
        (folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={warehouse.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            f"unix_socket_dir =\nauth_type = plain\nauth_file = {folder}/users\npool_mode = {mode}\nlogfile = {folder}/log\n"
            f"ignore_startup_parameters = {ignored}\n"
        )
        folder.chmod(0o755)
        libraries = ":".join(
            str(each) for each in (LOCAL / "pgbouncer").glob("usr/lib/*-linux-gnu*")
        )
        nobody = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override",
        ]
        command = [
            *(nobody if not os.geteuid() else []),
            "env",
            f"LD_LIBRARY_PATH={libraries}",
            program,
            str(folder / "ini"),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port, process)
            yield with_warehouse(path.settings, port=port)
        finally:
            hostile.renew()
            process.terminate()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with closing(socket.socket()) as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.skip("pgbouncer does not start here")


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("ignored", ["extra_float_digits", "options, extra_float_digits"])
def test_a_pooler_is_named(mode, ignored, path, pgbouncer):
    with pooled(path, pgbouncer, mode, ignored) as settings:
        refused(
            settings,
            "a connection pooler answers there, which passes no settings on; name the server itself, by its host",
        )
