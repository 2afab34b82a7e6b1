"""What Prefect's pages call a run: what it brings over, when, and how."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from prefect import runtime

from transfer.errors import SettingsError
from transfer.settings import Limits
from transfer.values.printable import printable

NAMED = 3
HOW = {"force_full": "forced", "verify": "verified"}


def name_of_this_run() -> str:
    """Return the name of the flow run in whose context it is called."""
    return run_name(runtime.flow_run.parameters)


def run_name(parameters: Mapping[str, Any]) -> str:
    """Return a run's name, such as `all · 02:15` or `patient, appointment · 14:30 · forced`."""
    chosen = parameters.get("tables")
    tables = "all" if chosen is None else ", ".join(chosen[:NAMED])
    more = f" and {len(chosen) - NAMED} more" if chosen and len(chosen) > NAMED else ""
    how = [word for parameter, word in HOW.items() if parameters.get(parameter)]
    now = datetime.now(_zone())
    return printable(" · ".join([tables + more, f"{now:%H:%M}", *how]))


def _zone() -> tzinfo | None:
    """Return the practice's time zone; this machine's if none is set or no settings can be read."""
    with suppress(SettingsError):
        limits = Limits.read()
        if "time_zone" in limits.model_fields_set:
            return ZoneInfo(limits.time_zone)
    return None
