"""What a run leaves for later: its verdict, in Prefect and in the history."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks.models import ModelsResult
from tasks.prefect_server import server_answers
from transfer.settings import Settings
from transfer.source.survey import Excluded
from transfer.values.printable import markdown, printable
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
    `remarks` are about the servers.
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


UNRECORDED = (
    "The Prefect server has gone in the middle of the run, which is finished but not recorded"
    " there: look at that server, the next run needs nothing else."
)


def publish(summary: Summary) -> None:
    """Publish a run's verdict in Prefect, unless its server is gone: the run is good without."""
    try:
        if server_answers():
            report(summary)
            return
    except Exception as error:  # noqa: BLE001 - any error of Prefect's
        log.warning("Prefect: %s.", type(error).__name__)
    log.warning("%s", UNRECORDED)


@task(name="report", cache_policy=NO_CACHE, retries=0)
def report(summary: Summary) -> None:
    """Publish the verdict of each table as an artifact."""
    rows: list[dict[str, object]] = [_verdict(result) for result in summary.tables]
    rows += [
        {"table": table, "state": State.UNCHANGED, "why": reason}
        for table, reason in summary.skipped
    ]
    rows += [
        {"table": excluded.table, "state": "excluded", "why": excluded.reason}
        for excluded in summary.excluded
    ]
    rows += [
        {"table": table, "state": "kept", "why": "the source no longer has it"}
        for table in summary.gone
    ]
    rows += [
        {"table": change.table, "state": change.kind, "why": change.sentence}
        for change in summary.schema_changes
    ]
    shown = [
        {name: printable(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
        for row in rows
    ]
    create_table_artifact(key="elt-verdict", description=markdown(summary.sentence), table=shown)


def _verdict(result: TableResult) -> dict[str, object]:
    return {
        "table": result.table,
        "state": result.state,
        "method": result.method,
        "why": result.reason,
        "rows": result.rows,
        "inserted": sum(hop.inserted for hop in result.hops[:1]),
        "updated": sum(hop.updated for hop in result.hops[:1]),
        "deleted": sum(hop.deleted for hop in result.hops[:1]),
        "clean": result.clean,
        **{f"{hop.name} s": round(hop.seconds, 3) for hop in result.hops},
        "verified": result.verified,
        "found and repaired": ", ".join(map(str, result.found)),
        "not held": json.dumps(result.altered) if result.altered else "",
        "note": result.note,
    }


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
