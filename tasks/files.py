"""Writes the pages that people open."""

from __future__ import annotations

from pathlib import Path

from transfer.errors import EltError


def replace(file: Path, text: str) -> None:
    """Replace the file at once, making its folder: whoever has it open reads the old page or the new one.

    Raises:
        EltError: it cannot be written.

    """
    if file.is_dir():
        raise EltError(f"{file} is a folder: name a file in it.")
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(file)
    except OSError as error:
        raise EltError(f"{file} cannot be written: {error.strerror}.") from None
