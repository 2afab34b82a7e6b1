"""When the practice is open and who works: hours, lunch, holidays and days off."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from deployments.clinic import catalog, definitions, words
from deployments.clinic.practice import Practice

PRACTICE, PROVIDER, BLOCKOUT, EMPLOYEE = 0, 1, 2, 3
OPEN, CLOSED, HOLIDAY = 0, 1, 2
# How many days of a provider a thousand patients fill in a week.
_PROVIDER_DAYS = 7
_PAST_DAYS, _AHEAD_DAYS = 760, 90
# A provider's minutes for each patient of the day, and by how much some days are longer.
_MINUTES_FOR_A_PATIENT, _SHORTEST, _LONGEST = 1.8, 150, 330
_LONGER = (0, 30, -15, 15)
_OPENS, _LUNCH = 480, 45
# No holiday, closed day or day off returns in so many weeks in a row.
_TRIES = 4


def days_a_week(practice: Practice) -> int:
    """Return on how many days a week each provider works."""
    wanted = round(practice.patients * _PROVIDER_DAYS / 1_000 / practice.providers)
    return max(1, min(5, wanted))


def weekdays(practice: Practice, provider: int) -> set[int]:
    """Return the weekdays on which a provider works; Monday is 1."""
    return {(provider - 1 + step) % 6 + 1 for step in range(days_a_week(practice))}


def on_working_days(practice: Practice, frame: pl.DataFrame) -> pl.DataFrame:
    """Move each `day` to the next one on which the provider `ProvNum` works."""
    waits = [
        next(wait for wait in range(7) if (weekday + wait) % 7 + 1 in weekdays(practice, number))
        for number in range(1, practice.providers + 1)
        for weekday in range(7)
    ]
    day, provider = pl.col("day"), pl.col("ProvNum")
    place = (provider - 1) * 7 + day.dt.weekday().cast(pl.Int64) - 1
    wait = pl.lit(pl.Series(waits)).gather(place)
    away = _is_holiday(day) | _is_closed(practice, day) | _is_off(practice, day, provider)
    frame = frame.with_columns(day=(day + pl.duration(days=wait)).cast(pl.Date))
    for _ in range(_TRIES):
        frame = frame.with_columns(
            day=(day + pl.duration(days=pl.when(away).then(7).otherwise(0))).cast(pl.Date)
        )
    return frame


def _is_holiday(day: pl.Expr) -> pl.Expr:
    month, number = day.dt.month(), day.dt.day()
    fixed = (
        ((month == 1) & (number == 1))
        | ((month == 7) & (number == 4))
        | ((month == 12) & (number == 25))
    )
    thanksgiving = (month == 11) & (day.dt.weekday() == 4) & number.is_between(22, 28)
    return fixed | thanksgiving


def _ordinal(day: pl.Expr) -> pl.Expr:
    return day.cast(pl.Date).to_physical().cast(pl.Int64) + 100_000


def _is_closed(practice: Practice, day: pl.Expr) -> pl.Expr:
    return practice.chance.chosen("closed", 8, _ordinal(day))


def _is_off(practice: Practice, day: pl.Expr, provider: pl.Expr) -> pl.Expr:
    return practice.chance.chosen("dayoff", 30, _ordinal(day) * 1_000 + provider)


def _days(practice: Practice, past: int, ahead: int) -> pl.DataFrame:
    days = pl.select(
        day=pl.date_range(
            practice.as_of - timedelta(days=past), practice.as_of + timedelta(days=ahead)
        )
    )
    return days.filter(pl.col("day").dt.weekday() < 7)


def working_hours(practice: Practice, past: int, ahead: int) -> pl.DataFrame:
    """Return when each provider works: `ProvNum`, `day`, and the minutes `opens` and `shuts`."""
    day = pl.col("day")
    days = _days(practice, past, ahead).filter(~(_is_holiday(day) | _is_closed(practice, day)))
    return (
        _of_providers(practice, days, None)
        .filter(pl.col("Status") == OPEN)
        .sort("day", "ProvNum", "opens")
    )


def schedules(practice: Practice, busy: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `schedule`: two years and the months ahead.

    `busy` has the days on which providers have visits (`day`, `ProvNum`).
    """
    day = pl.col("day")
    days = _days(practice, _PAST_DAYS, _AHEAD_DAYS)
    shut = days.filter(_is_holiday(day) | _is_closed(practice, day)).select(
        "day",
        SchedType=pl.lit(PRACTICE),
        StartTime=pl.lit("00:00:00"),
        StopTime=pl.lit("00:00:00"),
        Status=pl.when(_is_holiday(day)).then(HOLIDAY).otherwise(CLOSED),
        ClinicNum=pl.lit(0),
    )
    days = days.join(shut.select("day"), on="day", how="anti", maintain_order="left")
    known = pl.concat(
        [shut, _hours_of_providers(practice, days, busy), _lunches(practice, days)],
        how="diagonal_relaxed",
    )
    known = pl.concat(
        [known, _of_staff(practice, days, practice.rows("schedule") - known.height)],
        how="diagonal_relaxed",
    )
    known = known.sort("day", "SchedType", "ProvNum", "EmployeeNum", "StartTime", nulls_last=True)
    notes = ["", "", "", "", "half day", 'Ferié – "closed"', words.UGLY[0]]
    return known.with_row_index("key").select(
        "SchedType",
        "StartTime",
        "StopTime",
        "Status",
        "ClinicNum",
        *(pl.col(name).fill_null(0) for name in ("ProvNum", "EmployeeNum", "BlockoutType")),
        SchedDate="day",
        Note=practice.chance.pick("schednote", notes, pl.col("key")),
    )


