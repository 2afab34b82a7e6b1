"""Writes the table of types in docs/promises.md from the rules, as `make types` does."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from transfer.rules.casts import AS_BYTES, CASTS, LABEL, POSSIBLE, Cast
from transfer.rules.standard import EMPTY_DATES, EXPRESSIONS

BEGIN, END = "<!-- types: written by `make types` -->", "<!-- end of types -->"


def names(cast: Cast) -> tuple[str, ...]:
    """Return the types that a rule's pattern names."""
    words = re.findall(r"(?<!\\)[a-z]\w+", cast.matches)
    return tuple(
        f"{word} unsigned" if "unsigned" in words else word for word in words if word != "unsigned"
    )


def table() -> str:
    """Return the table in Markdown, a line for each rule in their order."""
    rows = [("MySQL", "replica", "`raw`", "`public`"), ("---",) * 4, *map(_row, CASTS)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(cast: Cast) -> tuple[str, ...]:
    return (
        ", ".join(f"`{name}`" for name in names(cast)),
        _in_replica(cast),
        _in_raw(cast),
        _in_public(cast),
    )


def _in_replica(cast: Cast) -> str:
    if cast.for_raw == POSSIBLE:
        return "the same, impossible ones too"
    if cast.write == LABEL:
        return "the same, the error value too"
    return "the same bytes" if cast.for_replica == AS_BYTES else "the same"


def _in_raw(cast: Cast) -> str:
    held = f"`{cast.warehouse.format(precision='p', scale='s')}`"
    if cast.for_raw == POSSIBLE:
        return f"{held}, impossible ones NULL"
    return f"{held}, NUL characters removed" if cast.warehouse == "text" else held


def _in_public(cast: Cast) -> str:
    if cast.warehouse not in EXPRESSIONS:
        return "the same"
    if cast.warehouse == "text":
        return "white space around it removed"
    midnight = " at midnight" if cast.warehouse == "timestamp" else ""
    return f"{' and '.join(f'`{date}`' for date in EMPTY_DATES)}{midnight} NULL"


def renewed(text: str) -> str:
    """Return a text with the table between the two comments."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        file = Path(name)
        file.write_text(renewed(file.read_text(encoding="utf-8")), encoding="utf-8")
    if not sys.argv[1:]:
        print(table())
