"""What can go wrong, each said in one sentence that carries no value of a row and no password.

EltError
├── SettingsError         a setting is missing or unusable
├── PreflightError        a server cannot be used as it is
│   └── SourceRefused     the source is not the practice's, or shows less than it did
├── PracticeUpgrading     OpenDental is changing its own database
├── UnknownTable          a table was named that the source does not have
├── TableError            one table cannot be moved as it is; the others go on
│   ├── TableShrunk       it lost so many rows that somebody should look
│   ├── TableUnsteady     it changed while it was read; trying again may help
│   └── TableVanished     it was there at the survey and is gone
├── TableBusy             another run has the table, or took it over
├── Stopped               the run was stopped, by Ctrl-C or a signal
└── DatabaseFault         a statement failed; trying again may help
    ├── ChannelFault      a session would alter what is sent through it
    └── ServerHangs       the server gives no answer; nobody else need try it

Tasks and flows add CatalogueError, NoMarts, BuildFailed and RunFailed, which derive from EltError.
`tasks/retrying.py` decides which of them Prefect tries again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from transfer.server_codes import MISSING_TABLE, meaning
from transfer.values.printable import printable

ROOT = Path(__file__).parent.parent


class EltError(Exception):
    """Base of all errors of the pipeline.

    Its text, a line for each sentence, is safe to show, log and store.
    """

    def __str__(self) -> str:
        """Say it with names that are printable."""
        return "\n".join(printable(str(sentence)) for sentence in self.args)


class SettingsError(EltError):
    """A setting is missing or unusable."""


class PreflightError(EltError):
    """A server cannot be used as it is."""


class SourceRefused(PreflightError):
    """The source is another practice's, or shows less than it did; trying again does not help."""


class UnknownTable(EltError):
    """A table was named that the source does not have."""


class TableError(EltError):
    """One table cannot be moved as it is."""


class TableVanished(TableError):
    """The table was there at the survey and is gone."""


class TableUnsteady(TableError):
    """The table changed while it was read."""


class TableShrunk(TableError):
    """The table lost so many rows since it was last read that somebody should look."""


class PracticeUpgrading(EltError):
    """OpenDental is changing its own database, which is in no valid state until that is done."""


class TableBusy(EltError):
    """Another run has the table, or took it over."""


class Stopped(EltError):
    """The run was stopped by Ctrl-C or a signal."""


class DatabaseFault(EltError):
    """A statement failed.

    `code` is the server's own error number or SQLSTATE, `""` when it gave none.
    """

    def __init__(self, place: str, doing: str, code: str) -> None:
        """Take only place, action and code: a driver's text may hold values of rows."""
        super().__init__(place, doing, code)
        self.place, self.doing, self.code = place, doing, code

    def __str__(self) -> str:
        """Say what failed where, and what the code means."""
        number = f" (error {self.code})" if self.code else ""
        return printable(f"{self.place}: {self.doing} failed: {meaning(self.code)}{number}.")


class ChannelFault(DatabaseFault):
    """A session does not pass values as they are, or lacks a setting; `differs` says in what."""

    def __init__(
        self, place: str, where: str, differs: str, mend: str = "", setting: str = "HOST"
    ) -> None:
        """Name the server, what differs, how to fix it, and the setting that names it."""
        super().__init__(place, f"opening a session at {where}", "CHANNEL")
        self.args = (place, where, differs, mend, setting)
        self.differs = f"nothing goes through the server at {where}, as {differs}"
        self.setting = setting
        self.mend = mend or "look at its settings, and at those of whatever stands before it"

    def __str__(self) -> str:
        """Say that nothing can be read or written through it, and why."""
        return printable(f"{self.place}: {self.differs}; {self.mend}.")


class ServerHangs(DatabaseFault):
    """A server has given no answer for so long that nobody waits for it any longer."""

    def __init__(self, place: str, doing: str, where: str, seconds: float) -> None:
        """Name the server, and how long the run waited for it."""
        super().__init__(place, doing, "HANGS")
        self.args = (place, doing, where, seconds)
        self.where, self.seconds = where, seconds

    def __str__(self) -> str:
        """Say what was given up, and which server to look at."""
        return printable(
            f"{self.place}: {self.doing} was given up, as the server at {self.where} hangs: it has"
            " given no answer, not even to a new connection,"
            f" for {self.seconds:g} s (ELT_HANG_SECONDS)."
        )


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(ROOT) and "site-packages" not in file


def class_of(error: object) -> str:
    """Return the kind of an error for the history, with the server's code if it is a server's."""
    code = error.code if isinstance(error, DatabaseFault) else ""
    return f"{type(error).__name__} {code}".rstrip()


def place_of(error: BaseException) -> str:
    """Return where in our code an unforeseen error came from; its message may quote a value."""
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
