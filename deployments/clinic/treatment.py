"""Procedures done, planned and charted, their notes, and treatment plans. Money is in whole cents until it is written."""

from __future__ import annotations

import polars as pl

from deployments.clinic import catalog, words
from deployments.clinic.chance import look_up
from deployments.clinic.load import BLANK_DATE
from deployments.clinic.people import note, text
from deployments.clinic.practice import Practice, days_before
from deployments.clinic.visits import (
    BROKEN,
    COMPLETE,
    GONE,
    NOTE,
    NOTE_DONE,
    PLANNED,
    VISITS_PER_PATIENT,
)

TP, DONE, EXISTING, EXISTING_OTHER, REFERRED, DELETED, CONDITION, TP_INACTIVE = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
)
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
_CLEANING = (
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
    """All procedures of the chunk in order of their date, with fee and units in cents."""
    parts = [_of_visits(practice, seen), _breaks(seen), _charted(practice, people)]
    return _priced(practice, pl.concat(parts, how="diagonal_relaxed"))


def visit_procedures(practice: Practice, seen: pl.DataFrame) -> pl.DataFrame:
    """The procedures of visits alone, with fee and units in cents."""
    return _priced(practice, _of_visits(practice, seen))


def _priced(practice: Practice, frame: pl.DataFrame) -> pl.DataFrame:
    key, chance = pl.col("key"), practice.chance
    known = catalog.codes(practice.procedure_codes)
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
    cleaning = [catalog.code_number(code) for code in _CLEANING]
    operative = [catalog.code_number(code) for code in _OPERATIVE]
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
    """Missed and cancelled appointments are charted as completed procedures, on the day they are charted."""
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
            CodeNum=pl.when("missed")
            .then(catalog.code_number("D9986"))
            .otherwise(catalog.code_number("D9987")),
            ProcStatus=pl.lit(DONE),
        )
    )


def break_codes() -> list[int]:
    return [catalog.code_number("D9986"), catalog.code_number("D9987")]


def _charted(practice: Practice, people: pl.DataFrame) -> pl.DataFrame:
    """What was found, planned or done elsewhere, without a visit."""
    chance, number, key = practice.chance, pl.col("PatNum"), pl.col("key")
    frame = people.with_columns(
        line=pl.int_ranges(0, chance.below("findings", 13, number))
    ).explode("line")
    frame = frame.drop_nulls("line").with_columns(
        key=number * (VISITS_PER_PATIENT * _PROCS_PER_VISIT) + _CHARTED_KEY + pl.col("line")
    )
    later = (pl.lit(practice.as_of) - pl.col("start")).dt.total_days().clip(1, None)
    operative = [catalog.code_number(code) for code in _OPERATIVE]
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
    """The columns of `procedurelog`."""
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
        .then(chance.pick("priority", [0, *catalog.def_numbers(catalog.TX_PRIORITY)], number))
        .otherwise(0),
        Dx=pl.when(chance.chosen("dx", 300, number))
        .then(chance.pick("which.dx", catalog.def_numbers(catalog.DIAGNOSIS), number))
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


