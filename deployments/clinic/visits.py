"""Visits of patients: appointments, their history, and the working hours they fall in."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from deployments.clinic import catalog, words
from deployments.clinic.chance import look_up
from deployments.clinic.load import BLANK_DATE, BLANK_TIME
from deployments.clinic.people import note
from deployments.clinic.practice import Practice, at_minute

SCHEDULED, COMPLETE, UNSCHEDULED, BROKEN, PLANNED, NOTE, NOTE_DONE = 1, 2, 3, 5, 6, 7, 8
_OUTCOMES = {COMPLETE: 860, BROKEN: 70, UNSCHEDULED: 30, SCHEDULED: 4, PLANNED: 16, NOTE: 12, NOTE_DONE: 8}
_MAX_VISITS = 22
# Offset keeps streams keyed on patient and visit apart for up to a thousand visits each.
VISITS_PER_PATIENT = 1_000


def visits(practice: Practice, people: pl.DataFrame) -> pl.DataFrame:
    """One row per past or planned visit, in order of time."""
    chance, number = practice.chance, pl.col("PatNum")
    wanted = chance.below("loyalty", _MAX_VISITS + 1, number)
    frame = (
        people.filter("active")
        .with_columns(visit=pl.int_ranges(0, wanted + 1))
        .explode("visit")
        .with_columns(key=number * VISITS_PER_PATIENT + pl.col("visit"))
    )
    key = pl.col("key")
    gap = pl.col("visit") * chance.pick("rhythm", [45, 90, 120, 182, 182, 200, 365], number)
    day = pl.col("start") + pl.duration(days=gap + chance.between("gap", 0, 30, key))
    frame = frame.with_columns(day=day.cast(pl.Date))
    frame = frame.with_columns(
        day=pl.when(pl.col("day").dt.weekday() == 7)
        .then(pl.col("day") + pl.duration(days=1))
        .otherwise("day")
        .cast(pl.Date)
    )
    latest = practice.as_of + timedelta(days=200)
    minute = 480 + 10 * chance.below("slot", 54, key)
    frame = frame.filter(pl.col("day") <= latest).with_columns(
        hygiene=(pl.col("visit") > 0) & chance.chosen("hygiene", 550, key),
        walk_in=chance.chosen("walkin", 690, key) & (pl.col("day") < practice.as_of),
        status=pl.when(pl.col("day") >= practice.as_of)
        .then(chance.weighted("ahead", {SCHEDULED: 96, PLANNED: 3, NOTE: 1}, key))
        .otherwise(chance.weighted("outcome", _OUTCOMES, key)),
        at=at_minute(pl.col("day"), minute),
    )
    return frame.with_columns(
        status=pl.when("walk_in").then(COMPLETE).otherwise("status"),
        ProvNum=pl.when("hygiene").then("hygienist").otherwise("PriProv"),
    ).sort("at", "key")


def appointments(practice: Practice, seen: pl.DataFrame) -> pl.DataFrame:
    """The columns of `appointment` for visits that have one (`AptNum` set)."""
    chance, number, at = practice.chance, pl.col("AptNum"), pl.col("at")
    done, status = pl.col("status") == COMPLETE, pl.col("status")
    blank = pl.lit(BLANK_TIME)
    unplaced = status.is_in([UNSCHEDULED, PLANNED])
    length = chance.between("pattern", 4, 20, number)
    confirmed = catalog.def_numbers(catalog.CONFIRMED)
    return seen.filter(number > 0).select(
        "AptNum",
        "PatNum",
        "ClinicNum",
        AptStatus=status,
        Pattern=look_up(["/" * (n % 3) + "X" * (n - n % 3) for n in range(21)], length),
        Confirmed=pl.when(done).then(confirmed[5]).otherwise(chance.pick("confirmed", confirmed[:3], number)),
        Op=pl.when(unplaced).then(0).otherwise(chance.below("op", practice.operatories, number) + 1),
        Note=note(practice, "aptnote", 250, "AptNum"),
        ProvNum="PriProv",
        ProvHyg=pl.when("hygiene").then("hygienist").otherwise(0),
        AptDateTime=pl.when(unplaced & chance.chosen("nodate", 600, number)).then(blank).otherwise(at),
        UnschedStatus=pl.when(status == UNSCHEDULED)
        .then(chance.pick("unsched", catalog.def_numbers(catalog.UNSCHEDULED), number))
        .otherwise(0),
        IsNewPatient=(pl.col("visit") == 0).cast(pl.Int8),
        IsHygiene=pl.col("hygiene").cast(pl.Int8),
        ProcDescript=chance.pick("descript", ["PerEx, Pro", "#3-CRN", "Comp", "4BW, ProAdult", ""], number),
        Assistant=chance.below("assistant", practice.employees, number) + 1,
        DateTimeArrived=pl.when(done)
        .then(at - pl.duration(minutes=chance.below("early", 15, number)))
        .otherwise(blank),
        DateTimeSeated=pl.when(done)
        .then(at + pl.duration(minutes=chance.below("seated", 12, number)))
        .otherwise(blank),
        DateTimeDismissed=pl.when(done).then(at + pl.duration(minutes=length * 5)).otherwise(blank),
        ProcsColored=pl.lit('<p color="-16777216">PerEx</p>'),
        ColorOverride=pl.lit(0),
        AppointmentTypeNum=chance.below("apttype", 4, number),
        SecUserNumEntry=chance.below("aptuser", practice.users, number) + 1,
        SecDateTEntry=pl.min_horizontal(
            at - pl.duration(days=chance.between("booked", 1, 180, number)), pl.lit(practice.now) - pl.duration(hours=2)
        ),
        ProvBarText=pl.lit(""),
        PatternSecondary=pl.lit(""),
    )


HISTORY_COLUMNS = (
    "AptNum PatNum AptStatus Pattern Confirmed Op Note ProvNum ProvHyg AptDateTime UnschedStatus IsNewPatient "
    "ProcDescript Assistant ClinicNum IsHygiene DateTimeArrived DateTimeSeated DateTimeDismissed ProcsColored "
    "ColorOverride AppointmentTypeNum SecUserNumEntry SecDateTEntry ProvBarText PatternSecondary"
).split()


def appointment_history(practice: Practice, booked: pl.DataFrame) -> pl.DataFrame:
    """Created for some, missed or cancelled for the broken ones."""
    chance, number = practice.chance, pl.col("AptNum")
    broken = pl.col("AptStatus") == BROKEN
    return (
        booked.filter(broken | chance.chosen("hist", 270, number))
        .select(
            *HISTORY_COLUMNS,
            HistUserNum="SecUserNumEntry",
            HistDateTStamp=pl.when(broken).then("AptDateTime").otherwise("SecDateTEntry"),
            HistApptAction=pl.when(broken)
            .then(chance.weighted("broken", {2: 6, 3: 4}, number))
            .otherwise(chance.weighted("action", {0: 6, 1: 4}, number)),
            ApptSource=pl.lit(0),
            DateTStamp=pl.col("SecDateTEntry"),
        )
        .with_columns(Note=pl.col("Note").fill_null(""))
    )


def recalls(practice: Practice, people: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """One row per patient and recall type; due by the type's interval after the last visit."""
    chance, number = practice.chance, pl.col("PatNum")
    dates = seen.group_by("PatNum").agg(
        last=pl.col("day").filter(pl.col("status") == COMPLETE).max(),
        ahead=pl.col("day").filter((pl.col("status") == SCHEDULED) & (pl.col("day") >= practice.as_of)).min(),
    )
    types = pl.DataFrame({"RecallTypeNum": [1, 4], "RecallInterval": [393217, 16777217], "days": [183, 366]})
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
            .then(chance.pick("recallwhich", catalog.def_numbers(catalog.UNSCHEDULED), number))
            .otherwise(0),
            Note=note(practice, "recall", 40),
            IsDisabled=chance.chosen("disabled", 60, number).cast(pl.Int8),
            DisableUntilDate=pl.lit(BLANK_DATE),
            TimePatternOverride=pl.lit(""),
        )
    )


