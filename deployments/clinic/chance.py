"""Seeded randomness by counting: a cell's value depends on seed, name and row number alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import polars as pl

_STEP = 0x9E3779B97F4A7C15
_MIX = 0xBF58476D1CE4E5B9


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)


@dataclass(frozen=True, slots=True)
class Chance:
    """Expressions that depend on a row's number, so chunks of any size give the same clinic."""

    seed: int

    def bits(self, name: str, number: pl.Expr) -> pl.Expr:
        """Return 64 well-mixed bits for each row number (splitmix64, wrapping arithmetic)."""
        start = int.from_bytes(
            blake2b(f"{self.seed}:{name}".encode(), digest_size=8).digest(), "big"
        )
        mixed = number.cast(pl.UInt64) * _u64(_STEP) + _u64(start)
        mixed = (mixed ^ (mixed // _u64(1 << 30))) * _u64(_MIX)
        return (mixed ^ (mixed // _u64(1 << 27))) // _u64(8)

    def below(self, name: str, limit: int | pl.Expr, number: pl.Expr) -> pl.Expr:
        """Return a whole number from 0 to limit − 1."""
        if isinstance(limit, int):
            limit = pl.lit(limit, dtype=pl.UInt64)
        return (self.bits(name, number) % limit.cast(pl.UInt64)).cast(pl.Int64)

    def between(self, name: str, low: int, high: int, number: pl.Expr) -> pl.Expr:
        """Return a whole number from low to high, both included."""
        return self.below(name, high - low + 1, number) + low

    def chosen(self, name: str, per_mille: int, number: pl.Expr) -> pl.Expr:
        """Tell whether a row is one of that many in a thousand."""
        return self.below(name, 1000, number) < per_mille

    def pick(self, name: str, values: Sequence[Any], number: pl.Expr) -> pl.Expr:
        """Return one of the values, each as likely as the others."""
        return look_up(values, self.below(name, len(values), number))

    def weighted(self, name: str, weights: Mapping[Any, int], number: pl.Expr) -> pl.Expr:
        """Return one of the keys, each as often as its whole-number weight says."""
        return self.pick(
            name, [value for value, weight in weights.items() for _ in range(weight)], number
        )


def look_up(values: Sequence[Any], index: pl.Expr) -> pl.Expr:
    """Return the value at each index."""
    return pl.lit(pl.Series(values)).gather(index)
