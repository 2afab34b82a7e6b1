"""Which tables a normal run verifies, so that each is compared end to end every few days within a
budget of seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transfer.changes import estimates
from transfer.settings import Limits
from transfer.values.table import Loaded, SourceTable, digest

# A table is due when this share of `ELT_VERIFY_DAYS` is over, so that several runs may see to it
# before all of them are.
DUE = 6 / 7
SOONEST = 1 / 7


@dataclass(frozen=True, slots=True)
class Turn:
    """A table's place in the rotation: the days since it was verified, or else first loaded, and
    those since it is due.

    The latter are negative before; `seconds` is what its verification is expected to take.
    """

    table: str
    days: float
    verified: bool
    due: float
    seconds: float

    @property
    def reason(self) -> str:
        """Say why it is verified."""
        return (
            f"not verified for {_said(self.days)}"
            if self.verified
            else f"never verified in {_said(self.days)}"
        )


def _said(days: float) -> str:
    return f"{int(days)} days" if days >= 2 else f"{int(days * 24)} hours"


def turns(limits: Limits, tables: Iterable[tuple[SourceTable, Loaded | None]]) -> tuple[Turn, ...]:
    """Return the place of each table in the warehouse; none if `ELT_VERIFY_DAYS` is 0."""
    return tuple(
        _turn(limits, source_table, loaded)
        for source_table, loaded in tables
        if limits.verify_days and loaded and loaded.load_id
    )


def _turn(limits: Limits, source_table: SourceTable, loaded: Loaded) -> Turn:
    name, seconds = source_table.table.name, estimates.verification(source_table, loaded)
    if loaded.verified_days is None:
        return Turn(
            name, loaded.loaded_days, False, loaded.loaded_days - spread(limits, name), seconds
        )
    return Turn(
        name, loaded.verified_days, True, loaded.verified_days - DUE * limits.verify_days, seconds
    )


def spread(limits: Limits, table: str) -> float:
    """Return the days from a table's first load to its first verification: other ones for each, so
    that the work is spread.
    """
    share = int(digest("rotation", table)[:8], 16) / 2**32
    return (SOONEST + share * (DUE - SOONEST)) * limits.verify_days


def taken(limits: Limits, tables: Sequence[Turn]) -> dict[str, str]:
    """Return the tables that a run verifies, and why: the longest overdue first, as far as
    `ELT_VERIFY_SECONDS` go.

    The first is taken whatever it takes, so a table larger than the budget has its turn too.
    """
    found: dict[str, str] = {}
    left = float(limits.verify_seconds)
    for turn in sorted(
        (turn for turn in tables if turn.due >= 0), key=lambda turn: (-turn.due, turn.table)
    ):
        if not found or turn.seconds <= left:
            found[turn.table] = turn.reason
            left -= turn.seconds
    return found


def overdue(limits: Limits, tables: Sequence[Turn]) -> tuple[str, ...]:
    """Return the tables that were not verified for longer than `ELT_VERIFY_DAYS`."""
    return tuple(turn.table for turn in tables if turn.days > limits.verify_days)
