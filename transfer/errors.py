"""What can go wrong, each said in one sentence that carries no value of a row and no password.

EltError
├── SettingsError     a setting is missing or unusable
├── PreflightError    a server cannot be used as it is
├── UnknownTable      a table was named that the source does not have
├── TableError        one table cannot be moved as it is; the others go on
│   ├── TableVanished it was there at the survey and is gone
│   └── TableUnsteady it became another while it was read; trying again may help
├── TableBusy         another run has the table, or took it over
├── Stopped           the run was stopped, by Ctrl-C or a signal
└── DatabaseFault     a statement failed; trying again may help
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

import pymysql
from adbc_driver_manager import Error as AdbcError

from transfer.reader import ReaderDied, ReaderHung, ReaderPanicked

ROOT = Path(__file__).parent.parent


class EltError(Exception):
    """Base of all errors of the pipeline; its text is safe to show, log and store."""


class SettingsError(EltError):
    """A setting is missing or unusable."""


class PreflightError(EltError):
    """A server cannot be used as it is."""


class UnknownTable(EltError):
    """A table was named that the source does not have."""


class TableError(EltError):
    """One table cannot be moved as it is."""


class TableVanished(TableError):
    """The table was there at the survey and is gone."""


class TableUnsteady(TableError):
    """The table became another while it was read."""


class TableShrunk(TableError):
    """The table lost so many rows since it was last read that somebody should look."""


class PracticeUpgrading(EltError):
    """OpenDental is changing its own database, so what stands there now is no state of the practice."""


class TableBusy(EltError):
    """Another run has the table, or took it over."""


class Stopped(EltError):
    """The run was stopped by Ctrl-C or a signal."""


class DatabaseFault(EltError):
    """A statement failed. `code` is the server's own error number or SQLSTATE, `""` when it gave none."""

    def __init__(self, place: str, doing: str, code: str) -> None:
        """Word the fault from the place, the deed and the code alone: a driver's text may hold row values."""
        super().__init__(place, doing, code)
        self.place, self.doing, self.code = place, doing, code

    def __str__(self) -> str:
        """Say what failed where, and what the code means."""
        number = f" (error {self.code})" if self.code else ""
        return f"{self.place}: {self.doing} failed: {meaning(self.code)}{number}."


def meaning(code: str) -> str:
    """Say what a server's code means, in our own words: the server's may quote a row."""
    return MEANINGS.get(code, "the server refused" if code else "the server went away")


MEANINGS = {
    "1005": "the table definition was refused",
    "1021": "its disk is full",
    "1030": "its storage engine reports an error",
    "1040": "it has no connection left",
    "1044": "the user may not use this database",
    "1045": "user or password is wrong",
    "1049": "the database does not exist",
    "1053": "the server is shutting down",
    "1054": "a column is missing",
    "1062": "a unique key would be doubled",
    "1064": "it does not know a type or clause",
    "1067": "it does not know a default",
    "1101": "it gives such a column no default",
    "1071": "a key is too long",
    "1075": "an AUTO_INCREMENT stands first in no key",
    "1114": "the table or disk is full",
    "1115": "it does not know a character set",
    "1117": "the table has too many columns",
    "1118": "a row is too wide",
    "1142": "the user lacks a privilege",
    "1146": "the table does not exist",
    "1205": "a lock was held too long by somebody else",
    "1213": "a deadlock was resolved against it",
    "1227": "the user lacks a privilege",
    "1273": "it does not know a collation",
    "1317": "the statement was killed",
    "1293": "it does not know such a default of a time",
    "1294": "it does not know such an ON UPDATE",
    "1366": "a text does not fit the column's character set",
    "1406": "a value is too long for its column",
    "1412": "the table was replaced meanwhile",
    "1818": "it does not know YEAR(2)",
    "1927": "the connection was killed",
    "1969": "the statement took too long",
    "2003": "nothing answers at this address",
    "DIED": "the reading process ended, perhaps for want of memory",
    "HUNG": "it did not answer in time and the connection was given up",
    "PANIC": "the driver could not read a value",
    "TLS": "no verified TLS connection can be made",
    "2026": "no verified TLS connection can be made",
    "2006": "the connection is gone",
    "2013": "the connection was lost",
    "3024": "the statement took too long",
    "3948": "LOAD DATA LOCAL is switched off (local_infile)",
    "4161": "it does not know a type",
    "4166": "LOAD DATA LOCAL is switched off (local_infile)",
    "08001": "nothing answers at this address",
    "08006": "the connection was lost",
    "22021": "a text holds bytes that are not valid in the database's encoding",
    "23502": "a key column has no value",
    "23505": "a unique key would be doubled",
    "42601": "the SQL is not well formed",
    "42883": "a function or comparison does not exist for these types",
    "0A000": "PostgreSQL does not support this",
    "22003": "a number is out of range",
    "28P01": "user or password is wrong",
    "2BP01": "another object depends on it",
    "3D000": "the database does not exist",
    "40001": "two transactions collided",
    "40P01": "a deadlock was resolved against it",
    "42501": "the user lacks a privilege",
    "42703": "a column is missing",
    "42P01": "the table does not exist",
    "53100": "its disk is full",
    "53300": "it has no connection left",
    "54000": "a row or statement is too large",
    "54011": "the table has too many columns",
    "55P03": "a lock was held too long by somebody else",
    "57014": "the statement was cancelled",
    "57P01": "the server is shutting down",
    "57P03": "the server is starting or stopping",
}

