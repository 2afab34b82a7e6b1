"""Patients in families, their notes and who referred them."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from deployments.clinic import catalog, definitions, words
from deployments.clinic.chance import look_up
from deployments.clinic.ledger import BALANCES
from deployments.clinic.load import BLANK_DATE
from deployments.clinic.practice import HISTORY_DAYS, Practice, days_before

# Families, and all who have to do with each other, are in one cohort of so many patients.
COHORT = 1_000
_ARCHIVED = 3
# How many days ago the practice began to ask new patients who sent them.
_ASKED_DAYS = 1_100
_MERGE, _CLONE = 1, 2
_STATUS = {0: 78, 1: 4, 2: 10, 3: 4, 4: 2, 5: 1, 6: 1}


def patients(practice: Practice, first: int, last: int) -> pl.DataFrame:
    """Return the patients of one chunk: `start` is the day they came, `active` means visits."""
    chance, number = practice.chance, pl.col("PatNum")
    frame = pl.select(PatNum=pl.int_range(first, last + 1, dtype=pl.Int64))
    head = (number % COHORT == 1) | chance.chosen("head", 450, number)
    frame = frame.with_columns(
        Guarantor=pl.when(head).then(number).forward_fill().fill_null(first),
        merged=~head & chance.chosen("merged", 45, number),
    )
    guarantor = pl.col("Guarantor")
    age = (
        pl.when(number == guarantor)
        .then(chance.between("age.adult", 20, 84, number))
        .otherwise(chance.between("age", 1, 75, number))
    )
    came = (
        HISTORY_DAYS
        - guarantor * HISTORY_DAYS // practice.patients
        + chance.between("came", -20, 20, guarantor)
    )
    frame = frame.with_columns(
        # OpenDental archives patients who were merged into others.
        PatStatus=pl.when("merged")
        .then(_ARCHIVED)
        .otherwise(chance.weighted("status", _STATUS, number)),
        start=days_before(practice.as_of, came.clip(5, HISTORY_DAYS)).cast(pl.Date),
        Birthdate=_birthdate(practice, age),
        PriProv=chance.pick("dentist", catalog.dentists(practice), guarantor),
    )
    return frame.with_columns(
        ClinicNum=catalog.clinic_of(practice, pl.col("PriProv")),
        hygienist=hygienist(practice, pl.col("PriProv"), guarantor),
        active=pl.col("PatStatus").is_in([0, 2, 3, 5]) & ~pl.col("merged"),
    )


def hygienist(practice: Practice, dentist: pl.Expr, guarantor: pl.Expr) -> pl.Expr:
    """Return a hygienist who works where the dentist does."""
    place = catalog.clinic_of(practice, dentist)
    found = pl.lit(catalog.hygienists(practice)[0])
    for clinic in range(1, practice.clinics + 1):
        here = [
            n for n in catalog.hygienists(practice) if (n - 1) // 2 % practice.clinics + 1 == clinic
        ]
        found = (
            pl.when(place == clinic)
            .then(practice.chance.pick("hygienist", here, guarantor))
            .otherwise(found)
        )
    return found


def merges(practice: Practice, people: pl.DataFrame) -> pl.DataFrame:
    """Return the links of merged and cloned patients (`patientlink`).

    Duplicates were merged into the head of their family.
    """
    chance, number = practice.chance, pl.col("PatNum")
    since = (pl.lit(practice.as_of) - pl.col("start")).dt.total_days().clip(1, None)
    cloned = (
        ~pl.col("merged") & (number != pl.col("Guarantor")) & chance.chosen("cloned", 5, number)
    )
    day = pl.col("start") + pl.duration(days=chance.below("merged.on", since, number))
    return people.filter(pl.col("merged") | cloned).select(
        PatNumFrom="PatNum",
        PatNumTo="Guarantor",
        LinkType=pl.when("merged").then(_MERGE).otherwise(_CLONE),
        DateTimeLink=day.cast(pl.Datetime("us")) + pl.duration(hours=11),
    )


def _birthdate(practice: Practice, age: pl.Expr) -> pl.Expr:
    chance, number = practice.chance, pl.col("PatNum")
    born = days_before(practice.as_of, age * 365 + chance.below("birthday", 365, number))
    very_old = days_before(practice.as_of, pl.lit(34_300) + chance.below("birthday", 900, number))
    return (
        pl.when(chance.chosen("born.blank", 14, number))
        .then(pl.lit(BLANK_DATE))
        .when(chance.chosen("born.old", 2, number))
        .then(very_old.cast(pl.Date))
        .otherwise(born.cast(pl.Date))
    )


def patient_rows(practice: Practice, people: pl.DataFrame, balances: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `patient`; the balances are the ledger's."""
    chance, number, guarantor = practice.chance, pl.col("PatNum"), pl.col("Guarantor")
    digits = chance.below("phone", 10_000, guarantor).cast(pl.String).str.zfill(4)
    return people.join(balances, on="PatNum", how="left", maintain_order="left").select(
        "PatNum",
        "Guarantor",
        "PatStatus",
        "Birthdate",
        "ClinicNum",
        "PriProv",
        SecProv=pl.when(chance.chosen("secprov", 400, number))
        .then(pl.col("hygienist"))
        .otherwise(0),
        LName=name(practice, "last", words.LAST_NAMES, words.ODD_LAST_NAMES, guarantor),
        FName=name(practice, "first", words.FIRST_NAMES, words.ODD_FIRST_NAMES, number),
        MiddleI=chance.pick("middle", ["", "", "A", "J.", "Q", "é"], number),
        Preferred=chance.pick(
            "preferred", ["", "", "", "", "Bo", '"Sky"', "J.J.", "Ti-Té"], number
        ),
        Gender=chance.weighted("gender", {0: 48, 1: 49, 2: 2, 3: 1}, number),
        Position=chance.weighted("position", {0: 40, 1: 40, 2: 15, 3: 3, 4: 2}, number),
        SSN=pl.lit(""),
        Address=(chance.below("house", 9_900, guarantor) + 1).cast(pl.String)
        + " "
        + chance.pick("street", words.STREETS, guarantor),
        Address2=chance.pick(
            "address2", ["", "", "", "Apt 4", "Unit #B", " ", "c/o O'Tarrin"], guarantor
        ),
        City=chance.pick("city", words.CITIES, guarantor),
        State=chance.pick("state", words.STATES, guarantor),
        Zip=chance.below("zip", 100_000, guarantor).cast(pl.String).str.zfill(5),
        HmPhone=pl.when(chance.chosen("landline", 300, guarantor))
        .then("(555)555-" + digits)
        .otherwise(pl.lit("")),
        WirelessPhone=pl.lit("555555")
        + chance.below("cell", 10_000, number).cast(pl.String).str.zfill(4),
        Email=pl.when(chance.chosen("email", 600, number))
        .then("p" + number.cast(pl.String) + "@example.invalid")
        .otherwise(pl.lit("")),
        FeeSched=pl.when(chance.chosen("feesched", 60, number)).then(2).otherwise(0),
        BillingType=chance.pick(
            "billing", definitions.numbers(definitions.BILLING_TYPE), guarantor
        ),
        AddrNote=note(practice, "addrnote", 60),
        FamFinUrgNote=note(practice, "famnote", 80),
        MedUrgNote=note(practice, "mednote", 90),
        ApptModNote=note(practice, "apptnote", 50),
        Salutation=pl.when(chance.chosen("salutation", 80, number))
        .then(pl.lit(None, dtype=pl.String))
        .otherwise(pl.lit("")),
        StudentStatus=chance.pick("student", ["", "", "N", "N", "F", "P"], number),
        HasIns=pl.when(insured(practice)).then(pl.lit("I")).otherwise(pl.lit("")),
        ChartNumber=pl.lit(""),
        EmployerNum=pl.lit(0),
        DateFirstVisit=pl.when(pl.col("active")).then("start").otherwise(pl.lit(BLANK_DATE)),
        Premed=chance.chosen("premed", 20, number).cast(pl.Int8),
        AskToArriveEarly=chance.weighted("early", {0: 95, 15: 4, 45: 1}, number),
        SuperFamily=pl.lit(0),
        TxtMsgOk=chance.weighted("text", {0: 60, 1: 30, 2: 10}, number),
        SecUserNumEntry=chance.below("patuser", practice.users, number) + 1,
        SecDateEntry="start",
        DateTimeDeceased=pl.when(pl.col("PatStatus") == 5)
        .then(pl.col("start").cast(pl.Datetime("us")))
        .otherwise(pl.lit(BLANK_DATE).cast(pl.Datetime("us"))),
        Urgency=pl.lit(0),
        SchedBeforeTime=pl.lit(None, dtype=pl.String),
        **{column: pl.col(column).fill_null(0) / 100 for column in BALANCES},
    )