def treatment_plans(practice: Practice, procs: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Active and inactive plans for some of the patients with planned work, and the saved ones that were shown."""
    chance, number = practice.chance, pl.col("PatNum")
    planned = (
        procs.filter(pl.col("ProcStatus").is_in([TP, TP_INACTIVE]))
        .group_by("PatNum")
        .agg(
            active=(pl.col("ProcStatus") == TP).any(),
            inactive=(pl.col("ProcStatus") == TP_INACTIVE).any(),
            first=pl.col("day").min(),
        )
    )
    kind = pl.col("TPStatus")
    wanted = (
        pl.when(kind == _ACTIVE)
        .then(pl.col("active") & chance.chosen("activeplan", 380, number))
        .otherwise(pl.col("inactive") & chance.chosen("inactiveplan", 300, number))
    )
    current = (
        planned.join(pl.DataFrame({"TPStatus": [_ACTIVE, _INACTIVE]}), how="cross")
        .filter(wanted)
        .select("PatNum", "TPStatus", day="first", show=pl.lit(0))
    )
    saved = shown.select(
        "PatNum", pl.lit(_SAVED).alias("TPStatus"), pl.col("presented_on").alias("day"), "show"
    ).unique()
    return pl.concat([current, saved], how="vertical_relaxed").sort("PatNum", "TPStatus", "show")


_SAVED, _ACTIVE, _INACTIVE = 0, 1, 2
_SHOWN_DAYS = 740
_SHOWN_AT_ONCE = 6


def shown(practice: Practice, procs: pl.DataFrame) -> pl.DataFrame:
    """Which procedures were presented on which day of the last two years, some of them twice.

    What came of them since: completed within months, scheduled, still planned, inactive or deleted.
    """
    chance, number, day = practice.chance, pl.col("PatNum"), pl.col("day")
    share = max(20, min(400, 400_000 // practice.patients))
    hygiene = [catalog.code_number(code) for code in _CLEANING]
    first = pl.lit(practice.as_of) - pl.duration(
        days=chance.between("shown", 15, _SHOWN_DAYS, number)
    )
    usual = ~pl.col("CodeNum").is_in([*hygiene, *break_codes()])
    frame = (
        procs.filter(chance.chosen("savedplan", share, number) & usual)
        .with_columns(first=first.cast(pl.Date))
        .filter(pl.col("first") >= pl.col("start"))
    )
    done = (pl.col("ProcStatus") == DONE) & (pl.col("visit_key") > 0)
    scheduled = (pl.col("ProcStatus") == TP) & (pl.col("AptNum") > 0)
    found = (pl.col("visit_key") == 0) & pl.col("ProcStatus").is_in([TP, TP_INACTIVE, DELETED])
    since = (day - pl.col("first")).dt.total_days()
    frame = frame.filter(
        (done & since.is_between(1, 110))
        | (scheduled & (since > 0))
        | (found & since.is_between(-500, 0))
    )
    frame = frame.sort("PatNum", "key").filter(
        pl.int_range(pl.len()).over("PatNum") < _SHOWN_AT_ONCE
    )
    once = frame.with_columns(presented_on="first", show=pl.lit(0))
    later = pl.col("first") + pl.duration(days=chance.between("shown.again", 7, 45, number))
    twice = frame.with_columns(presented_on=later.cast(pl.Date), show=pl.lit(1)).filter(
        chance.chosen("shown.twice", 250, number)
        & (pl.col("presented_on") < practice.as_of)
        & (~done | (day > pl.col("presented_on")))
    )
    return pl.concat([once, twice]).select("PatNum", "ProcNum", "show", "presented_on")


def first_shown(procs: pl.DataFrame, presented: pl.DataFrame) -> pl.DataFrame:
    """The procedures with the day they were first presented."""
    first = presented.group_by("ProcNum").agg(pl.col("presented_on").min())
    return procs.join(first, on="ProcNum", how="left", maintain_order="left")


def treatment_plan_rows(practice: Practice, plans: pl.DataFrame) -> pl.DataFrame:
    chance, number = practice.chance, pl.col("TreatPlanNum")
    day = pl.min_horizontal("day", days_before(practice.as_of, pl.lit(1)).cast(pl.Date))
    saved = pl.col("TPStatus") == _SAVED
    return plans.select(
        "TreatPlanNum",
        "PatNum",
        "TPStatus",
        DateTP=pl.when(saved).then(day).otherwise(pl.lit(BLANK_DATE)),
        Heading=look_up(
            ['Proposal "A"', "Active Treatment Plan", "Inactive Treatment Plan"], pl.col("TPStatus")
        ),
        Note=text(practice, "tpnote", words.SENTENCES, "TreatPlanNum"),
        Signature=pl.lit(""),
        SecUserNumEntry=chance.below("tpuser", practice.users, number) + 1,
        SecDateEntry=day,
        UserNumPresenter=pl.when(saved)
        .then(chance.below("presenter", min(practice.users, 6), number) + 1)
        .otherwise(0),
    )


def plan_attachments(practice: Practice, plans: pl.DataFrame, procs: pl.DataFrame) -> pl.DataFrame:
    planned = procs.filter(pl.col("ProcStatus").is_in([TP, TP_INACTIVE])).select(
        "PatNum", "ProcNum", kind=pl.when(pl.col("ProcStatus") == TP).then(1).otherwise(2)
    )
    current = plans.filter(pl.col("TPStatus") != _SAVED).select(
        "TreatPlanNum", "PatNum", kind="TPStatus"
    )
    priorities = [0, *catalog.def_numbers(catalog.TX_PRIORITY)]
    return (
        current.join(planned, on=["PatNum", "kind"])
        .sort("TreatPlanNum", "ProcNum")
        .select(
            "TreatPlanNum",
            "ProcNum",
            Priority=practice.chance.pick("attach.priority", priorities, pl.col("ProcNum")),
        )
    )


def presented_procedures(
    practice: Practice, plans: pl.DataFrame, procs: pl.DataFrame, presented: pl.DataFrame
) -> pl.DataFrame:
    """The frozen copies in saved plans (`proctp`)."""
    known = catalog.codes(practice.procedure_codes)
    index = pl.col("CodeNum") - 1
    saved = plans.filter(pl.col("TPStatus") == _SAVED).select("TreatPlanNum", "PatNum", "show")
    return (
        saved.join(presented.with_columns(pl.col("show").cast(pl.Int64)), on=["PatNum", "show"])
        .join(procs.drop("PatNum", "presented_on"), on="ProcNum")
        .sort("TreatPlanNum", "ProcNum")
        .select(
            "TreatPlanNum",
            "PatNum",
            "ClinicNum",
            "ProvNum",
            ProcNumOrig="ProcNum",
            ItemOrder=pl.int_range(pl.len()).over("TreatPlanNum"),
            DateTP="presented_on",
            SecDateEntry="presented_on",
            ProcCode=look_up([c.code for c in known], index),
            Descript=look_up([c.words for c in known], index),
            FeeAmt=pl.col("amount") / 100,
            PatAmt=pl.col("amount") / 100,
            FeeAllowed=pl.lit(-1.0),
            ToothNumTP=pl.lit(""),
            Surf=pl.lit(""),
        )
    )
