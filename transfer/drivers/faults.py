"""What the drivers raise, turned into the pipeline's own errors: the one place where their messages end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pymysql
from adbc_driver_manager import Error as AdbcError

from transfer.drivers.offered import FileRefused
from transfer.drivers.reader import ReaderDied, ReaderHung, ReaderPanicked
from transfer.errors import DatabaseFault, EltError

# libpq gives no SQLSTATE for what fails before a session exists.
LIBPQ = (
    ("unsupported startup parameter", "POOLER"),
    ("unrecognized configuration parameter", "42704"),
    ("pg_hba.conf (entry|rejects).*(no encryption|SSL off)", "PLAIN"),
    ("pg_hba.conf (entry|rejects)", "28000"),
    ("password authentication failed|no password supplied|role .* does not exist", "28P01"),
    ("database .* does not exist", "3D000"),
    ("certificate|SSL|TLS", "TLS"),
    ("too many clients|remaining connection slots", "53300"),
    ("starting up|shutting down", "57P03"),
    ("refused|timeout|translate host name|unreachable|No such file", "08001"),
)

# Nor does PyMySQL; a server before 5.5.7 names no plugin when it asks for another login.
PYMYSQL = (
    ("UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION", "TLS 1.1"),
    (r"certificate|\bSSL\b|\bTLS\b", "TLS"),
    ("auth switch request", "2059"),
)


def code_of(error: BaseException) -> str | None:
    """Return the server's code of a driver's error, `""` for one without a code, None for any other error."""
    code: str | None = None
    match error:
        case ReaderPanicked() | ReaderHung() | ReaderDied() | FileRefused():
            code = error.code
        case UnicodeDecodeError():  # of PyMySQL; its text holds the value's bytes
            code = "PANIC"
        case FileNotFoundError():  # the file of a certificate authority is the only one that a driver opens
            code = "TLS"
        case pymysql.Error() | OSError() if found := _first(PYMYSQL, error):
            code = found
        case pymysql.Error():
            code = (
                str(error.args[0])
                if error.args and isinstance(error.args[0], int) and error.args[0]
                else ""
            )
        case AdbcError():
            code = error.sqlstate or _first(LIBPQ, error)
        case RuntimeError():  # ConnectorX reports all as RuntimeError
            number = re.search(r"ERROR (\d+)", str(error))
            code = number[1] if number else ""
        case AttributeError() if "NoneType" in str(error) and "send" in str(
            error
        ):  # PyMySQL, connection killed in LOAD
            code = "2013"
        case OSError():
            code = ""
    return code


def _first(codes: Iterable[tuple[str, str]], error: BaseException) -> str:
    return next((code for words, code in codes if re.search(words, str(error))), "")


@contextmanager
def faults(place: str, doing: str) -> Iterator[None]:
    """Turn any driver's error into a `DatabaseFault`: the one place where driver messages end, as they carry values."""
    try:
        yield
    except EltError:
        raise
    except Exception as error:  # of whatever driver; one that is none of theirs goes on as it is
        code = code_of(error)
        if code is None:
            raise
        raise DatabaseFault(place, doing, code) from None
