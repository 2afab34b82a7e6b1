"""Texts as PostgreSQL can hold them, and how many values had to be altered for that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from transfer.rules.layout import Field


@dataclass(frozen=True, slots=True)
class Altered:
    """How many of a column's values PostgreSQL cannot hold.

    A date that no calendar has becomes NULL, U+0000 is removed, and a character that Unicode has
    not becomes a question mark.
    """

    impossible_dates: int = 0
    nul_characters: int = 0
    unmapped_characters: int = 0

    def __add__(self, other: Altered) -> Altered:
        """Sum the counts."""
        return Altered(
            self.impossible_dates + other.impossible_dates,
            self.nul_characters + other.nul_characters,
            self.unmapped_characters + other.unmapped_characters,
        )

    @property
    def counts(self) -> dict[str, int]:
        """The kinds that occur, each with its count."""
        return {kind: count for kind, count in asdict(self).items() if count}


def holdable_texts(fields: Sequence[Field], page: pa.Table) -> tuple[pa.Table, tuple[Altered, ...]]:
    """Turn a page's bytes into texts that PostgreSQL can hold; return what that altered."""
    found = []
    for position, field in enumerate(fields):
        altered = Altered()
        if field.type == "text":
            texts, altered = _holdable(page.column(position))
            page = page.set_column(position, page.field(position).name, texts)
        found.append(altered)
    return page, tuple(found)


def _holdable(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Altered]:
    """Remove U+0000, and put question marks where no character is."""
    try:
        texts, unmapped = values.cast(pa.large_string()), 0
    except pa.ArrowInvalid:
        texts, unmapped = _decoded_all(values)
    nul = pc.sum(pc.match_substring(texts, "\x00")).as_py() or 0
    if nul:
        texts = pc.replace_substring(texts, "\x00", "")
    return texts, Altered(nul_characters=nul, unmapped_characters=unmapped)


def _decoded_all(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int]:
    """Read values as UTF-8, some of which are not; return how many are not."""
    texts, unmapped = [], 0
    for value in values.to_pylist():
        text, altered = (None, False) if value is None else _decoded(value)
        texts.append(text)
        unmapped += altered
    return pa.chunked_array([pa.array(texts, pa.large_string())]), unmapped


def _decoded(value: bytes) -> tuple[str, bool]:
    """Read UTF-8; half of a surrogate pair becomes a question mark. Tell whether there was one."""
    found = value.decode(errors="surrogatepass")
    text = re.sub("[\ud800-\udfff]", "?", found)
    return text, text != found
