"""PyMySQL without files: a server that asks for one gets what LOAD DATA offers, or nothing.

A server may answer any statement by asking for a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import CR
from pymysql.cursors import Cursor

NAME = "page"  # the name that LOAD DATA gives to what is in memory; there is no such file
PACKET_BYTES = 16 * 1024


class FileRefused(pymysql.OperationalError):
    """The server asked for a file of this machine; it got nothing, and the connection is closed."""

    code = "FILE"


if TYPE_CHECKING:
    _Connection = Connection[Cursor]
else:  # it has no [] when it runs
    _Connection = Connection


class OfferingConnection(_Connection):
    """A connection that opens no file, whatever its server asks for."""

    _offered: memoryview | None = None

    @contextmanager
    def offering(self, data: memoryview) -> Iterator[None]:
        """Let the server have these bytes once, by the name that we give them, in the block."""
        self._offered = data
        try:
            yield
        finally:
            self._offered = None

    def _read_query_result(self, unbuffered: bool = False) -> Any:  # noqa: ARG002 - PyMySQL's
        self._result = None
        self._result = result = _Result(self)
        result.read()
        if result.server_status is not None:
            self.server_status = result.server_status
        return result.affected_rows


class _Result(MySQLResult):
    connection: Any

    def _read_load_local_packet(self, first_packet: Any) -> None:
        connection = self.connection
        asked, offered = first_packet.get_all_data()[1:], connection._offered  # noqa: SLF001
        connection._offered = None  # noqa: SLF001
        if offered is None or asked != NAME.encode():
            connection._force_close()  # noqa: SLF001
            raise FileRefused(CR.CR_COMMANDS_OUT_OF_SYNC, "refused")
        for packet in _packets(offered):
            connection.write_packet(packet)
        connection.write_packet(b"")
        answer = connection._read_packet()  # noqa: SLF001
        if not answer.is_ok_packet():
            raise pymysql.OperationalError(CR.CR_COMMANDS_OUT_OF_SYNC, "out of sync")
        self._read_ok_packet(answer)  # type: ignore[attr-defined]


def _packets(data: memoryview) -> Sequence[memoryview]:
    return [data[start : start + PACKET_BYTES] for start in range(0, len(data), PACKET_BYTES)]
