"""The console, which prints only what is printable, and what several of its pages show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from transfer.settings import Limits, Settings
from transfer.values.printable import printable


def show_overdue(console: Console, limits: Limits, tables: Sequence[str]) -> None:
    if tables:
        console.print(as_text(overdue_sentence(limits, tables), style="yellow"), soft_wrap=True)


def overdue_sentence(limits: Limits, tables: Sequence[str]) -> str:
    """Name the tables whose verification is overdue, and how to mend that."""
    return (
        f"not verified for over {limits.verify_days} days (ELT_VERIFY_DAYS): {listed(tables)};"
        " run more often, or give verification more than"
        f" {limits.verify_seconds} s of a run (ELT_VERIFY_SECONDS)"
    )


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def show_loudly(console: Console, remarks: Sequence[str]) -> None:
    for remark in remarks:
        console.print(as_text(remark, style="bold yellow"), soft_wrap=True)


def show_clear_text(console: Console, settings: Settings) -> None:
    for server in (settings.source, settings.replica, settings.warehouse):
        if server.tls == "off" and not server.on_this_machine:
            console.print(
                as_text(
                    f"{server.prefix}TLS=off: rows travel to {server.host} in the clear.",
                    style="yellow",
                )
            )


class Terminal(Console):
    """A console that prints only what is printable."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Take a text, a cell's too, without markup."""
        return super().render_str(printable(text), **options)


def as_text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def new_grid(*names: str) -> Grid:
    grid = Grid(box=None, header_style="bold", pad_edge=False)
    for name in names:
        grid.add_column(
            name.removeprefix(">"),
            justify="right" if name.startswith(">") else "left",
            overflow="fold",
        )
    return grid


def to_json(value: object) -> str:
    """Write a summary or an outlook as JSON."""
    text = json.dumps(asdict(value), default=str, indent=2)  # type: ignore[call-overload]
    return str(text).replace("\x7f", "\\u007f")  # the one control character that it leaves
