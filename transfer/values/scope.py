"""Which rows of a table a step is about: those within ranges of its key, and single ones."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Key: TypeAlias = tuple[str, ...]  # of one row, each column's value as a literal of MySQL


@dataclass(frozen=True, slots=True)
class Range:
    """The rows whose keys are behind `after` and not behind `until`; None leaves a side open."""

    after: Key | None = None
    until: Key | None = None


EVERYWHERE = Range()


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows within `ranges`, which do not overlap, and those with one of `keys`, none of which
    is within them.
    """

    ranges: tuple[Range, ...] = ()
    keys: tuple[Key, ...] = ()

    @property
    def whole(self) -> bool:
        """True for all rows of the table."""
        return EVERYWHERE in self.ranges

    @property
    def empty(self) -> bool:
        """True for none."""
        return not self.ranges and not self.keys

    def __add__(self, other: Scope) -> Scope:
        """Add a scope of other rows."""
        return Scope(self.ranges + other.ranges, self.keys + other.keys)


EVERYTHING = Scope((EVERYWHERE,))
NOTHING = Scope()

KEYS_IN_PART = 10_000


def parts(scope: Scope) -> list[str]:
    """Write a scope as JSON texts, none of them long."""
    ranges = json.dumps({"ranges": [[span.after, span.until] for span in scope.ranges]})
    starts = range(0, len(scope.keys), KEYS_IN_PART)
    return [
        ranges,
        *(json.dumps({"keys": scope.keys[start : start + KEYS_IN_PART]}) for start in starts),
    ]


def read(parts: Iterable[str]) -> Scope:
    """Read the texts of one scope or of several of the same table, whose keys are whole numbers."""
    found = [json.loads(part) for part in parts]
    ranges = [
        Range(*(tuple(side) if side else None for side in span))
        for part in found
        for span in part.get("ranges", ())
    ]
    return united(ranges, [tuple(key) for part in found for key in part.get("keys", ())])


def united(ranges: Iterable[Range], keys: Iterable[Key]) -> Scope:
    """Return the scope of ranges that may overlap and keys that may be in them or come twice, all
    of whole numbers.
    """
    joined: list[Range] = []
    for span in sorted(ranges, key=lambda span: _numbers(span.after)):
        last = joined[-1] if joined else None
        if last and (last.until is None or _numbers(span.after) <= _numbers(last.until)):
            ends = (last.until, span.until)
            until = None if None in ends else max((end for end in ends if end), key=_numbers)
            joined[-1] = Range(last.after, until)
        else:
            joined.append(span)
    starts = [_numbers(span.after) for span in joined]
    return Scope(
        tuple(joined),
        tuple(key for key in sorted(set(keys), key=_numbers) if not _in(key, joined, starts)),
    )


def _numbers(key: Key | None) -> tuple[int, ...]:
    return tuple(map(int, key or ()))  # an open beginning comes before all others


def _in(key: Key, ranges: Sequence[Range], starts: Sequence[tuple[int, ...]]) -> bool:
    position = bisect_left(starts, _numbers(key)) - 1  # a range begins behind its `after`
    if position < 0:
        return False
    until = ranges[position].until
    return until is None or _numbers(key) <= _numbers(until)