def schedules(practice: Practice) -> pl.DataFrame:
    """Working hours of providers and staff, lunch blockouts and holidays around the day of creation."""
    chance = practice.chance
    days = max(30, practice.rows("schedule") * 7 // (6 * (practice.providers + 2)))
    ahead = min(90, days // 3)
    numbers = pl.select(
        day=pl.date_range(practice.as_of - timedelta(days=days - ahead), practice.as_of + timedelta(days=ahead))
    )
    who = [(1, p, 0, 0) for p in range(1, practice.providers + 1)] + [
        (2, 0, 0, catalog.def_numbers(catalog.BLOCKOUT)[0]),
        (0, 0, 0, 0),
        (3, 0, 1, 0),
    ]
    lines = pl.DataFrame(who, schema=["SchedType", "ProvNum", "EmployeeNum", "BlockoutType"], orient="row")
    frame = numbers.filter(pl.col("day").dt.weekday() < 7).join(lines, how="cross").with_row_index("key")
    key, kind = pl.col("key"), pl.col("SchedType")
    frame = frame.filter((kind != 0) | chance.chosen("holiday", 60, key))
    hours = look_up(["08:00:00", "07:00:00", "12:00:00", "08:00:00"], kind)
    return frame.select(
        "SchedType",
        "ProvNum",
        "EmployeeNum",
        "BlockoutType",
        SchedDate="day",
        StartTime=pl.when(kind == 0).then(pl.lit("00:00:00")).when(kind == 2).then(pl.lit("12:00:00")).otherwise(hours),
        StopTime=pl.when(kind == 0)
        .then(pl.lit("00:00:00"))
        .when(kind == 2)
        .then(pl.lit("13:00:00"))
        .otherwise(pl.lit("17:00:00")),
        Note=chance.pick("schednote", ["", "", "", "", "half day", 'Ferié – "closed"', words.UGLY[0]], key),
        Status=pl.when(kind == 0).then(2).otherwise(chance.weighted("closed", {0: 97, 1: 3}, key)),
        ClinicNum=chance.below("schedclinic", practice.clinics, key) + 1,
    )