def other_family(practice: Practice, stream: str, people: pl.DataFrame, number: pl.Expr) -> pl.Expr:
    """Return the head of some family of the cohort, seldom the patient's own."""
    heads = people.filter((pl.col("PatNum") == pl.col("Guarantor")) & (pl.col("PatStatus") == 0))[
        "PatNum"
    ]
    heads = heads if len(heads) else people["Guarantor"]
    return pl.lit(heads).gather(practice.chance.below(stream, len(heads), number))


def insured(practice: Practice) -> pl.Expr:
    """Tell whether a patient has a plan: families decide together, some members lack it."""
    chance = practice.chance
    return chance.chosen("insured", 560, pl.col("Guarantor")) & chance.chosen(
        "covered", 900, pl.col("PatNum")
    )


def name(
    practice: Practice, stream: str, usual: tuple[str, ...], odd: tuple[str, ...], number: pl.Expr
) -> pl.Expr:
    """Return an invented name; odd ones come first, so that the smallest clinic has them."""
    chance = practice.chance
    usually = chance.pick(f"{stream}.usual", usual, number)
    return (
        pl.when(number <= len(odd))
        .then(look_up(odd, (number - 1) % len(odd)))
        .when(chance.chosen(f"{stream}.odd", 40, number))
        .then(chance.pick(f"{stream}.which", odd, number))
        .otherwise(usually)
    )


