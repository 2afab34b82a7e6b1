"""Turns what the drivers raise into the pipeline's own errors.

This is the one place where drivers' messages end, as they may carry values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pymysql
from adbc_driver_manager import Error as AdbcError

from transfer.drivers.offered import FileRefused
from transfer.drivers.reader import ReaderDied, ReaderHung, ReaderPanicked
from transfer.errors import DatabaseFault, EltError

# libpq gives no SQLSTATE for a failure before there is a session.
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

# Nor does PyMySQL. A server before 5.5.7 names no plugin when it asks for another login.
PYMYSQL = (
    ("UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION", "TLS 1.1"),
    (r"certificate|\bSSL\b|\bTLS\b", "TLS"),
    ("auth switch request", "2059"),
)


def code_of(error: BaseException) -> str | None:
    """Return the server's code of a driver's error.

    It is `""` for a driver's error without a code, and None for an error that is none of theirs.
    """
    code: str | None = None
    match error:
        case ReaderPanicked() | ReaderHung() | ReaderDied() | FileRefused():
            code = error.code
        case UnicodeDecodeError():  # of PyMySQL; its text holds the value's bytes
            code = "PANIC"
        case FileNotFoundError():  # the only file that a driver opens is a certificate authority's
            code = "TLS"
        case pymysql.Error() | OSError() if found := _first(PYMYSQL, error):
            code = found
        case pymysql.Error():
            number = error.args[0] if error.args else 0
            code = str(number) if isinstance(number, int) and number else ""
        case AdbcError():
            code = error.sqlstate or _first(LIBPQ, error)
        case RuntimeError():  # ConnectorX reports all as RuntimeError
            found_number = re.search(r"ERROR (\d+)", str(error))
            code = found_number[1] if found_number else ""
        case AttributeError() if re.search("NoneType.*send", str(error)):
            code = "2013"  # PyMySQL, whose connection was killed in LOAD DATA
        case OSError():
            code = ""
    return code


def _first(codes: Iterable[tuple[str, str]], error: BaseException) -> str:
    return next((code for words, code in codes if re.search(words, str(error))), "")


@contextmanager
def faults(place: str, doing: str) -> Iterator[None]:
    """Turn any driver's error in the block into a `DatabaseFault`."""
    try:
        yield
    except EltError:
        raise
    except Exception as error:  # of any driver; an error that is none of theirs goes on as it is
        code = code_of(error)
        if code is None:
            raise
        raise DatabaseFault(place, doing, code) from None
