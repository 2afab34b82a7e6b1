"""What to build: a practice's size, seed and day, and how many rows that means for each table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import polars as pl

from deployments.clinic.chance import Chance
from deployments.clinic.schema import tables

FULL_PATIENTS = 35_135
HISTORY_DAYS = 3_650
LOG_TABLES = frozenset(
    "securitylog securityloghash inseditlog insbluebooklog sheetfield rxnorm entrylog commlog "
    "inseditpatlog".split()
)
# Lists that even a small practice has in full.
_WHOLE_LISTS = frozenset(
    "stateabbr covcat covspan codegroup recalltype usergroup apptview insfilingcode".split()
)


@dataclass(frozen=True, slots=True)
class Practice:
    """A clinic to be built: everything in it follows from these three values."""

    patients: int
    seed: int
    as_of: date

    @property
    def chance(self) -> Chance:
        return Chance(self.seed)

    @property
    def now(self) -> datetime:
        """The hour before opening on the day of creation; every timestamp is earlier."""
        return datetime.combine(self.as_of, time(6))

    @property
    def opened(self) -> date:
        return self.as_of - timedelta(days=HISTORY_DAYS)

    @property
    def scale(self) -> float:
        return self.patients / FULL_PATIENTS

    def rows(self, table: str) -> int:
        """Return a table's rows in proportion to the real clinic.

        Small clinics get a few of everything, and shorter logs.
        """
        real = tables()[table].rows
        share = self.scale
        if table in LOG_TABLES:
            share *= min(1.0, max(0.2, self.patients / 2_000))
        if table in _WHOLE_LISTS:
            return real
        return max(min(real, 3), round(real * share))

    @property
    def month_ends(self) -> int:
        """How many months the dashboard remembers."""
        return max(24, self.rows("dashboardar"))

    @property
    def clinics(self) -> int:
        return 2 if self.patients < 5_000 else 4

    @property
    def providers(self) -> int:
        return min(59, 6 + self.patients // 600)

    @property
    def employees(self) -> int:
        return min(53, 7 + self.patients // 700)

    @property
    def users(self) -> int:
        return min(86, 9 + self.patients // 450)

    @property
    def procedure_codes(self) -> int:
        return max(300, round(1_730 * self.scale))

    @property
    def carriers(self) -> int:
        return max(20, round(2_386 * self.scale))

    @property
    def plans(self) -> int:
        return max(25, round(6_381 * self.scale))


def days_before(day: date, days: pl.Expr) -> pl.Expr:
    """Return the day that many days earlier."""
    return pl.lit(day) - pl.duration(days=days)


def at_minute(day: pl.Expr, minute: pl.Expr) -> pl.Expr:
    """Return the datetime of a minute of a day."""
    return (day.cast(pl.Datetime("us")) + pl.duration(minutes=minute)).cast(pl.Datetime("us"))
