"""The verdict of a run, and the warehouse's history that keeps it."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from tasks.models import ModelsResult
from transfer.settings import Settings
from transfer.source.survey import Excluded
from transfer.values.reasons import State
from transfer.values.table import TableResult
from transfer.warehouse import history
from transfer.warehouse.history import Run
from transfer.warehouse.schemas import SchemaChange

log = logging.getLogger("elt")


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict of a run: its tables with work, those without and why, and the models.

    Tables that were left out are `excluded`, or `gone` from the source. So many tables were
    `rotated`: verified as it was their turn. The turn of the `overdue` ones is long past.
    `remarks` are what somebody should look at, as about a server.
    """

    run_id: str
    tables: tuple[TableResult, ...]
    skipped: tuple[tuple[str, str], ...]
    excluded: tuple[Excluded, ...]
    gone: tuple[str, ...]
    models: ModelsResult | None
    seconds: float
    rotated: int = 0
    overdue: tuple[str, ...] = ()
    schema_changes: tuple[SchemaChange, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[TableResult, ...]:
        """The red tables."""
        return tuple(result for result in self.tables if not result.good)

    @property
    def good(self) -> bool:
        """True when every table and every model is good."""
        return not self.failed and (self.models is None or self.models.good)

    @property
    def sentence(self) -> str:
        """The run in one line."""
        states = Counter(result.state for result in self.tables)
        if self.rotated:
            del states[State.VERIFIED]
        parts = [f"{count} {state}" for state, count in sorted(states.items())]
        parts.append(f"{len(self.skipped)} unchanged")
        if self.rotated:
            parts.append(f"{self.rotated} verified by rotation")
        if self.models:
            warned = f"{len(self.models.warned)} warned, " if self.models.warned else ""
            skipped = f", {self.models.skipped} skipped" if self.models.skipped else ""
            failed = f"{len(self.models.failed)} failed"
            parts.append(f"dbt {self.models.passed} passed, {warned}{failed}{skipped}")
        red = ", ".join(self._red[:10])
        return ", ".join(parts) + f" in {self.seconds:.1f} s" + (f"; red: {red}" if red else "")

    @property
    def _red(self) -> list[str]:
        """The names of the red tables and models."""
        models = self.models.failed if self.models else ()
        tables = [result.table for result in self.failed]
        return [*tables, *(model.partition(": ")[0] for model in models)]


def remember(settings: Settings, summary: Summary) -> None:
    """Add the run to the warehouse's history."""
    models = summary.models
    run = Run(
        summary.run_id,
        summary.good,
        unchanged=len(summary.skipped),
        models_passed=models.passed if models else 0,
        models_failed=len(models.failed) if models else 0,
        seconds=summary.seconds,
    )
    history.end(settings.warehouse, run, summary.tables)
    for change in summary.schema_changes:
        log.info("schema change: %s", change.sentence)
