"""What can go wrong, each said in one sentence that carries no value of a row and no password.

EltError
├── SettingsError     a setting is missing or unusable
├── PreflightError    a server cannot be used as it is
│   └── SourceRefused the source is not the practice's, or shows less than it did
├── UnknownTable      a table was named that the source does not have
├── TableError        one table cannot be moved as it is; the others go on
│   ├── TableVanished it was there at the survey and is gone
│   └── TableUnsteady it became another while it was read; trying again may help
├── TableBusy         another run has the table, or took it over
├── Stopped           the run was stopped, by Ctrl-C or a signal
└── DatabaseFault     a statement failed; trying again may help
    ├── ChannelFault  a session would alter what is sent through it
    └── ServerHangs   its server gives no answer, so the others that want it need not try
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from transfer.values.printable import printable

ROOT = Path(__file__).parent.parent


class EltError(Exception):
    """Base of all errors of the pipeline; its text, a line for each sentence, is safe to show, log and store."""

    def __str__(self) -> str:
        """Say it with names that are printable."""
        return "\n".join(printable(str(sentence)) for sentence in self.args)


class SettingsError(EltError):
    """A setting is missing or unusable."""


class PreflightError(EltError):
    """A server cannot be used as it is."""


class SourceRefused(PreflightError):
    """The source is another practice's, or shows less than it did; to try again helps nobody."""


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
        return printable(f"{self.place}: {self.doing} failed: {meaning(self.code)}{number}.")


class ChannelFault(DatabaseFault):
    """A session does not carry values as they are, or is not set as it must be; `differs` says in what."""

    def __init__(
        self, place: str, where: str, differs: str, mend: str = "", setting: str = "HOST"
    ) -> None:
        """Name the server, what differs, how to mend it, and the setting that names what is to be mended."""
        super().__init__(place, f"opening a session at {where}", "CHANNEL")
        self.args = (place, where, differs, mend, setting)
        self.differs, self.setting = (
            f"nothing goes through the server at {where}, as {differs}",
            setting,
        )
        self.mend = mend or "look at its settings, and at those of whatever stands before it"

    def __str__(self) -> str:
        """Say that nothing can be read or written through it, and why."""
        return printable(f"{self.place}: {self.differs}; {self.mend}.")


class ServerHangs(DatabaseFault):
    """A server has given no answer for so long that nobody waits for it any more."""

    def __init__(self, place: str, doing: str, where: str, seconds: float) -> None:
        """Name the server, and the setting that says how long it is waited for."""
        super().__init__(place, doing, "HANGS")
        self.args = (place, doing, where, seconds)
        self.where, self.seconds = where, seconds

    def __str__(self) -> str:
        """Say what was given up, and which server is to be looked at."""
        return (
            f"{self.place}: {self.doing} was given up, as the server at {self.where} hangs: it has given no answer, not even to"
            f" a new connection, for {self.seconds:g} s (ELT_HANG_SECONDS)."
        )


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
    "1193": "it lacks a session variable that is needed",
    "1205": "a lock was held too long by somebody else",
    "1213": "a deadlock was resolved against it",
    "1227": "the user lacks a privilege",
    "1251": "it wants a login that the pipeline does not do",
    "1273": "it does not know a collation",
    "1275": "the user's password has the form before MySQL 4.1",
    "1290": "it runs with an option that forbids this (read_only, say)",
    "1317": "the statement was killed",
    "1293": "it does not know such a default of a time",
    "1294": "it does not know such an ON UPDATE",
    "1366": "a text does not fit the column's character set",
    "1406": "a value is too long for its column",
    "1412": "the table was replaced meanwhile",
    "1818": "it does not know YEAR(2)",
    "1792": "the transaction is only for reading",
    "1836": "it is only for reading",
    "1927": "the connection was killed",
    "1969": "the statement took too long",
    "2003": "nothing answers at this address",
    "DIED": "the reading process ended, perhaps for want of memory",
    "HANGS": "the server hangs",
    "FILE": "it asked for a file of this machine, as only a server does that somebody took over; it was sent nothing",
    "HUNG": "it did not answer in time and the connection was given up",
    "PLAIN": "it takes encrypted connections only",
    "POOLER": "a connection pooler answers, which passes no settings on",
    "PANIC": "the driver could not read a value",
    "TLS": "no verified TLS connection can be made",
    "TLS 1.1": "it has no TLS newer than 1.1",
    "2026": "no verified TLS connection can be made",
    "2006": "the connection is gone",
    "2013": "the connection was lost",
    "2014": "its answers do not fit what it was asked",
    "2059": "it wants a login that the pipeline does not do",
    "3024": "the statement took too long",
    "3159": "it takes encrypted connections only",
    "3948": "LOAD DATA LOCAL is switched off (local_infile)",
    "4161": "it does not know a type",
    "4166": "LOAD DATA LOCAL is switched off (local_infile)",
    "08001": "nothing answers at this address",
    "08006": "the connection was lost",
    "22021": "a text holds bytes that are not valid in the database's encoding",
    "23502": "a key column has no value",
    "23505": "a unique key would be doubled",
    "42704": "it does not know a setting or type",
    "42601": "the SQL is not well formed",
    "42883": "a function or comparison does not exist for these types",
    "0A000": "PostgreSQL does not support this",
    "22003": "a number is out of range",
    "28P01": "user or password is wrong",
    "2BP01": "another object depends on it",
    "3D000": "the database does not exist",
    "25006": "it is only for reading",
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

MISSING_TABLE = frozenset({"1146", "42P01"})
MISSING_COLUMN = frozenset({"1054"})
FORBIDDEN = frozenset({"1142", "1143"})
# The server itself is out of reach, so asking it about the next table helps nobody.
GONE = frozenset(
    {
        "",
        "FILE",
        "HUNG",
        "HANGS",
        "2003",
        "2006",
        "2013",
        "1053",
        "1927",
        "08001",
        "08006",
        "57P01",
        "57P03",
    }
)
TOO_LARGE = frozenset({"54000", "54011"})
LOCKED_OUT = frozenset({"1205", "55P03", "40P01", "1213"})


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(ROOT) and "site-packages" not in file


def class_of(error: object) -> str:
    """Return the kind of an error for the history, with the server's code if it is a server's."""
    return (
        f"{type(error).__name__} {error.code if isinstance(error, DatabaseFault) else ''}".rstrip()
    )


def place_of(error: BaseException) -> str:
    """Return where in our own code an unforeseen error came from; its message is not for showing, as it may quote a value."""
    frames = [frame for frame in extract_tb(error.__traceback__) if _is_ours(frame.filename)]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"


@contextmanager
def vanishing(name: str) -> Iterator[None]:
    """Tell a table that is gone from the source from a server that fails."""
    try:
        yield
    except DatabaseFault as fault:
        if fault.code not in MISSING_TABLE:
            raise
        raise TableVanished(f"{name} vanished from the source while it was read.") from None