# libpq gives no SQLSTATE for what fails before a session exists.
LIBPQ = (
    ("password authentication failed|no password supplied|role .* does not exist", "28P01"),
    ("database .* does not exist", "3D000"),
    ("certificate|SSL|TLS", "TLS"),
    ("too many clients|remaining connection slots", "53300"),
    ("starting up|shutting down", "57P03"),
    ("refused|timeout|translate host name|unreachable|No such file", "08001"),
)

MISSING_TABLE = frozenset({"1146", "42P01"})
MISSING_COLUMN = frozenset({"1054"})
FORBIDDEN = frozenset({"1142", "1143"})
# The server itself is out of reach, so asking it about the next table helps nobody.
GONE = frozenset({"", "HUNG", "2003", "2006", "2013", "1053", "1927", "08001", "08006", "57P01", "57P03"})
TOO_LARGE = frozenset({"54000", "54011"})
LOCKED_OUT = frozenset({"1205", "55P03", "40P01", "1213"})


def code_of(error: BaseException) -> str | None:
    """Return the server's code of a driver's error, `""` for one without a code, None for any other error."""
    code: str | None = None
    match error:
        case ReaderPanicked() | ReaderHung() | ReaderDied():
            code = error.code
        case FileNotFoundError():  # the file of a certificate authority is the only one that a driver opens
            code = "TLS"
        case pymysql.Error() | OSError() if re.search(r"certificate|\bSSL\b|\bTLS\b", str(error)):
            code = "TLS"
        case pymysql.Error():
            code = str(error.args[0]) if error.args and isinstance(error.args[0], int) and error.args[0] else ""
        case AdbcError():
            code = error.sqlstate or next((code for words, code in LIBPQ if re.search(words, str(error))), "")
        case RuntimeError():  # ConnectorX reports all as RuntimeError
            found = re.search(r"ERROR (\d+)", str(error))
            code = found[1] if found else ""
        case AttributeError() if "NoneType" in str(error) and "send" in str(
            error
        ):  # PyMySQL, connection killed in LOAD
            code = "2013"
        case OSError():
            code = ""
    return code


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(ROOT) and "site-packages" not in file


def class_of(error: object) -> str:
    """Return the kind of an error for the history, with the server's code if it is a server's."""
    return f"{type(error).__name__} {error.code if isinstance(error, DatabaseFault) else ''}".rstrip()


def place_of(error: BaseException) -> str:
    """Return where in our own code an unforeseen error came from; its message is not for showing, as it may quote a value."""
    frames = [frame for frame in extract_tb(error.__traceback__) if _is_ours(frame.filename)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"


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


@contextmanager
def vanishing(name: str) -> Iterator[None]:
    """Tell a table that is gone from the source from a server that fails."""
    try:
        yield
    except DatabaseFault as fault:
        if fault.code not in MISSING_TABLE:
            raise
        raise TableVanished(f"{name} vanished from the source while it was read.") from None
