"""Procedures done, planned and charted, and their notes. Money is whole cents until written."""

from __future__ import annotations

import polars as pl

from deployments.clinic import codes, definitions, words
from deployments.clinic.chance import look_up
from deployments.clinic.load import BLANK_DATE
from deployments.clinic.people import note, text
from deployments.clinic.practice import Practice
from deployments.clinic.visits import (
    BROKEN,
    COMPLETE,
    GONE,
    NOTE,
    NOTE_DONE,
    PLANNED,
    VISITS_PER_PATIENT,
)

TP, DONE, EXISTING, EXISTING_OTHER = 1, 2, 3, 4
REFERRED, DELETED, CONDITION, TP_INACTIVE = 5, 6, 7, 8
_CHARTED = {
    EXISTING: 27,
    EXISTING_OTHER: 27,
    CONDITION: 6,
    REFERRED: 4,
    TP: 34,
    TP_INACTIVE: 8,
    DELETED: 10,
}
_PROCS_PER_VISIT = 16
_CHARTED_KEY = 8_000
CLEANING = (
    "D0120",
    "D1110",
    "D1110",
    "D1120",
    "D0274",
    "D1206",
    "D4910",
    "D0272",
    "D1208",
    "D4341",
)
_OPERATIVE = (
    "D2391",
    "D2392",
    "D2393",
    "D2330",
    "D2331",
    "D2740",
    "D2950",
    "D0140",
    "D0220",
    "D3330",
    "D7140",
    "D2750",
    "D3310",
    "D7210",
    "D9230",
    "D2140",
    "D0150",
    "D0330",
    "D9110",
)
_TOOTH_AREAS = (1, 2)


