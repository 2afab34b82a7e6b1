"""A server that somebody took over gets no file of this machine, whatever it answers, and the run says so in one sentence."""

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pytest
from conftest import Client
from leftovers import close_idle
from runs import limited

from transfer.drivers.offered import NAME
from transfer.errors import DatabaseFault, EltError, PreflightError
from transfer.journey import preflight
from transfer.mysql import load_data, pool, reading, session
from transfer.settings import MySQLServer, Settings
from transfer.values.table import Column

GOODBYE = b"\x01\0\0\0\x01"
SECRET = b"the user's own key"


@dataclass
class Rogue:
    """Stands before a server, passes everything on, and answers one statement by asking for a file; keeps what it is sent then."""

    asked: bytes
    wanted: Callable[[bytes], bool]
    statements: list[bytes] = field(default_factory=list)
    got: bytes = b""
    ended: bool = False

    def pass_on(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError), near.makefile("rb") as said:
            while header := said.read(4):
                content = said.read(int.from_bytes(header[:3], "little"))
                if header[3] == 0 and self.takes(content):
                    answer = b"\xfb" + self.asked
                    near.sendall(len(answer).to_bytes(3, "little") + b"\x01" + answer)
                    near.settimeout(1)
                    while data := near.recv(2**16):
                        self.got += data
                    self.ended = True
                    return
                far.sendall(header + content)
            far.shutdown(socket.SHUT_WR)

    def takes(self, content: bytes) -> bool:
        self.statements.append(content)
        return self.wanted(content)


@contextmanager
def before(server: MySQLServer, rogue: Rogue) -> Iterator[MySQLServer]:
    """The server's settings, with the rogue before it."""
    ends: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError), ThreadPoolExecutor(20) as pool:
            while True:
                near, _ = listening.accept()
                far = socket.create_connection((server.host, server.port))
                ends.extend((near, far))
                pool.submit(rogue.pass_on, near, far)
                pool.submit(carry, far, near)

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        accepting = Thread(target=accept)
        accepting.start()
        try:
            yield server.model_copy(update={"port": listening.getsockname()[1]})
        finally:
            close_idle()
            for end in (listening, *ends):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            accepting.join()
    for end in ends:
        end.close()


def carry(far: socket.socket, near: socket.socket) -> None:
    with suppress(OSError):
        while data := far.recv(2**16):
            near.sendall(data)
    with suppress(OSError):
        near.shutdown(socket.SHUT_RDWR)


PAGE = pa.table({"Id": pa.array([1, 2], pa.int64())})
COLUMNS = (Column("Id", "bigint", "bigint"),)


def statements_of_all_kinds(settings: Settings, server: MySQLServer) -> None:
    with (
        pool.connect(server, settings.limits, writes=True, kept=False) as connection,
        connection.waiting_for_readers(),
    ):
        connection.rows("asking", "SELECT 1")
        with connection.transaction():
            load_data.load(connection, "t", COLUMNS, PAGE)
        with suppress(ZeroDivisionError), connection.transaction():
            raise ZeroDivisionError  # it is rolled back
        connection.run("emptying", "DELETE FROM t")


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the user's, also in the folder where the run is, by the name that LOAD DATA uses."""
    monkeypatch.chdir(tmp_path)
    for name in (NAME, "secret"):
        (tmp_path / name).write_bytes(SECRET)
    return tmp_path / "secret"


def number_of(number: int) -> Callable[[bytes], bool]:
    left = iter(range(1, number + 1))
    return lambda _: next(left, None) == number


def test_a_server_gets_no_file_at_whatever_statement_it_asks(
    settings: Settings, replica: Client, secret: Path
):
    replica.run("CREATE TABLE t (Id bigint PRIMARY KEY) ENGINE=InnoDB")
    everything = Rogue(b"", lambda _: False)
    with before(settings.replica, everything) as server:
        statements_of_all_kinds(settings, server)
    # The answer to the driver's own first statement it does not look at.
    queries = [
        position for position, said in enumerate(everything.statements, 1) if said[:1] == b"\x03"
    ][1:]
    assert len(queries) > 10
    for number in queries:
        for asked in {
            str(secret).encode(),
            NAME.encode() if b"LOAD" not in everything.statements[number - 1] else b"",
        }:
            replica.run("DELETE FROM t")
            rogue = Rogue(asked, number_of(number))
            with before(settings.replica, rogue) as server, pytest.raises(DatabaseFault) as raised:
                statements_of_all_kinds(settings, server)
            assert raised.value.code in (
                "FILE",
                "2014",
            )  # of BEGIN and the like the driver takes no such answer at all
            assert (rogue.got.removesuffix(GOODBYE), rogue.ended) == (b"", True), (
                everything.statements[number - 1]
            )


SPELLINGS = ["{secret}", "./page", "page\0", "PAGE", " page", "../{folder}/page", "/proc/self/fd/{open}", "/proc/{pid}/fd/{open}", "/dev/fd/{open}", "file://{secret}", "", "/dev/stdin"]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_load_gives_only_what_it_offered_however_another_file_is_spelt(
    spelling, settings: Settings, replica: Client, secret: Path
):
    replica.run("CREATE TABLE t (Id bigint PRIMARY KEY) ENGINE=InnoDB")
    with secret.open() as held:
        asked = spelling.format(
            secret=secret, folder=secret.parent.name, open=held.fileno(), pid=os.getpid()
        )
        rogue = Rogue(asked.encode(), lambda said: b"LOAD DATA" in said)
        with (
            before(settings.replica, rogue) as server,
            pytest.raises(DatabaseFault, match="it was sent nothing"),
        ):
            statements_of_all_kinds(settings, server)
    assert (rogue.got, rogue.ended) == (b"", True)
    assert replica.run("SELECT COUNT(*) FROM t") == [(0,)]


def test_what_is_offered_is_given_once(settings: Settings, replica: Client, secret: Path):
    rogue = Rogue(NAME.encode(), lambda said: b"LOAD DATA" in said)
    with (
        before(settings.replica, rogue) as server,
        pool.connect(server, settings.limits, writes=True) as connection,
    ):
        connection._read_timeout = 0.5  # the rogue answers no more
        with pytest.raises(EltError):
            load_data.load(connection, "t", COLUMNS, PAGE)
    assert SECRET not in rogue.got
    assert b"1\n2\n" in rogue.got


@pytest.mark.parametrize("place", ["source", "replica"])
def test_the_preflight_says_in_one_sentence_that_a_server_asked_for_a_file(
    place, settings: Settings, source, secret
):
    source.run("CREATE TABLE t (Id bigint PRIMARY KEY)")
    rogue = Rogue(str(secret).encode(), lambda said: b"SHOW GRANTS" in said)
    with before(getattr(settings, place), rogue) as server, pytest.raises(PreflightError) as raised:
        preflight.check(settings.model_copy(update={place: server}))
    assert str(raised.value).startswith(
        f"{server.prefix}HOST: the server at 127.0.0.1:{server.port} asked for a file"
    )
    assert len(str(raised.value).splitlines()) == 1
    assert rogue.got == b""


def test_the_reading_driver_gives_no_file_either(
    settings: Settings, secret: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session, "ANSWER_SECONDS", 0)
    rogue = Rogue(str(secret).encode(), lambda said: b"elt" in said)
    with before(settings.source, rogue) as server, pytest.raises(DatabaseFault):
        reading.read(
            server, limited(settings, statement_seconds=1).limits, "asking", "SELECT 1 AS one"
        )
    assert SECRET not in rogue.got
