"""The operatories: whose they are, who works where on which day, and who sits in them when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cache

import polars as pl

from deployments.clinic import catalog, hours
from deployments.clinic.practice import Practice, at_minute

_WEEKDAYS = range(1, 8)
_OPENS = 480
_APART = 20


@dataclass(frozen=True, slots=True)
class Room:
    """An operatory of one clinic, with the dentist or hygienist who is in it by default."""

    number: int
    clinic: int
    hygiene: bool
    provider: int


@cache
def _clinics(practice: Practice) -> dict[int, int]:
    numbers = pl.DataFrame(
        {"ProvNum": range(1, practice.providers + 1)}, schema={"ProvNum": pl.Int64}
    )
    return dict(
        numbers.select(
            "ProvNum", catalog.clinic_of(practice, pl.col("ProvNum")).alias("clinic")
        ).rows()
    )


@cache
def rooms(practice: Practice) -> tuple[Room, ...]:
    """Return the rooms: for each clinic as many as work there on its fullest weekday."""
    found: list[Room] = []
    for clinic in range(1, practice.clinics + 1):
        for hygiene in (False, True):
            here = [
                n
                for n, place in _clinics(practice).items()
                if (place, catalog.is_hygienist(n)) == (clinic, hygiene)
            ]
            width = max(
                (sum(day in hours.weekdays(practice, n) for n in here) for day in _WEEKDAYS),
                default=0,
            )
            found += [
                Room(len(found) + 1 + index, clinic, hygiene, here[index % len(here)])
                for index in range(width)
            ]
    return tuple(found)


@cache
def room_of(practice: Practice, provider: int, weekday: int) -> int:
    """Return a provider's room on a weekday.

    Those who work on the same weekday in the same clinic share its rooms in order of their numbers.
    """
    clinics = _clinics(practice)
    clinic, hygiene = clinics[provider], catalog.is_hygienist(provider)
    own = [
        room.number for room in rooms(practice) if (room.clinic, room.hygiene) == (clinic, hygiene)
    ]
    before = sum(
        clinics[n] == clinic
        and catalog.is_hygienist(n) == hygiene
        and weekday in hours.weekdays(practice, n)
        for n in range(1, provider)
    )
    return own[before % len(own)]


def operatories(practice: Practice) -> pl.DataFrame:
    """Return the rows of `operatory`; the last room is hidden and belongs to nobody."""
    found = [*rooms(practice), Room(len(rooms(practice)) + 1, 1, False, 0)]
    return pl.DataFrame(
        {
            "OpName": [f"Room {room.number}" for room in found],
            "Abbrev": [f"Op{room.number}" for room in found],
            "ItemOrder": [room.number - 1 for room in found],
            "IsHidden": [int(not room.provider) for room in found],
            "ProvDentist": [0 if room.hygiene else room.provider for room in found],
            "ProvHygienist": [room.provider if room.hygiene else 0 for room in found],
            "IsHygiene": [int(room.hygiene) for room in found],
            "ClinicNum": [room.clinic for room in found],
            "OperatoryType": [0] * len(found),
        }
    )


def schedule_rooms(practice: Practice, schedules: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `scheduleop`: providers in their room, blockouts in the first."""
    kind, day = pl.col("SchedType"), pl.col("SchedDate")
    pairs = [
        (n, day, room_of(practice, n, day))
        for n in range(1, practice.providers + 1)
        for day in _WEEKDAYS
    ]
    known = pl.DataFrame(
        pairs,
        schema={"ProvNum": pl.Int64, "weekday": pl.Int8, "OperatoryNum": pl.Int64},
        orient="row",
    )
    return (
        schedules.filter(kind.is_in([hours.PROVIDER, hours.BLOCKOUT]))
        .select(
            "ScheduleNum", "SchedType", pl.col("ProvNum").cast(pl.Int64), weekday=day.dt.weekday()
        )
        .join(known, on=["ProvNum", "weekday"], how="left")
        .sort("ScheduleNum")
        .select(
            "ScheduleNum", OperatoryNum=pl.col("OperatoryNum").fill_null(rooms(practice)[0].number)
        )
    )


@dataclass(slots=True)
class Book:
    """The appointment book: the next free minute of each room and day, within working hours."""

    practice: Practice
    ranges: dict[tuple[int, date], list[tuple[int, int]]]
    free: dict[tuple[int, date], int] = field(default_factory=lambda: defaultdict(lambda: _OPENS))
    extra: dict[tuple[int, date], int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def of(cls, practice: Practice, past: int, ahead: int) -> Book:
        """Return an empty book for the working hours of the days around today."""
        ranges: dict[tuple[int, date], list[tuple[int, int]]] = defaultdict(list)
        found = hours.working_hours(practice, past, ahead).select(
            "ProvNum", "day", "opens", "shuts"
        )
        for provider, day, opens, shuts in found.iter_rows():
            known = ranges[provider, day]
            overlaps = known and opens <= known[-1][1]
            known.append((known.pop()[0] if overlaps else opens, shuts))
        return cls(practice, dict(ranges))

    def take(self, taken: Iterable[tuple[int, date, int]]) -> None:
        """Mark rooms as taken on a day until a minute."""
        for room, day, until in taken:
            self.free[room, day] = max(self.free[room, day], until)

    def place(self, seen: pl.DataFrame, length: pl.Expr, occupies: pl.Expr) -> pl.DataFrame:
        """Add each visit's room `Op`; give those that occupy it a free time `at` of the day."""
        wanted = seen.select("ProvNum", "day", _length=length, _occupies=occupies)
        ops, minutes = [], []
        for provider, day, needs, takes in wanted.iter_rows():
            room = room_of(self.practice, provider, day.isoweekday())
            ops.append(room)
            minutes.append(self._minute(provider, room, day, needs) if takes else None)
        placed = seen.with_columns(
            pl.Series("Op", ops, dtype=pl.Int64), pl.Series("_minute", minutes, dtype=pl.Int64)
        ).with_columns(at=pl.coalesce(at_minute(pl.col("day"), pl.col("_minute")), "at"))
        return placed.drop("_minute")

    def _minute(self, provider: int, room: int, day: date, needs: int) -> int:
        """Return the first gap that is long enough, else the end of the day, else an overlap."""
        ranges = self.ranges.get((provider, day)) or [
            (_OPENS, _OPENS + hours.minutes_a_day(self.practice))
        ]
        free = self.free[room, day]
        starts = [max(free, opens) for opens, _ in ranges]
        fits = [
            start
            for start, (_, shuts) in zip(starts, ranges, strict=True)
            if start + needs <= shuts
        ]
        late = [start for start, (_, shuts) in zip(starts, ranges, strict=True) if start < shuts]
        if not late:
            self.extra[room, day] += 1
            return ranges[0][0] + self.extra[room, day] * _APART % (ranges[0][1] - ranges[0][0])
        start = (fits or late)[0]
        self.free[room, day] = start + needs
        return start
