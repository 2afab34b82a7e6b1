"""What `--doctor` found: a tick or a cross for each precondition, its value, and the mend."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from flows.terminal.console import as_text, new_grid
from transfer.values.checked import Checked

TICK, CROSS = "✓", "✗"


def show_doctor(console: Console, found: Sequence[Checked], *, as_json: bool) -> int:
    """Print what was found, and return 1 if a precondition does not hold, else 0."""
    wrong = [each for each in found if not each.holds]
    if as_json:
        checks = [{"holds": each.holds, **asdict(each)} for each in found]
        print(json.dumps({"good": not wrong, "checks": checks}, indent=2))
        return 1 if wrong else 0
    grid = new_grid("", "where", "what", "measured")
    for each in found:
        mark = as_text(TICK, "green") if each.holds else as_text(CROSS, "bold red")
        grid.add_row(mark, each.place, each.name, as_text(each.measured))
    console.print(grid)
    for each in wrong:
        console.print(as_text(f"{CROSS} {each.sentence}", "red"), soft_wrap=True)
    verdict = f"{len(wrong)} of {len(found)} preconditions do not hold"
    style = "bold red" if wrong else "bold green"
    console.print(as_text(verdict if wrong else f"all {len(found)} preconditions hold", style))
    return 1 if wrong else 0
