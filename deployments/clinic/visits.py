"""Visits of patients: appointments made, kept, broken and deleted, their history, and recalls."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from deployments.clinic import definitions, hours
from deployments.clinic.chance import look_up
from deployments.clinic.load import BLANK_DATE, BLANK_TIME
from deployments.clinic.people import note
from deployments.clinic.practice import Practice, at_minute
from deployments.clinic.rooms import Book

# GONE is ours: an appointment that was deleted.
SCHEDULED, COMPLETE, UNSCHEDULED, BROKEN, PLANNED, NOTE, NOTE_DONE, GONE = 1, 2, 3, 5, 6, 7, 8, 90
CREATED, CHANGED, MISSED, CANCELLED, DELETED = 0, 1, 2, 3, 4
_OUTCOMES = {
    COMPLETE: 850,
    BROKEN: 62,
    UNSCHEDULED: 22,
    SCHEDULED: 10,
    PLANNED: 16,
    NOTE: 12,
    NOTE_DONE: 8,
    GONE: 20,
}
_AHEAD = {SCHEDULED: 94, PLANNED: 3, NOTE: 1, GONE: 2}
_MAX_VISITS = 22
AHEAD_DAYS = 200
# Older visits were imported from other software, nearly all without their appointments.
APPOINTMENT_DAYS = 850
# Keys of patient and visit stay apart for up to so many visits of a patient.
VISITS_PER_PATIENT = 1_000


def visits(practice: Practice, people: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each past or planned visit, in order of time."""
    chance, number = practice.chance, pl.col("PatNum")
    wanted = chance.below("loyalty", _MAX_VISITS + 1, number)
    frame = (
        people.filter("active")
        .with_columns(visit=pl.int_ranges(0, wanted + 1))
        .explode("visit")
        .with_columns(key=number * VISITS_PER_PATIENT + pl.col("visit"))
    )
    key, day, status = pl.col("key"), pl.col("day"), pl.col("status")
    gap = pl.col("visit") * chance.pick("rhythm", [45, 90, 120, 182, 182, 200, 365], number)
    wished = pl.col("start") + pl.duration(days=gap + chance.between("gap", 0, 30, key))
    frame = frame.with_columns(
        day=wished.cast(pl.Date), hygiene=(pl.col("visit") > 0) & chance.chosen("hygiene", 550, key)
    )
    frame = frame.filter(day <= practice.as_of + timedelta(days=AHEAD_DAYS))
    frame = frame.with_columns(ProvNum=pl.when("hygiene").then("hygienist").otherwise("PriProv"))
    frame = hours.on_working_days(practice, frame)
    past = day < practice.as_of
    recent = day >= practice.as_of - timedelta(days=APPOINTMENT_DAYS)
    walk_in = past & (chance.below("walkin", 1000, key) < pl.when(recent).then(50).otherwise(988))
    minute = 480 + 10 * chance.below("slot", 36, key)
    frame = frame.filter(past | _booked_ahead(practice)).with_columns(
        walk_in=walk_in,
        status=pl.when(walk_in)
        .then(COMPLETE)
        .when(past)
        .then(chance.weighted("outcome", _OUTCOMES, key))
        .otherwise(chance.weighted("ahead", _AHEAD, key)),
        at=at_minute(day, minute),
    )
    frame = frame.with_columns(on_paper=~pl.col("walk_in") & (status != GONE))
    return _with_breaks(practice, _with_booking_day(practice, frame)).sort("at", "key")


def _booked_ahead(practice: Practice) -> pl.Expr:
    """Tell whether a visit is booked: the next weeks are full, and hygiene half a year ahead."""
    ahead = (pl.col("day") - pl.lit(practice.as_of)).dt.total_days()
    share = pl.when("hygiene").then(760 - ahead).otherwise((720 - 9 * ahead).clip(25, None))
    return practice.chance.below("ahead.booked", 1000, pl.col("key")) < share


