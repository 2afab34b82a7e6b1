"""What the hops of a table's journey share: the table in work, what each did, what was found."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from transfer.changes import evidence
from transfer.journey.looks import SMALL_ROWS
from transfer.replica import extracts
from transfer.replica.extracts import State
from transfer.replica.lock import Lock
from transfer.settings import Settings
from transfer.values.reasons import Reason
from transfer.values.scope import EVERYTHING, Scope
from transfer.values.table import Finding, Hop, Loaded, SourceTable, Standing, TablePlan, Totals
from transfer.warehouse import history
from transfer.warehouse.raw import Copied

log = logging.getLogger("elt")


class Findings:
    """What the verifications of a run found and repaired, table by table.

    It outlives an attempt at a table: the next attempt of the same run finds it repaired.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._found: dict[str, tuple[Finding, ...]] = {}

    def of(self, table: str) -> tuple[Finding, ...]:
        """Return what was found in a table."""
        return self._found.get(table, ())

    def add(self, table: str, found: tuple[Finding, ...]) -> None:
        """Add what was found in a table."""
        self._found[table] = (*self.of(table), *found)


@dataclass(frozen=True, slots=True)
class Work:
    """A table in work: what is known of it at the source since `now`, and the lock held on it.

    `before` is how it stood; a shadow may be `left` of a killed run. `copies` are what the replica
    says now, and `loaded` is what `raw` has if it was loaded since.
    Rows copied early into `raw` are rolled back when `until_loaded` closes, if nobody took them.
    """

    settings: Settings
    plan: TablePlan
    run_id: str
    findings: Findings
    lock: Lock
    now: datetime
    source_table: SourceTable
    before: Standing
    forced: bool
    until_loaded: ExitStack
    left: bool
    copies: State
    loaded: Loaded | None = None

    @property
    def is_small(self) -> bool:
        """True where threads would cost more than they spare."""
        size, limits = self.source_table.size, self.settings.limits
        return size.rows <= SMALL_ROWS and size.bytes <= limits.page_bytes

    @property
    def standing(self) -> Standing:
        """Where the table stands now."""
        extracted = self.copies.extracted.get(self.plan.table)
        return Standing(self.copies.generation, extracted, self.loaded or self.before.loaded)

    @property
    def raw_name(self) -> str:
        """The table's name in `raw`."""
        return evidence.raw_name(self.source_table, self.standing)

    def with_replica(self) -> Work:
        """Return the work with what the replica says now."""
        return replace(self, copies=extracts.state_of(self.lock, counted=False))

    def with_raw(self, step: Step) -> Work:
        """Return the work with what `raw` has after a step."""
        return replace(self, loaded=step.loaded or self.loaded)

    def record(self, found: tuple[Finding, ...]) -> None:
        """Write down at once what was found, as a later step may fail."""
        for finding in found:
            log.error("%s: verification found %s", self.plan.table, finding)
        if found:
            self.findings.add(self.plan.table, found)
            everything = self.findings.of(self.plan.table)
            history.note(self.settings.warehouse, self.run_id, self.plan, everything)


@dataclass(frozen=True, slots=True)
class Step:
    """What a hop and its verification did: the hops, the rows they were about, what was found.

    `due` is why the hop had work by itself, None if it had none or was only forced. `altered`
    counts the values that PostgreSQL does not hold; `copied` are rows on their way into `raw`;
    `loaded` is where `raw` stands after a load.
    """

    hops: tuple[Hop, ...] = ()
    due: Reason | None = None
    scope: Scope = EVERYTHING
    found: tuple[Finding, ...] = ()
    altered: dict[str, dict[str, int]] = field(default_factory=dict)
    copied: tuple[Copied, Totals] | None = None
    loaded: Loaded | None = None

    @property
    def whole(self) -> bool:
        """True if all rows were brought."""
        return bool(self.hops) and self.scope.whole


def repaired(place: str, hop: Hop) -> tuple[Finding, ...]:
    """Return what a hop had to repair in a place."""
    kinds = (("changed", hop.updated), ("missing", hop.inserted), ("extra", hop.deleted))
    return tuple(Finding(place, kind, "", count) for kind, count in kinds if count)
