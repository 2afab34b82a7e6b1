"""How PostgreSQL's SQL writes a table, an identifier and a text, and how a list of names reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A table of PostgreSQL; a temporary one has no schema."""

    schema: str
    name: str

    def __str__(self) -> str:
        """Write it as SQL does."""
        return f"{quote(self.schema)}.{quote(self.name)}" if self.schema else quote(self.name)


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write a text as SQL does."""
    return "'" + text.replace("'", "''") + "'"


def listed(names: Sequence[str]) -> str:
    """List names, the first five of many."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