def _hours_of_providers(practice: Practice, days: pl.DataFrame, busy: pl.DataFrame) -> pl.DataFrame:
    frame = _of_providers(practice, days, busy)
    return frame.with_columns(StartTime=_clock("opens"), StopTime=_clock("shuts")).drop(
        "opens", "shuts"
    )


def _clock(minute: str) -> pl.Expr:
    hours, minutes = (pl.col(minute) // 60).cast(pl.String), (pl.col(minute) % 60).cast(pl.String)
    return hours.str.zfill(2) + ":" + minutes.str.zfill(2) + ":00"


def minutes_a_day(practice: Practice) -> int:
    """Return the length of a provider's day: what the patients need, and a third more."""
    days = practice.providers * days_a_week(practice)
    wanted = round(practice.patients * _MINUTES_FOR_A_PATIENT / days / 15) * 15
    return max(_SHORTEST, min(_LONGEST, wanted))


def _of_providers(
    practice: Practice, days: pl.DataFrame, busy: pl.DataFrame | None
) -> pl.DataFrame:
    """Return one range a day, or two around lunch, or two that overlap.

    A day off is a closed range, and so are most days without visits.
    """
    numbers = list(range(1, practice.providers + 1))
    rows = [
        (number, weekday) for number in numbers for weekday in sorted(weekdays(practice, number))
    ]
    rota = pl.DataFrame(rows, schema={"ProvNum": pl.Int64, "weekday": pl.Int8}, orient="row")
    provider, day = pl.col("ProvNum"), pl.col("day")
    key = _ordinal(day) * 1_000 + provider
    frame = days.with_columns(weekday=day.dt.weekday()).join(rota, on="weekday")
    length = minutes_a_day(practice) + pl.lit(pl.Series(_LONGER)).gather(provider % len(_LONGER))
    off = _is_off(practice, day, provider)
    if busy is not None:
        frame = frame.join(busy.with_columns(seen=True), on=["day", "ProvNum"], how="left")
        empty = pl.col("seen").is_null() & (day < practice.as_of)
        off = off | (empty & practice.chance.chosen("unfilled", 900, key))
    shape = (
        pl.when(off).then(0).otherwise(practice.chance.weighted("hours", {0: 75, 1: 17, 2: 8}, key))
    )
    frame = frame.with_columns(
        shape=shape,
        SchedType=pl.lit(PROVIDER),
        Status=pl.when(off).then(CLOSED).otherwise(OPEN),
        opens=pl.lit(_OPENS, dtype=pl.Int64),
        shuts=_OPENS + length,
        noon=_OPENS + length // 30 * 15,
        ClinicNum=catalog.clinic_of(practice, provider),
    )
    kind = pl.col("shape")
    morning = frame.with_columns(shuts=pl.when(kind == 1).then("noon").otherwise("shuts"))
    later = frame.filter(kind > 0).with_columns(
        opens=pl.when(kind == 1).then(pl.col("noon") + _LUNCH).otherwise(pl.col("shuts") - 60),
        shuts=pl.col("shuts") + pl.when(kind == 1).then(_LUNCH).otherwise(75),
    )
    return pl.concat([morning, later]).drop("shape", "weekday", "noon", "seen", strict=False)


def _lunches(practice: Practice, days: pl.DataFrame) -> pl.DataFrame:
    return days.filter(practice.chance.chosen("lunch", 400, _ordinal(pl.col("day")))).select(
        "day",
        SchedType=pl.lit(BLOCKOUT),
        BlockoutType=pl.lit(definitions.numbers(definitions.BLOCKOUT)[0]),
        Status=pl.lit(OPEN),
        StartTime=pl.lit("12:00:00"),
        StopTime=pl.lit("13:00:00"),
        ClinicNum=pl.lit(1),
    )


def _of_staff(practice: Practice, days: pl.DataFrame, rows: int) -> pl.DataFrame:
    """Return as many rows as the real clinic has, or at least one now and then."""
    a_day = max(0, rows) // max(1, days.height)
    numbers = pl.DataFrame(
        {"EmployeeNum": range(1, min(a_day, practice.employees) + 1)},
        schema={"EmployeeNum": pl.Int64},
    )
    day = pl.col("day")
    if not a_day:
        days = days.filter(practice.chance.chosen("staff", 60, _ordinal(day)))
        numbers = pl.DataFrame({"EmployeeNum": [1]})
    return days.join(numbers, how="cross").with_columns(
        SchedType=pl.lit(EMPLOYEE),
        Status=pl.lit(OPEN),
        StartTime=pl.lit("07:30:00"),
        StopTime=pl.lit("16:30:00"),
        ClinicNum=pl.col("EmployeeNum") % practice.clinics + 1,
    )