def procedures(practice: Practice, people: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Return all procedures of the chunk in order of their date; fees are in cents."""
    parts = [_of_visits(practice, seen), _breaks(seen), _charted(practice, people)]
    return _priced(practice, pl.concat(parts, how="diagonal_relaxed"))


def visit_procedures(practice: Practice, seen: pl.DataFrame) -> pl.DataFrame:
    """Return the procedures of visits alone; fees are in cents."""
    return _priced(practice, _of_visits(practice, seen))


def _priced(practice: Practice, frame: pl.DataFrame) -> pl.DataFrame:
    key, chance = pl.col("key"), practice.chance
    known = codes.all_codes(practice.procedure_codes)
    index = pl.col("CodeNum") - 1
    years = (pl.lit(practice.as_of) - pl.col("day")).dt.total_days().clip(0, None) // 365
    return (
        frame.with_columns(
            cents=look_up([c.cents for c in known], index) * (100 - 2 * years) // 10_000 * 100,
            area=look_up([c.area for c in known], index),
            units=chance.weighted("units", {1: 98, 2: 2}, key),
            base_units=chance.weighted("base", {0: 995, 1: 5}, key),
        )
        .with_columns(amount=pl.col("cents") * (pl.col("units") + pl.col("base_units")))
        .sort("day", "key")
    )


_SHARED = ["PatNum", "ClinicNum", "Guarantor", "start"]


def _of_visits(practice: Practice, seen: pl.DataFrame) -> pl.DataFrame:
    chance, key, visit = practice.chance, pl.col("key"), pl.col("visit_key")
    status = pl.col("status")
    seen = seen.filter(~status.is_in([BROKEN, NOTE, NOTE_DONE, GONE])).rename({"key": "visit_key"})
    frame = seen.with_columns(line=pl.int_ranges(0, chance.between("procs", 1, 4, visit))).explode(
        "line"
    )
    cleaning = [codes.number(code) for code in CLEANING]
    operative = [codes.number(code) for code in _OPERATIVE]
    seldom = chance.below("seldom", practice.procedure_codes - 45, key) + 45
    planned = status == PLANNED
    return frame.with_columns(key=visit * _PROCS_PER_VISIT + pl.col("line")).select(
        *_SHARED,
        "key",
        "visit_key",
        "day",
        "ProvNum",
        CodeNum=pl.when(chance.chosen("rare", 60, key))
        .then(seldom)
        .when(pl.col("hygiene"))
        .then(chance.pick("cleaning", cleaning, key))
        .otherwise(chance.pick("operative", operative, key)),
        ProcStatus=pl.when(status != COMPLETE)
        .then(TP)
        .when(chance.chosen("undone", 50, key))
        .then(DELETED)
        .otherwise(DONE),
        AptNum=pl.when(planned).then(0).otherwise("AptNum"),
        PlannedAptNum=pl.when(planned).then("AptNum").otherwise(0),
    )


def _breaks(seen: pl.DataFrame) -> pl.DataFrame:
    """Return the procedures that chart missed and cancelled appointments.

    They are completed on the day on which they are charted.
    """
    visit = pl.col("visit_key")
    return (
        seen.rename({"key": "visit_key"})
        .drop_nulls("charted_on")
        .select(
            *_SHARED,
            "visit_key",
            "ProvNum",
            "AptNum",
            day="charted_on",
            key=visit * _PROCS_PER_VISIT + _PROCS_PER_VISIT - 1,
            PlannedAptNum=pl.lit(0),
            CodeNum=pl.when("missed").then(codes.number("D9986")).otherwise(codes.number("D9987")),
            ProcStatus=pl.lit(DONE),
        )
    )


def break_codes() -> list[int]:
    """Return the CodeNums of missed and cancelled appointments."""
    return [codes.number("D9986"), codes.number("D9987")]


def _charted(practice: Practice, people: pl.DataFrame) -> pl.DataFrame:
    """Return what was found, planned or done elsewhere, without a visit."""
    chance, number, key = practice.chance, pl.col("PatNum"), pl.col("key")
    frame = people.with_columns(
        line=pl.int_ranges(0, chance.below("findings", 13, number))
    ).explode("line")
    frame = frame.drop_nulls("line").with_columns(
        key=number * (VISITS_PER_PATIENT * _PROCS_PER_VISIT) + _CHARTED_KEY + pl.col("line")
    )
    later = (pl.lit(practice.as_of) - pl.col("start")).dt.total_days().clip(1, None)
    operative = [codes.number(code) for code in _OPERATIVE]
    return frame.select(
        *_SHARED,
        "key",
        ProvNum="PriProv",
        AptNum=pl.lit(0),
        PlannedAptNum=pl.lit(0),
        day=(pl.col("start") + pl.duration(days=chance.below("found", later, key))).cast(pl.Date),
        CodeNum=chance.pick("finding", operative, key),
        ProcStatus=chance.weighted("charting", _CHARTED, key),
        visit_key=pl.lit(0),
    )


def procedure_rows(practice: Practice, procs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `procedurelog`."""
    chance, number, day = practice.chance, pl.col("ProcNum"), pl.col("day")
    status = pl.col("ProcStatus")
    on_tooth = pl.col("area").is_in(_TOOTH_AREAS)
    planned = pl.max_horizontal(
        "start", day - pl.duration(days=chance.below("planned", 60, number))
    )
    planned = pl.min_horizontal(planned, "presented_on")
    entered = pl.min_horizontal(
        day.cast(pl.Datetime("us")) + pl.duration(hours=17), pl.lit(practice.now)
    )
    return procs.select(
        "ProcNum",
        "PatNum",
        "ClinicNum",
        "ProvNum",
        "AptNum",
        "PlannedAptNum",
        "CodeNum",
        ProcStatus=status,
        OldCode=pl.lit(""),
        ProcDate=day,
        ProcFee=pl.col("cents") / 100,
        UnitQty="units",
        BaseUnits="base_units",
        Surf=pl.when(pl.col("area") == 1)
        .then(chance.pick("surf", ["M", "OD", "MOD", "B", "L", "DO"], number))
        .otherwise(pl.lit("")),
        ToothNum=pl.when(on_tooth)
        .then((chance.below("tooth", 32, number) + 1).cast(pl.String))
        .otherwise(pl.lit("")),
        ToothRange=pl.when(pl.col("area") == 6).then(pl.lit("1,2,3,4,5,6")).otherwise(pl.lit("")),
        Priority=pl.when(status == TP)
        .then(chance.pick("priority", [0, *definitions.numbers(definitions.TX_PRIORITY)], number))
        .otherwise(0),
        Dx=pl.when(chance.chosen("dx", 300, number))
        .then(chance.pick("which.dx", definitions.numbers(definitions.DIAGNOSIS), number))
        .otherwise(0),
        Prosthesis=chance.pick("prosthesis", ["", "", "", "", "I", "R"], number),
        ClaimNote=note(practice, "claimnote", 10, "ProcNum").str.slice(0, 80),
        DateEntryC=pl.when(status == DONE).then(day).otherwise(pl.lit(BLANK_DATE)),
        DateTP=planned,
        DateComplete=pl.when((status == DONE) & chance.chosen("dated", 700, number))
        .then(day)
        .otherwise(pl.lit(BLANK_DATE)),
        DateOriginalProsth=pl.lit(BLANK_DATE),
        MedicalCode=pl.lit(""),
        IcdVersion=pl.lit(10),
        ProcTime=chance.pick("proctime", ["00:00:00", "08:10:00", "13:45:00"], number),
        BillingNote=note(practice, "billnote", 5, "ProcNum"),
        Discount=pl.when((status == TP) & chance.chosen("discount", 40, number))
        .then(pl.col("cents") // 1000 / 1.0)
        .otherwise(0.0),
        SecUserNumEntry=chance.below("procuser", practice.users, number) + 1,
        SecDateEntry=entered.cast(pl.Datetime("us")),
        Prognosis=pl.lit(0),
        DiagnosticCode=pl.lit(""),
    )


def procedure_notes(practice: Practice, procs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `procnote`."""
    chance, number = practice.chance, pl.col("ProcNum")
    noted = procs.filter(
        chance.chosen("noted", 760, number) & ~pl.col("ProcStatus").is_in([EXISTING_OTHER])
    )
    return noted.select(
        "PatNum",
        "ProcNum",
        EntryDateTime=pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours=16, minutes=7),
        UserNum=chance.below("noteuser", practice.users, number) + 1,
        Note=text(practice, "procnote", words.CLINICAL, "ProcNum"),
        SigIsTopaz=pl.lit(0),
        Signature=chance.pick("signature", ["", "", "", "c2lnbmVk=="], number),
    )