def _with_booking_day(practice: Practice, frame: pl.DataFrame) -> pl.DataFrame:
    """Add when appointments were made.

    Most for hygiene were made at the end of the last hygiene visit, others some weeks ahead.
    """
    chance, key, day = practice.chance, pl.col("key"), pl.col("day")
    cleaned = pl.when(pl.col("hygiene") & (pl.col("status") == COMPLETE)).then("day")
    frame = frame.sort("PatNum", "day", "visit").with_columns(
        before=cleaned.forward_fill().shift(1).over("PatNum")
    )
    near = (day - pl.col("before")).dt.total_days().is_between(30, 300)
    again = (pl.col("hygiene") & near & chance.chosen("reappointed", 900, key)).fill_null(
        value=False
    )
    today = pl.lit(practice.as_of)
    past = pl.min_horizontal(day, today - pl.duration(days=chance.below("made.before", 20, key)))
    usual = past - pl.duration(days=chance.between("made", 1, 40, key))
    made = (
        pl.when(again)
        .then("before")
        .otherwise(pl.max_horizontal(usual, pl.min_horizontal("start", past) - _A_DAY))
    )
    return frame.with_columns(made=made.cast(pl.Date), again=again).drop("before")


def _with_breaks(practice: Practice, frame: pl.DataFrame) -> pl.DataFrame:
    """Add when appointments were broken and when that was charted, for some a day later.

    Broken ones that were given another time are among them; a few are never charted.
    """
    chance, key, day, status = practice.chance, pl.col("key"), pl.col("day"), pl.col("status")
    earlier = pl.min_horizontal(day, pl.lit(practice.as_of)) - pl.duration(
        days=chance.between("moved.days", 2, 25, key)
    )
    moved = (
        pl.col("on_paper") & status.is_in([COMPLETE, SCHEDULED]) & chance.chosen("moved", 35, key)
    )
    moved = moved & (earlier.cast(pl.Date) >= pl.col("start"))
    frame = frame.with_columns(
        broken_on=pl.when(status == BROKEN).then("day").when(moved).then(earlier.cast(pl.Date)),
        missed=chance.chosen("break.missed", 600, key),
    )
    late = pl.duration(days=pl.when(chance.chosen("charted.later", 120, key)).then(1).otherwise(0))
    on_day = pl.min_horizontal(pl.col("broken_on") + late, pl.lit(practice.as_of) - _A_DAY)
    is_charted = pl.col("broken_on").is_not_null() & (
        (status != BROKEN) | chance.chosen("charted", 800, key)
    )
    charted = pl.when(is_charted).then(on_day)
    made = pl.min_horizontal("made", pl.col("broken_on") - 2 * _A_DAY).cast(pl.Date)
    return frame.with_columns(charted_on=charted.cast(pl.Date), made=made)


_A_DAY = pl.duration(days=1)


def length(practice: Practice) -> pl.Expr:
    """Return an appointment's length in units of five minutes."""
    chance, number = practice.chance, pl.col("AptNum")
    return (
        pl.when("hygiene")
        .then(chance.between("pattern.hygiene", 9, 13, number))
        .otherwise(chance.between("pattern", 9, 28, number))
    )


def with_rooms(practice: Practice, book: Book, seen: pl.DataFrame) -> pl.DataFrame:
    """Add each visit's operatory; visits by appointment get a time when it is free."""
    takes = pl.col("on_paper") & pl.col("status").is_in([SCHEDULED, COMPLETE])
    return book.place(seen, 5 * length(practice), takes)


