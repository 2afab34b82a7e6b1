"""Rules for columns of logs, charts and documents that must be more than plausible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from deployments.clinic import words
from deployments.clinic.chance import Chance, look_up
from deployments.clinic.load import BLANK_DATE, BLANK_TIME, Loader
from deployments.clinic.people import text
from deployments.clinic.practice import HISTORY_DAYS, Practice, at_minute

_HEX = "0123456789abcdef"
_DEPTHS = {-1: 2, 2: 5, 3: 5, 4: 3, 5: 1, 7: 1}
_PERIO_SITES = ("MBvalue", "Bvalue", "DBvalue", "MLvalue", "Lvalue", "DLvalue")
Columns = Mapping[str, pl.Expr]


@dataclass(frozen=True, slots=True)
class Filling:
    """What a rule may look at: the practice, the rows so far, and the number of the new row."""

    practice: Practice
    loader: Loader
    row: pl.Expr

    @property
    def chance(self) -> Chance:
        return self.practice.chance

    def known(self, table: str) -> int:
        """Return how many rows a table has, at least one."""
        return max(self.loader.count(table), 1)

    def spread(self, table: str, parent: str) -> pl.Expr:
        """Return the parent of a row where children of one parent are neighbours."""
        parents = self.known(parent)
        return ((self.row - 1) * parents // max(self.practice.rows(table), 1) + 1).clip(1, parents)

    def rising(self, table: str) -> pl.Expr:
        """Return a time that grows with the row number over the practice's history, as in a log."""
        seconds = HISTORY_DAYS * 86_400 - 7_200
        passed = (self.row * seconds // max(self.practice.rows(table), 1)).clip(0, seconds)
        ago = pl.duration(seconds=seconds - passed + 3_600)
        return (pl.lit(self.practice.now) - ago).cast(pl.Datetime("us"))


def _blank(*names: str) -> dict[str, pl.Expr]:
    return {name: pl.lit("") for name in names}


def _zero(*names: str) -> dict[str, pl.Expr]:
    return {name: pl.lit(0, dtype=pl.Int64) for name in names}


def _no_links(*names: str) -> Callable[[Filling], Columns]:
    return lambda _: _zero(*names)


def _security_log(made: Filling) -> Columns:
    chance, row = made.chance, made.row
    usual = chance.pick("log.text", words.SENTENCES[:200], row) + " #" + row.cast(pl.String)
    ugly = chance.pick("log.which", words.UGLY, row)
    return {
        "LogDateTime": made.rising("securitylog"),
        "LogText": pl.when(chance.chosen("log.ugly", 5, row)).then(ugly).otherwise(usual),
        "CompName": chance.pick("log.comp", [f"WS-{n:02d}" for n in range(20)], row),
        "FKey": chance.below("log.key", made.known("procedurelog"), row),
        "LogSource": chance.weighted("log.source", {0: 9, 5: 1}, row),
        "DateTPrevious": pl.lit(BLANK_TIME),
        **_zero("DefNum", "DefNumError"),
    }


def _security_hash(made: Filling) -> Columns:
    """Return 56 random bits as hexadecimal digits, forwards and backwards."""
    bits = made.chance.bits("loghash", made.row)
    pairs = [high + low for high in _HEX for low in _HEX]
    half = pl.concat_str(
        [look_up(pairs, (bits // (1 << 7 * place) % 256).cast(pl.Int64)) for place in range(8)]
    )
    return {"SecurityLogNum": made.row, "LogHash": pl.concat_str([half, half.str.reverse()])}


def _sheet_field(made: Filling) -> Columns:
    chance, row = made.chance, made.row
    names = [
        "LName",
        "FName",
        "Birthdate",
        "misc",
        "chk1",
        "allergy:Penicillin",
        "Signature",
        "medNo",
        "Email",
    ]
    values = ["", "", "X", "", "Yes", "No", *words.LAST_NAMES[:40]]
    value = (
        pl.when(chance.chosen("field.ugly", 8, row))
        .then(chance.pick("field.which", words.UGLY, row))
        .when(chance.chosen("field.null", 10, row))
        .then(pl.lit(None, dtype=pl.String))
        .otherwise(chance.pick("field.value", values, row))
    )
    return {
        "SheetNum": made.spread("sheetfield", "sheet"),
        "FieldType": chance.between("field.type", 0, 12, row),
        "FieldName": chance.pick("field.name", names, row),
        "FieldValue": value,
        "FontSize": pl.lit(8.25),
        "FontName": pl.lit("Arial"),
        "XPos": chance.below("field.x", 800, row),
        "YPos": chance.below("field.y", 1000, row),
        "Width": pl.lit(120),
        "Height": pl.lit(14),
        "DateTimeSig": pl.lit(BLANK_TIME),
        "ItemColor": pl.lit(-16777216),
        **_zero("TabOrder"),
        **_blank(
            "RadioButtonValue",
            "RadioButtonGroup",
            "ReportableName",
            "UiLabelMobile",
            "UiLabelMobileRadioButton",
        ),
    }


def _commlog(made: Filling) -> Columns:
    at = made.rising("commlog")
    unsaid = made.row % 211 == 100
    return {
        "CommDateTime": at,
        "DateTEntry": at,
        "DateTimeEnd": pl.lit(BLANK_TIME),
        "Note": pl.when(unsaid)
        .then(None)
        .otherwise(text(made.practice, "commlog", words.SENTENCES, "row")),
        **_blank("Signature"),
        **_zero("ProgramNum", "ReferralNum", "SigIsTopaz"),
    }


def _document(made: Filling) -> Columns:
    chance, row = made.chance, made.row
    note = text(made.practice, "docnote", words.SENTENCES, "row")
    return {
        "DateCreated": made.rising("document"),
        "FileName": chance.pick("doc.name", words.LAST_NAMES, row)
        + "_"
        + row.cast(pl.String)
        + ".jpg",
        "Description": text(made.practice, "doc", words.SHORT, "row"),
        "Note": pl.when(chance.chosen("doc.noted", 100, row)).then(note).otherwise(pl.lit("")),
        **_blank(
            "RawBase64",
            "Thumbnail",
            "OcrResponseData",
            "Signature",
            "ExternalGUID",
            "ExternalSource",
            "ToothNumbers",
        ),
        **_zero("MountItemNum"),
    }


def _perio_measure(made: Filling) -> Columns:
    depths = {
        site: made.chance.weighted(f"perio.{site}", _DEPTHS, made.row) for site in _PERIO_SITES
    }
    return {
        "PerioExamNum": made.spread("periomeasure", "perioexam"),
        "IntTooth": made.row % 32 + 1,
        "ToothValue": pl.lit(-1),
        "SecDateTEntry": made.rising("periomeasure"),
        **depths,
    }


def _tooth_initial(made: Filling) -> Columns:
    return {
        "ToothNum": (made.chance.below("ti.tooth", 32, made.row) + 1).cast(pl.String),
        "InitialType": made.chance.weighted("ti.type", {0: 70, 1: 10, 4: 10, 9: 1}, made.row),
        "Movement": made.chance.weighted("ti.move", {0.0: 9, 1.5: 1, -2.5: 1}, made.row),
        **_blank("DrawText", "DrawingSegment"),
        **_zero("ColorDraw"),
    }


def _referral(made: Filling) -> Columns:
    """Return the referral; a third are patients."""
    number = made.chance.below("referral.patient", made.practice.patients, made.row) + 1
    return {"PatNum": pl.when(made.row % 3 == 1).then(number).otherwise(0)}


def _time_adjust(made: Filling) -> Columns:
    hours = ["-08:00:00", "-00:30:00", "00:00:00", "01:15:00", "08:00:00", "80:00:00"]
    pick = made.chance.pick
    return {
        "RegHours": pick("ta.regular", hours, made.row),
        "OTimeHours": pick("ta.over", hours, made.row),
        "PtoHours": pick("ta.pto", hours[2:5], made.row),
    }


def _clock_event(made: Filling) -> Columns:
    day = made.rising("clockevent").cast(pl.Date)
    start = at_minute(day, 470 + made.chance.below("clock.in", 25, made.row))
    stop = start + pl.duration(minutes=made.chance.between("clock.out", 200, 560, made.row))
    spans = ["00:00:00", "00:00:00", "-01:00:00", "00:45:00"]
    return {
        "TimeEntered1": start,
        "TimeDisplayed1": start,
        "TimeEntered2": stop,
        "TimeDisplayed2": stop,
        "OTimeHours": pl.lit("-01:00:00"),
        "OTimeAuto": pl.lit("00:00:00"),
        "AdjustAuto": made.chance.pick("clock.adjust", spans, made.row),
    }


def _update_history(made: Filling) -> Columns:
    """Return upgrades twice a year, up to the present version."""
    total = made.practice.rows("updatehistory")
    age = total - made.row
    older = pl.concat_str(
        [
            (24 - (age + 1) // 2).cast(pl.String),
            pl.lit("."),
            (age % 2 + 1).cast(pl.String),
            pl.lit(".7.0"),
        ]
    )
    when = pl.lit(made.practice.now) - pl.duration(days=182 * age + 40, hours=2)
    return {
        "DateTimeUpdated": when.cast(pl.Datetime("us")),
        "ProgramVersion": pl.when(age == 0).then(pl.lit("24.3.10.0")).otherwise(older),
        **_blank("Signature"),
    }


def _statement(made: Filling) -> Columns:
    sent = made.rising("statement").cast(pl.Date)
    return {
        "DateSent": sent,
        "DateRangeFrom": pl.lit(BLANK_DATE),
        "DateRangeTo": sent,
        **_blank("StatementType", "EmailBody", "EmailSubject"),
        **_zero("SuperFamily"),
    }


def _statement_prod(made: Filling) -> Columns:
    key = made.chance.below("stmtprod", made.known("procedurelog"), made.row) + 1
    return {"FKey": key, **_zero("ProdType", "LateChargeAdjNum", "DocNum")}


def _one_per_patient(made: Filling) -> Columns:
    return {"PatNum": (made.row - 1) % made.practice.patients + 1}


def _edit_log(made: Filling) -> Columns:
    values = ["", "0001-01-01", "-1", "100", "50", "NULL", "Delta\tlike", *words.LAST_NAMES[:30]]
    fields = ["Percent", "PlanNum", "SubscriberID", "GroupNum", "DateTerm"]
    return {
        "FieldName": made.chance.pick("edit.field", fields, made.row),
        "OldValue": made.chance.pick("edit.old", values, made.row),
        "NewValue": made.chance.pick("edit.new", values, made.row),
        "FKey": made.chance.below("edit.key", made.known("benefit"), made.row) + 1,
        **_blank("Description"),
    }


def _drug(made: Filling) -> Columns:
    name = made.chance.pick("rxnorm", words.DRUGS, made.row)
    return {
        "RxCui": (made.row * 17).cast(pl.String),
        "Description": name + " " + made.row.cast(pl.String) + " MG",
        **_blank("MmslCode"),
    }


RULES: Mapping[str, Callable[[Filling], Columns]] = {
    "clockevent": _clock_event,
    "commlog": _commlog,
    "custreference": _one_per_patient,
    "document": _document,
    "ehrpatient": _one_per_patient,
    "inseditlog": _edit_log,
    "inseditpatlog": _edit_log,
    "periomeasure": _perio_measure,
    "referral": _referral,
    "rxnorm": _drug,
    "securitylog": _security_log,
    "securityloghash": _security_hash,
    "sheetfield": _sheet_field,
    "statement": _statement,
    "statementprod": _statement_prod,
    "task": _no_links("FromNum"),
    "tasklist": _no_links("Parent", "FromNum"),
    "timeadjust": _time_adjust,
    "toothinitial": _tooth_initial,
    "updatehistory": _update_history,
}
