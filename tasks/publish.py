"""Publishes a run's verdict in Prefect."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from tasks.prefect_server import server_answers
from tasks.verdict import Summary
from transfer.values.printable import markdown, printable
from transfer.values.reasons import State
from transfer.values.table import TableResult

log = logging.getLogger("elt")


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
    """Publish the verdict of each table, and of each model and test, as artifacts."""
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
    if summary.models and summary.models.nodes:
        create_table_artifact(
            key="elt-models",
            description=markdown(f"dbt: {summary.models.sentence}"),
            table=[asdict(node) for node in summary.models.nodes],
        )


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