def appointments(practice: Practice, seen: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `appointment` for visits that have or had one (`AptNum` set)."""
    chance, number, at = practice.chance, pl.col("AptNum"), pl.col("at")
    done, status = pl.col("status") == COMPLETE, pl.col("status")
    blank = pl.lit(BLANK_TIME)
    unplaced = status.is_in([UNSCHEDULED, PLANNED])
    units = length(practice)
    confirmed = definitions.numbers(definitions.CONFIRMED)
    return seen.filter(number > 0).select(
        "AptNum",
        "PatNum",
        "ClinicNum",
        AptStatus=pl.when(status == GONE).then(SCHEDULED).otherwise(status),
        Pattern=look_up(["/" * (n % 3) + "X" * (n - n % 3) for n in range(29)], units),
        Confirmed=pl.when(done)
        .then(confirmed[5])
        .otherwise(chance.pick("confirmed", confirmed[:3], number)),
        Op=pl.when(unplaced).then(0).otherwise("Op"),
        Note=note(practice, "aptnote", 250, "AptNum"),
        ProvNum="PriProv",
        ProvHyg=pl.when("hygiene").then("hygienist").otherwise(0),
        AptDateTime=pl.when(unplaced & chance.chosen("nodate", 600, number))
        .then(blank)
        .otherwise(at),
        UnschedStatus=pl.when(status == UNSCHEDULED)
        .then(chance.pick("unsched", definitions.numbers(definitions.UNSCHEDULED), number))
        .otherwise(0),
        IsNewPatient=(pl.col("visit") == 0).cast(pl.Int8),
        IsHygiene=pl.col("hygiene").cast(pl.Int8),
        ProcDescript=chance.pick(
            "descript", ["PerEx, Pro", "#3-CRN", "Comp", "4BW, ProAdult", ""], number
        ),
        Assistant=chance.below("assistant", practice.employees, number) + 1,
        DateTimeArrived=pl.when(done)
        .then(at - pl.duration(minutes=chance.below("early", 15, number)))
        .otherwise(blank),
        DateTimeSeated=pl.when(done)
        .then(at + pl.duration(minutes=chance.below("seated", 12, number)))
        .otherwise(blank),
        DateTimeDismissed=pl.when(done).then(at + pl.duration(minutes=units * 5)).otherwise(blank),
        ProcsColored=pl.lit('<p color="-16777216">PerEx</p>'),
        ColorOverride=pl.lit(0),
        AppointmentTypeNum=chance.below("apttype", 4, number),
        SecUserNumEntry=chance.below("aptuser", practice.users, number) + 1,
        SecDateTEntry=pl.min_horizontal(
            at_minute(
                pl.col("made"),
                pl.when("again").then(1_000).otherwise(510 + chance.below("made.at", 480, number)),
            ),
            pl.lit(practice.now) - pl.duration(hours=2),
        ),
        ProvBarText=pl.lit(""),
        PatternSecondary=pl.lit(""),
    )


HISTORY_COLUMNS = (
    "AptNum PatNum AptStatus Pattern Confirmed Op Note ProvNum ProvHyg AptDateTime UnschedStatus "
    "IsNewPatient ProcDescript Assistant ClinicNum IsHygiene DateTimeArrived DateTimeSeated "
    "DateTimeDismissed ProcsColored ColorOverride AppointmentTypeNum SecUserNumEntry "
    "SecDateTEntry ProvBarText PatternSecondary"
).split()


def appointment_history(
    practice: Practice, seen: pl.DataFrame, booked: pl.DataFrame
) -> pl.DataFrame:
    """Return made, changed, missed and cancelled appointments as they were then."""
    chance, number = practice.chance, pl.col("AptNum")
    plain = booked.select(*HISTORY_COLUMNS)
    what = seen.select("AptNum", "status", "broken_on", "charted_on", "missed", "at")
    made = plain.filter(chance.chosen("hist", 200, number)).with_columns(
        HistDateTStamp="SecDateTEntry", HistApptAction=pl.lit(CREATED), AptStatus=pl.lit(SCHEDULED)
    )
    between = pl.col("SecDateTEntry") + (pl.col("AptDateTime") - pl.col("SecDateTEntry")) / 2
    changed = plain.filter(
        (pl.col("AptDateTime") > BLANK_TIME) & chance.chosen("hist.changed", 60, number)
    ).with_columns(
        HistDateTStamp=pl.min_horizontal(between, pl.lit(practice.now)),
        HistApptAction=pl.lit(CHANGED),
        AptStatus=pl.lit(SCHEDULED),
    )
    slot = pl.col("broken_on").cast(pl.Datetime("us")) + (
        pl.col("at") - pl.col("at").dt.truncate("1d")
    )
    broken = plain.join(what.drop_nulls("charted_on"), on="AptNum").with_columns(
        HistDateTStamp=at_minute(pl.col("charted_on"), pl.lit(17 * 60)),
        HistApptAction=pl.when("missed").then(MISSED).otherwise(CANCELLED),
        AptStatus=pl.lit(BROKEN),
        AptDateTime=slot,
        DateTimeArrived=pl.lit(BLANK_TIME),
        DateTimeSeated=pl.lit(BLANK_TIME),
        DateTimeDismissed=pl.lit(BLANK_TIME),
    )
    columns = [*HISTORY_COLUMNS, "HistDateTStamp", "HistApptAction"]
    parts = [part.select(columns) for part in (made, changed, broken)]
    return _history_rows(pl.concat(parts, how="vertical_relaxed"))


def deleted_history(practice: Practice, gone: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return how appointments looked when they were deleted, at least a day before their time."""
    latest = pl.min_horizontal(
        pl.col("at") - pl.duration(hours=30), pl.lit(practice.now) - pl.duration(hours=9)
    )
    frame = rows.select(*HISTORY_COLUMNS).join(gone.select("AptNum", deleted=latest), on="AptNum")
    return _history_rows(
        frame.select(
            *(name for name in HISTORY_COLUMNS if name != "SecDateTEntry"),
            SecDateTEntry=pl.min_horizontal(
                "SecDateTEntry", pl.col("deleted") - pl.duration(hours=1)
            ),
            HistDateTStamp="deleted",
            HistApptAction=pl.lit(DELETED),
        )
    )


def _history_rows(found: pl.DataFrame) -> pl.DataFrame:
    return found.sort("HistDateTStamp", "AptNum", "HistApptAction").with_columns(
        HistUserNum="SecUserNumEntry",
        ApptSource=pl.lit(0),
        DateTStamp=pl.col("HistDateTStamp"),
        Note=pl.col("Note").fill_null(""),
    )


def _long_lost(practice: Practice) -> pl.Expr:
    """Tell whether the practice has stopped recalling a patient who did not come for years."""
    long_ago = pl.col("due") < practice.as_of - timedelta(days=700)
    return (long_ago & practice.chance.chosen("lost", 850, pl.col("PatNum"))).fill_null(value=False)


def recalls(practice: Practice, people: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each patient and recall type, due its interval after the last visit."""
    chance, number = practice.chance, pl.col("PatNum")
    dates = seen.group_by("PatNum").agg(
        last=pl.col("day").filter(pl.col("status") == COMPLETE).max(),
        ahead=pl.col("day")
        .filter((pl.col("status") == SCHEDULED) & (pl.col("day") >= practice.as_of))
        .min(),
    )
    types = pl.DataFrame(
        {"RecallTypeNum": [1, 4], "RecallInterval": [393217, 16777217], "days": [183, 366]}
    )
    return (
        people.filter("active")
        .join(dates, on="PatNum", how="left")
        .join(types, how="cross")
        .sort("PatNum", "RecallTypeNum")
        .filter((pl.col("RecallTypeNum") == 1) | chance.chosen("bitewing", 850, number))
        .with_columns(due=pl.col("last") + pl.duration(days=pl.col("days")))
        .select(
            "PatNum",
            "RecallTypeNum",
            "RecallInterval",
            DateDueCalc=pl.col("due").fill_null(BLANK_DATE),
            DateDue=pl.col("due").fill_null(BLANK_DATE),
            DatePrevious=pl.col("last").fill_null(BLANK_DATE),
            DateScheduled=pl.col("ahead").fill_null(BLANK_DATE),
            RecallStatus=pl.when(chance.chosen("recallstatus", 150, number))
            .then(chance.pick("recallwhich", definitions.numbers(definitions.UNSCHEDULED), number))
            .otherwise(0),
            Note=note(practice, "recall", 40),
            IsDisabled=(chance.chosen("disabled", 60, number) | _long_lost(practice)).cast(pl.Int8),
            DisableUntilDate=pl.when(chance.chosen("disabled.until", 60, number))
            .then(practice.as_of + pl.duration(days=chance.between("until", -60, 200, number)))
            .otherwise(pl.lit(BLANK_DATE))
            .cast(pl.Date),
            DisableUntilBalance=pl.when(chance.chosen("disabled.balance", 40, number))
            .then(100.0)
            .otherwise(0.0),
            TimePatternOverride=pl.lit(""),
        )
    )
