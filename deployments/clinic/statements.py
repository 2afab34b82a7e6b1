"""The fixed SQL of this package: files of statements, each below a line that names it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def statements(name: str) -> Mapping[str, str]:
    """Return the statements of one file by name, in their order."""
    text = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    parts = (part.split("\n", 1) for part in ("\n" + text).split("\n-- name: ")[1:])
    return {title.strip(): body.strip() for title, body in parts}
