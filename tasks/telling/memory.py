"""What people were told, remembered beside the logs: PostgreSQL may be what they are told of.

The file holds causes and times. Of the addresses it holds 32 bits of a digest: enough to see that
they are those that were found usable, too few to try passwords on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tasks.telling.endings import Cause, Ending

FILE = "told.json"
# An hour less than a day: a run of each night says each night what is still wrong.
DAY_SECONDS = 23 * 3_600
KEPT_SECONDS = 90 * 86_400
# Another run holds the memory while it sends, for ten seconds; a process that hangs, for ever.
HELD_SECONDS = 30.0


@dataclass(slots=True)
class Told:
    """A cause, when it was last told and last seen, and whether it lasts.

    One that came back within the day was not told again, so nobody waits to hear of its end.
    """

    cause: Cause
    at: float
    seen: float
    lasts: bool = False
    heard: bool = True


@dataclass(slots=True)
class Memory:
    """What people were told, and the digest of the addresses that were found usable."""

    told: list[Told] = field(default_factory=list)
    usable: str = ""

    def take(self, ending: Ending, now: float) -> tuple[set[Cause], list[Cause]]:
        """Take a run's ending in.

        Return the causes that are news, and those that were told and are over now.
        """
        over = [told for told in self.told if told.lasts and ending.settles(told.cause)]
        for told in over:
            told.lasts = False
        known = {told.cause: told for told in self.told}
        news = set()
        for cause, _ in (*ending.wrong, *ending.repaired):
            # What was told in the future was told by a wrong clock.
            if cause not in known or not 0 <= now - known[cause].at < DAY_SECONDS:
                news.add(cause)
                known[cause] = Told(cause, now, now)
            elif not known[cause].lasts:
                known[cause].heard = False
            known[cause].lasts, known[cause].seen = cause.kind != "repair", now
        self.told = [told for told in known.values() if now - told.seen < KEPT_SECONDS]
        return news, [told.cause for told in over if told.heard]

    @property
    def lasting(self) -> list[Cause]:
        """The causes that are not over."""
        return [told.cause for told in self.told if told.lasts]


@contextmanager
def remembered(folder: Path) -> Iterator[tuple[Memory, TextIO | None]]:
    """Hold the memory against other runs, and the file to `keep` it in; None if that is no use."""
    try:
        file = _opened(folder)
    except OSError:
        yield Memory(), None
        return
    try:
        yield (_read(file), file) if _held(file) else (Memory(), None)
    finally:
        with suppress(OSError):  # on a full disk it tries to write once more
            file.close()


def _held(file: TextIO) -> bool:
    """Hold the file against other runs; False if another process does not let it go."""
    until = time.monotonic() + HELD_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return False
        else:
            return True


def _opened(folder: Path) -> TextIO:
    folder.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.fdopen(os.open(folder / FILE, flags, 0o600), "r+", encoding="utf-8")


def _read(file: TextIO) -> Memory:
    """Read what was kept; what cannot be read, as after a full disk, is forgotten."""
    try:
        kept = json.load(file)
        return Memory([_told(each) for each in kept["told"]], str(kept["usable"]))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return Memory()


def _told(kept: dict[str, Any]) -> Told:
    cause = Cause(*(str(kept["cause"][name]) for name in ("kind", "name", "way")))
    lasts, heard = bool(kept["lasts"]), bool(kept["heard"])
    return Told(cause, float(kept["at"]), float(kept["seen"]), lasts, heard)


def keep(memory: Memory, file: TextIO | None) -> bool:
    """Write the memory down, and tell whether that could be done."""
    if file is None:
        return False
    try:
        file.seek(0)
        file.truncate()
        json.dump(asdict(memory), file)
        file.flush()
    except OSError:
        return False
    return True


def digest(addresses: str) -> str:
    """Return what tells these addresses from others."""
    return hashlib.sha256(addresses.encode()).hexdigest()[:8]