def note(practice: Practice, stream: str, per_mille: int, key: str = "PatNum") -> pl.Expr:
    """Return a sentence for some rows; others are empty, a few ugly, fewer NULL."""
    chance, number = practice.chance, pl.col(key)
    draw = chance.below(f"{stream}.note", 1000, number)
    return (
        pl.when(draw < per_mille)
        .then(chance.pick(f"{stream}.text", words.SENTENCES, number))
        .when(draw < per_mille + 15)
        .then(chance.pick(f"{stream}.ugly", words.UGLY, number))
        .when(draw < per_mille + 20)
        .then(pl.lit(None, dtype=pl.String))
        .otherwise(pl.lit(""))
    )


def text(practice: Practice, stream: str, sentences: tuple[str, ...], key: str) -> pl.Expr:
    """Return one or two sentences for every row, ugly ones for two in a hundred.

    The first rows hold all ugly texts.
    """
    chance, number = practice.chance, pl.col(key)
    one = look_up(sentences, chance.below(f"{stream}.one", len(sentences), number))
    two = one + " " + look_up(sentences, chance.below(f"{stream}.two", len(sentences), number))
    draw = chance.below(f"{stream}.kind", 100, number)
    return (
        pl.when(number <= len(words.UGLY))
        .then(look_up(words.UGLY, (number - 1) % len(words.UGLY)))
        .when(draw < 2)
        .then(chance.pick(f"{stream}.ugly", words.UGLY, number))
        .when(draw < 50)
        .then(one)
        .otherwise(two)
    )


def patient_notes(practice: Practice, people: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `patientnote`."""
    return people.select(
        "PatNum",
        FamFinancial=note(practice, "famfin", 120),
        Medical=note(practice, "medical", 100),
        Service=pl.lit(""),
        MedicalComp=note(practice, "medcomp", 200),
        Treatment=note(practice, "treat", 70),
        ApptPhone=pl.lit(None, dtype=pl.String),
        ICEName=pl.lit(""),
        ICEPhone=pl.lit(""),
        SecDateTEntry=pl.col("start").cast(pl.Datetime("us")),
        OrthoMonthsTreatOverride=pl.lit(-1),
    )


def referrals(practice: Practice, people: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return who sent a patient (type 1), where he was sent (0) and others, in their order.

    The practice began to ask only a few years ago.
    """
    chance, number = practice.chance, pl.col("PatNum")
    asked = pl.col("start") >= practice.as_of - timedelta(days=_ASKED_DAYS)
    frame = people.filter(
        chance.below("referred", 1000, number) < pl.when(asked).then(640).otherwise(60)
    )
    frame = frame.with_columns(
        ItemOrder=pl.int_ranges(0, chance.weighted("referrals", {1: 70, 2: 22, 3: 8}, number))
    )
    frame = frame.explode("ItemOrder").with_columns(key=number * 8 + pl.col("ItemOrder"))
    key = pl.col("key")
    return frame.select(
        "PatNum",
        "ItemOrder",
        ReferralNum=chance.below("referral", count, key) + 1,
        RefDate=(pl.col("start") + pl.duration(days=pl.col("ItemOrder").cast(pl.Int64) * 90)).cast(
            pl.Date
        ),
        RefType=pl.when(pl.col("ItemOrder") == 0)
        .then(chance.weighted("reftype.first", {1: 94, 0: 5, 2: 1}, key))
        .otherwise(chance.weighted("reftype", {1: 30, 0: 60, 2: 10}, key)),
        Note=note(practice, "refnote", 30),
        DateProcComplete=pl.lit(BLANK_DATE),
    )
