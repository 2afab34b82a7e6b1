"""Draws the practice's page again after a build, where `ELT_REPORT` says to."""

from __future__ import annotations

import logging
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.models import ModelsResult
from tasks.prefect_server import server_answers
from transfer.errors import EltError, place_of
from transfer.settings import Settings, Warehouse

log = logging.getLogger("elt")


def redraw(settings: Settings, built: ModelsResult | None) -> tuple[str, ...]:
    """Draw the page if a build made anything, or if there is none; return why it is not drawn.

    No run is red for a page.
    """
    file = settings.limits.report
    if file is None or not (settings.limits.report_is_missing or (built and built.passed)):
        return ()
    try:
        why = draw_page(file) if server_answers() else draw_page.fn(file)
    except Exception as error:  # noqa: BLE001 - of what draws, or Prefect's own
        why = f"{type(error).__name__} at {place_of(error)}."
    return (f"The practice's page is not drawn: {why}",) if why else ()


@task(name="draw_page", cache_policy=NO_CACHE, retries=0)
def draw_page(file: Path) -> str:
    """Write the page with the numbers of the marts as they are; return why not, empty if drawn."""
    # It takes a second, only where a page is drawn.
    from tasks.report.practice_report import report

    try:
        log.info("the practice's page: %s", report(Warehouse.read(), file))
    except EltError as error:
        return str(error)
    return ""
