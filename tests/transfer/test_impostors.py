"""A server that wants the password in the clear, or in a form that is as good as that, gets nothing."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from transfer.errors import DatabaseFault
from transfer.journey import mysql_checks, preflight
from transfer.mysql import pool, reading, session
from transfer.settings import Limits, Source

SECRET = "our password"
SALT = b"12345678" + b"90abcdefghij"
# Those of MySQL 5.5 without TLS: PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH and what no client goes without.
CAPABILITIES = 0x0008_A20D
ASKING = {
    "in the clear": b"\xfemysql_clear_password\0\0",
    "in a dialog": b"\xfedialog\0\x04Password: ",
    "in the form before 4.1": b"\xfemysql_old_password\0" + SALT + b"\0",
    "as a server before 5.5.7": b"\xfe",
}


@dataclass
class Impostor:
    """Greets as MySQL 5.5 does, asks for the password in its own way, and keeps what it is sent: logins, and what follows."""

    asking: bytes
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    logins: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)

    def serve(self) -> None:
        with suppress(OSError):  # the test is over
            while True:
                client, _ = self.listening.accept()
                with client, suppress(OSError):
                    client.settimeout(1)
                    self._meet(client)

    def _meet(self, client: socket.socket) -> None:
        client.sendall(_packet(0, _greeting()))
        self.logins.append(client.recv(4096))
        client.sendall(_packet(2, self.asking))
        self.answers.append(client.recv(4096))

    def settings(self, tls: str | None = None) -> Source:
        port = self.listening.getsockname()[1]
        return Source(
            _env_file=None,
            host="127.0.0.1",
            port=port,
            db="opendental",
            user="elt",
            password=SECRET,
            tls=tls,
        )


def _packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content


def _greeting() -> bytes:
    low, high = (part.to_bytes(2, "little") for part in (CAPABILITIES & 0xFFFF, CAPABILITIES >> 16))
    first, rest = SALT[:8] + b"\0", SALT[8:] + b"\0"
    head = b"\x0a5.5.62\0" + (7).to_bytes(4, "little") + first + low + b"\x21\x02\x00" + high
    return head + bytes([len(SALT) + 1]) + bytes(10) + rest + b"mysql_native_password\0"


@pytest.fixture(params=ASKING)
def impostor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Impostor]:
    monkeypatch.setattr(session, "ANSWER_SECONDS", 0)  # ConnectorX would try again for 30 s
    impostor = Impostor(ASKING[request.param])
    with impostor.listening:
        threading.Thread(target=impostor.serve, daemon=True).start()
        yield impostor
        impostor.listening.shutdown(socket.SHUT_RDWR)


NOTHING = b"\0\0\0\x03"  # a packet without content
GOODBYE = b"\x01\0\0\0\x01"
LIMITS = Limits(_env_file=None, statement_seconds=1)


def _try_all(source: Source) -> None:
    with pytest.raises(DatabaseFault), pool.connect(source, LIMITS):
        pass
    with pytest.raises(DatabaseFault):
        reading.read(source, LIMITS, "asking", "SELECT 1 AS one")


def test_no_driver_sends_an_impostor_the_password(impostor):
    _try_all(impostor.settings())
    assert len(impostor.logins) >= 2
    assert {said.removeprefix(NOTHING).removesuffix(GOODBYE) for said in impostor.answers} == {b""}
    assert [said for said in impostor.logins if SECRET.encode() in said] == []


def test_no_driver_logs_in_without_tls_where_it_is_wanted(impostor):
    _try_all(impostor.settings("verify"))
    assert impostor.logins
    assert [said for said in impostor.logins if b"elt" in said] == []


def test_the_preflight_says_what_is_wrong_with_the_account(impostor):
    sentence = preflight._reached(
        impostor.settings(), lambda: mysql_checks.source(impostor.settings(), LIMITS)
    ).sentence
    assert sentence.startswith("SOURCE_MYSQL_USER: the server at 127.0.0.1:")
    assert "mysql_native_password" in sentence
