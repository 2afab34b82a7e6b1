"""Insurance: plans, subscribers, coverage, claims, their procedures and the carriers' checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from deployments.clinic import catalog
from deployments.clinic.chance import look_up
from deployments.clinic.load import BLANK_DATE
from deployments.clinic.people import insured, note
from deployments.clinic.practice import Practice
from deployments.clinic.treatment import DONE, TP, break_codes

RECEIVED, PREAUTH, ADJUSTMENT, SUPPLEMENTAL, CAP_CLAIM, ESTIMATE, CAP_COMPLETE, CAP_ESTIMATE = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
)
_BENEFITS = 18
_CLAIMS_DAYS = 1_460
_UNSENT = ["U", "H", "W"]
_WAITING = ["W", "U", "S", "H", "S", "W", "S", "S", "I", "S", "S", "U", "S", "S"]


def plan_rows(practice: Practice) -> pl.DataFrame:
    chance, number = practice.chance, pl.col("PlanNum")
    return pl.select(PlanNum=pl.int_range(1, practice.plans + 1, dtype=pl.Int64)).select(
        "PlanNum",
        PlanType=_plan_type(practice),
        CarrierNum=_carrier(practice),
        GroupName=pl.lit("Group ") + number.cast(pl.String),
        GroupNum=(number * 7919 % 99991).cast(pl.String),
        PlanNote=note(practice, "plannote", 200, "PlanNum").fill_null(""),
        FeeSched=chance.below("planfee", 4, number),
        EmployerNum=chance.below("planemp", max(5, practice.rows("employer")), number) + 1,
        IsHidden=chance.chosen("planhidden", 80, number).cast(pl.Int8),
        SecDateEntry=pl.lit(practice.opened),
        OrthoAutoProcFreq=pl.lit(0),
        ClaimFormNum=pl.lit(1),
    )


def _plan_type(practice: Practice) -> pl.Expr:
    return practice.chance.weighted(
        "plantype", {"": 30, "p": 62, "c": 6, "f": 2}, pl.col("PlanNum")
    )


def _carrier(practice: Practice) -> pl.Expr:
    return practice.chance.below("plancarrier", practice.carriers, pl.col("PlanNum")) + 1


def benefits(practice: Practice) -> pl.DataFrame:
    """Percentages, maximum and deductible of each plan."""
    categories = pl.DataFrame({"CovCatNum": range(1, _BENEFITS + 1)})
    cover = pl.col("CovCatNum")
    return (
        pl.select(PlanNum=pl.int_range(1, practice.plans + 1, dtype=pl.Int64))
        .join(categories, how="cross")
        .select(
            "PlanNum",
            CovCatNum=pl.when(cover <= 15).then(cover).otherwise(0),
            BenefitType=pl.when(cover <= 15).then(1).when(cover == 16).then(5).otherwise(2),
            Percent=pl.when(cover <= 15).then(look_up([100, 80, 50], cover % 3)).otherwise(-1),
            MonetaryAmt=pl.when(cover == 16)
            .then(1500.0)
            .when(cover == 17)
            .then(50.0)
            .otherwise(-1.0),
            TimePeriod=pl.lit(2),
            SecDateTEntry=pl.lit(practice.opened).cast(pl.Datetime("us")),
        )
    )


def subscribers(practice: Practice, people: pl.DataFrame) -> pl.DataFrame:
    """One subscription for each insured family, a second one for some, and ended ones (ordinal 0)."""
    chance, number = practice.chance, pl.col("PatNum")
    ordinals = pl.DataFrame({"Ordinal": [0, 1, 2]})
    ordinal = pl.col("Ordinal")
    key = number * 4 + ordinal
    return (
        people.filter(
            (number == pl.col("Guarantor")) & chance.chosen("insured", 560, pl.col("Guarantor"))
        )
        .join(ordinals, how="cross")
        .sort("PatNum", "Ordinal")
        .filter(
            (ordinal == 1)
            | ((ordinal == 2) & chance.chosen("secondary", 150, number))
            | ((ordinal == 0) & chance.chosen("ended", 500, number))
        )
        .select(
            "start",
            "Ordinal",
            Subscriber=number,
            PlanNum=chance.below("plan", practice.plans, key) + 1,
        )
    )


def subscriber_rows(practice: Practice, subs: pl.DataFrame) -> pl.DataFrame:
    number = pl.col("InsSubNum")
    return subs.select(
        "InsSubNum",
        "PlanNum",
        "Subscriber",
        DateEffective="start",
        SecDateEntry="start",
        DateTerm=pl.when(pl.col("Ordinal") == 0).then("start").otherwise(pl.lit(BLANK_DATE)),
        SubscriberID=(number * 104_729 % 999_983).cast(pl.String),
        ReleaseInfo=pl.lit(1),
        AssignBen=pl.lit(1),
        SubscNote=note(practice, "subnote", 60, "InsSubNum").fill_null(""),
        BenefitNotes=note(practice, "bennote", 100, "InsSubNum").fill_null(""),
    )


def coverage(practice: Practice, people: pl.DataFrame, subs: pl.DataFrame) -> pl.DataFrame:
    """Who is covered by which subscription, first and second (`patplan`)."""
    return (
        people.filter(insured(practice))
        .join(
            subs.filter(pl.col("Ordinal") > 0).drop("start"),
            left_on="Guarantor",
            right_on="Subscriber",
        )
        .sort("PatNum", "Ordinal")
        .select(
            "PatNum",
            "InsSubNum",
            "Ordinal",
            "PlanNum",
            Relationship=pl.when(pl.col("PatNum") == pl.col("Guarantor")).then(0).otherwise(2),
            SecDateTEntry=pl.col("start").cast(pl.Datetime("us")),
            PatID=pl.lit(""),
            OrthoAutoNextClaimDate=pl.lit(BLANK_DATE),
            OrthoAutoFeeBilledOverride=pl.lit(-1.0),
        )
        .with_columns(PlanType=_plan_type(practice), CarrierNum=_carrier(practice))
    )


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims and what is on them; money in cents."""

    claims: pl.DataFrame
    procs: pl.DataFrame


def claims(
    practice: Practice, procs: pl.DataFrame, cover: pl.DataFrame, first_claim: int
) -> Claims:
    """Claims for some covered visits, to a second carrier too where there is one; estimates for the rest."""
    billed = _priced(practice, _billable(procs).join(_cover(cover, 1), on="PatNum"))
    billed = billed.with_columns(on_claim=_claimed(practice) & (pl.col("amount") > 0))
    heads = _heads(practice, billed.filter("on_claim"))
    lines = _lines(practice, billed, heads)
    second_heads, second_lines = _second_claims(practice, heads, lines, _cover(cover, 2))
    heads = pl.concat([heads, second_heads], how="diagonal_relaxed").sort(
        "service", "visit_key", "kind"
    )
    heads = heads.with_columns(
        ClaimNum=pl.int_range(first_claim, first_claim + pl.len(), dtype=pl.Int64)
    )
    lines = pl.concat([lines, second_lines, _supplements(practice, lines)], how="diagonal_relaxed")
    on_claim = pl.col("ClaimStatus").is_not_null() & (pl.col("Status") != ADJUSTMENT)
    lines = (
        lines.join(
            heads.select("visit_key", "kind", "ClaimNum"), on=["visit_key", "kind"], how="left"
        )
        .with_columns(ClaimNum=pl.when(on_claim).then("ClaimNum").otherwise(0).fill_null(0))
        .sort("day", "key", "kind", "Status")
    )
    return Claims(heads, lines)


def _billable(procs: pl.DataFrame) -> pl.DataFrame:
    return procs.filter(
        pl.col("ProcStatus").is_in([TP, DONE]) & ~pl.col("CodeNum").is_in(break_codes())
    )


def _cover(cover: pl.DataFrame, ordinal: int) -> pl.DataFrame:
    return cover.filter(pl.col("Ordinal") == ordinal).select(
        "PatNum", "InsSubNum", "PlanNum", "PlanType", "CarrierNum"
    )


def _claimed(practice: Practice) -> pl.Expr:
    """Half of the visits of the last years; older claims were left behind when the practice came to this software."""
    chance, visit, day = practice.chance, pl.col("visit_key"), pl.col("day")
    recent = day >= practice.as_of - timedelta(days=_CLAIMS_DAYS)
    share = pl.when(recent).then(560).otherwise(20)
    done = (pl.col("ProcStatus") == DONE) & (chance.below("claimed", 1000, visit) < share)
    asked = (
        (pl.col("ProcStatus") == TP)
        & (pl.col("PlanType") != "c")
        & chance.chosen("preauth", 350, visit)
    )
    return (visit > 0) & (done | asked)


def _priced(practice: Practice, procs: pl.DataFrame) -> pl.DataFrame:
    """What the carrier allows, pays and has written off for each procedure."""
    chance, key, fee = practice.chance, pl.col("key"), pl.col("amount")
    percent = chance.pick("percent", [100, 80, 80, 50], key)
    allowed = (
        pl.when(pl.col("PlanType") == "p")
        .then(fee * chance.between("allowed", 62, 95, key) // 100)
        .otherwise(fee)
    )
    return procs.with_columns(percent=percent, allowed=allowed).with_columns(
        estimate=pl.col("allowed") * pl.col("percent") // 100,
        off=fee - pl.col("allowed"),
        denied=chance.chosen("denied", 60, pl.col("visit_key")),
        zeroed=chance.chosen("zeroed", 25, pl.col("visit_key")),
        ded=chance.weighted("ded", {0: 95, 5000: 5}, key),
    )


def _heads(practice: Practice, billed: pl.DataFrame) -> pl.DataFrame:
    """One claim for each visit with billed procedures; the status follows from how long ago it was."""
    chance, number = practice.chance, pl.col("visit_key")
    heads = (
        billed.group_by("visit_key")
        .agg(
            pl.col(
                "PatNum",
                "ClinicNum",
                "InsSubNum",
                "PlanNum",
                "PlanType",
                "CarrierNum",
                "ProvNum",
                "day",
            ).first(),
            preauth=(pl.col("ProcStatus") == TP).all(),
            denied=pl.col("denied").first(),
        )
        .sort("day", "visit_key")
    )
    asked = pl.lit(practice.as_of) - pl.duration(
        days=chance.between("preauth.asked", 4, 90, number)
    )
    service = pl.when("preauth").then(asked.cast(pl.Date)).otherwise("day")
    heads = heads.with_columns(
        service=pl.min_horizontal(service, pl.lit(practice.as_of - timedelta(days=1)))
    )
    sent = pl.col("service") + pl.duration(days=chance.below("sent", 4, number))
    heads = heads.with_columns(
        sent=sent,
        received=sent + pl.duration(days=chance.between("turnaround", 7, 55, number)),
        kind=pl.lit("P"),
    )
    return heads.with_columns(
        ClaimStatus=_claim_status(practice),
        ClaimType=pl.when("preauth")
        .then(pl.lit("PreAuth"))
        .when(pl.col("PlanType") == "c")
        .then(pl.lit("Cap"))
        .otherwise(pl.lit("P")),
    )


def _claim_status(practice: Practice) -> pl.Expr:
    """Received, or in turn one of the states of waiting; some are slow for months, and the cohort's last ones wait."""
    today, number = pl.lit(practice.as_of), pl.col("visit_key")
    slow = (pl.col("service") > today - timedelta(days=150)) & practice.chance.chosen(
        "slow", 110, number
    )
    from_last = pl.len() - 1 - pl.int_range(pl.len(), dtype=pl.Int64)
    late = (pl.col("received") >= today) | (from_last < len(_WAITING) // 2)
    return (
        pl.when(~late & ~slow)
        .then(pl.lit("R"))
        .when(late)
        .then(look_up(_WAITING, from_last % len(_WAITING)))
        .otherwise(pl.lit("S"))
    )


def _lines(practice: Practice, billed: pl.DataFrame, heads: pl.DataFrame) -> pl.DataFrame:
    heads = heads.select("visit_key", "ClaimStatus", "received", "preauth")
    done, capitation = pl.col("ProcStatus") == DONE, pl.col("PlanType") == "c"
    got = pl.col("ClaimStatus") == "R"
    nothing = pl.col("preauth") | capitation | (got & (pl.col("denied") | pl.col("zeroed")))
    on_claim = billed.filter("on_claim").join(heads, on="visit_key", how="left")
    claimed = on_claim.filter(pl.col("preauth") | (pl.col("ProcStatus") == DONE)).with_columns(
        Status=pl.when("preauth")
        .then(PREAUTH)
        .when(got & capitation)
        .then(CAP_CLAIM)
        .when(got)
        .then(RECEIVED)
        .otherwise(0),
        paid=pl.when(got & ~nothing)
        .then(pl.max_horizontal(pl.col("estimate") - pl.col("ded"), 0))
        .otherwise(0),
        written_off=pl.when(nothing).then(0).otherwise("off"),
    )
    rest = (
        billed.filter(~pl.col("on_claim"))
        .with_columns(
            Status=pl.when(capitation & done)
            .then(CAP_COMPLETE)
            .when(capitation)
            .then(CAP_ESTIMATE)
            .otherwise(ESTIMATE),
            paid=pl.lit(0),
            written_off=pl.when(capitation & done).then(pl.col("amount") * 3 // 10).otherwise(0),
        )
        .filter(capitation | ~done | practice.chance.chosen("estimated", 650, pl.col("key")))
    )
    return pl.concat([claimed, rest], how="diagonal_relaxed").with_columns(kind=pl.lit("P"))


def _second_claims(
    practice: Practice, heads: pl.DataFrame, lines: pl.DataFrame, cover: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The second carrier is asked for half of the rest: the claim is held until the first has answered."""
    chance, number = practice.chance, pl.col("visit_key")
    own = ["InsSubNum", "PlanNum", "PlanType", "CarrierNum"]
    first = (
        heads.filter(pl.col("ClaimType") == "P")
        .drop(own)
        .join(cover.filter(pl.col("PlanType") != "c"), on="PatNum")
    )
    answered = pl.col("ClaimStatus") == "R"
    received = pl.col("received") + pl.duration(
        days=chance.between("turnaround.second", 8, 30, number)
    )
    second = first.with_columns(
        kind=pl.lit("S"),
        ClaimType=pl.lit("S"),
        sent=pl.col("received"),
        received=received,
        denied=pl.lit(value=False),
        ClaimStatus=pl.when(answered & (received < practice.as_of))
        .then(pl.lit("R"))
        .otherwise(pl.when(answered).then(pl.lit("S")).otherwise(pl.lit("H"))),
    )
    status = pl.col("Status")
    covered = pl.when(status == RECEIVED).then("paid").otherwise("estimate") + pl.col("written_off")
    rest = (pl.col("amount") - covered).clip(0, None) // 2
    again = lines.filter(
        pl.col("ClaimStatus").is_not_null() & status.is_in([0, RECEIVED])
    ).with_columns(estimate=rest)
    again = again.drop([*own, "ClaimStatus", "received", "denied", "kind"]).join(
        second.select("visit_key", *own, "ClaimStatus", "received", "denied", "kind"),
        on="visit_key",
    )
    got = pl.col("ClaimStatus") == "R"
    again = again.filter(pl.col("estimate") > 0).with_columns(
        Status=got.cast(pl.Int32),
        paid=pl.when(got).then("estimate").otherwise(0),
        written_off=pl.lit(0),
        off=pl.lit(0),
        ded=pl.lit(0),
    )
    return second.join(again.select("visit_key").unique(), on="visit_key", how="semi"), again


def _supplements(practice: Practice, lines: pl.DataFrame) -> pl.DataFrame:
    """Second payments on received procedures, also after a denial; and yearly benefit adjustments that are no money."""
    chance, key = practice.chance, pl.col("key")
    received = lines.filter(pl.col("Status") == RECEIVED)
    zero = {name: pl.lit(0) for name in ("amount", "written_off", "ded", "off")}
    denied = pl.col("denied")
    appealed = denied & chance.chosen("appealed", 250, pl.col("visit_key"))
    lag = chance.between("supplement.lag", 15, 60, pl.col("visit_key"))
    more = (
        received.filter(
            appealed | (~denied & (pl.col("paid") > 0) & chance.chosen("supplement", 40, key))
        )
        .with_columns(
            Status=pl.lit(SUPPLEMENTAL),
            paid=pl.when(denied).then("estimate").otherwise(1234),
            received=pl.col("received") + pl.duration(days=lag),
            **zero,
        )
        .filter(pl.col("received") < practice.as_of)
        .with_columns(estimate=pl.lit(0))
    )
    used = lines.filter(
        (pl.col("Status") == ESTIMATE) & chance.chosen("benefit", 6, key)
    ).with_columns(
        Status=pl.lit(ADJUSTMENT),
        paid=pl.lit(20000),
        ProcNum=pl.lit(0, dtype=pl.Int64),
        estimate=pl.lit(0),
        **zero,
    )
    return pl.concat([more, used], how="diagonal_relaxed")


def checks(
    practice: Practice, lines: pl.DataFrame, first: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Carriers' payments, and the lines with the payment they belong to."""
    paid = pl.col("Status").is_in([RECEIVED, SUPPLEMENTAL])
    settled = paid & (pl.col("received") < practice.as_of - timedelta(days=3))
    grouped = (
        lines.filter(settled)
        .group_by("CarrierNum", "received")
        .agg(cents=pl.col("paid").sum(), ClinicNum=pl.col("ClinicNum").first())
        .sort("received", "CarrierNum")
    )
    grouped = grouped.with_columns(
        ClaimPaymentNum=pl.int_range(first, first + pl.len(), dtype=pl.Int64)
    )
    numbers = grouped.select("CarrierNum", "received", "ClaimPaymentNum")
    lines = lines.join(numbers, on=["CarrierNum", "received"], how="left", maintain_order="left")
    lines = lines.with_columns(
        ClaimPaymentNum=pl.when(settled).then("ClaimPaymentNum").otherwise(0).fill_null(0)
    )
    return grouped, lines


def check_rows(practice: Practice, grouped: pl.DataFrame) -> pl.DataFrame:
    chance, number = practice.chance, pl.col("ClaimPaymentNum")
    return grouped.select(
        "ClaimPaymentNum",
        "ClinicNum",
        CheckDate="received",
        DateIssued="received",
        SecDateEntry="received",
        CheckAmt=pl.col("cents") / 100,
        CheckNum=(number * 31 % 99_991).cast(pl.String),
        BankBranch=pl.lit(""),
        Note=note(practice, "checknote", 30, "ClaimPaymentNum"),
        CarrierName=pl.lit("Carrier ") + pl.col("CarrierNum").cast(pl.String),
        PayType=chance.pick("checktype", catalog.def_numbers(catalog.INSURANCE_PAYMENT), number),
    )


def entry_day() -> pl.Expr:
    """The day of a claim procedure in the account (DateCP)."""
    return (
        pl.when(pl.col("Status").is_in([RECEIVED, SUPPLEMENTAL])).then("received").otherwise("day")
    )


def line_rows(practice: Practice, lines: pl.DataFrame) -> pl.DataFrame:
    """The columns of `claimproc`; −1 where OpenDental means "not set"."""
    status = pl.col("Status")
    received = status.is_in([RECEIVED, SUPPLEMENTAL])
    estimated = ~status.is_in([SUPPLEMENTAL, ADJUSTMENT])
    money = {
        name: pl.col(column) / 100
        for name, column in (
            ("InsPayAmt", "paid"),
            ("WriteOff", "written_off"),
            ("DedApplied", "ded_applied"),
        )
    }
    lines = lines.with_columns(ded_applied=pl.when(status == RECEIVED).then("ded").otherwise(0))
    tracking = practice.chance.pick(
        "tracking", catalog.def_numbers(catalog.PAYMENT_TRACKING), pl.col("ClaimProcNum")
    )
    return lines.select(
        "ClaimProcNum",
        "ProcNum",
        "ClaimNum",
        "PatNum",
        "ProvNum",
        "ClinicNum",
        "PlanNum",
        "InsSubNum",
        "ClaimPaymentNum",
        "PayPlanNum",
        Status=status,
        **money,
        FeeBilled=pl.when(pl.col("ClaimNum") > 0).then("amount").otherwise(0) / 100,
        InsPayEst=pl.when(pl.col("ClaimNum") > 0).then("estimate").otherwise(0) / 100,
        BaseEst=pl.when(estimated).then("estimate").otherwise(0) / 100,
        InsEstTotal=pl.when(estimated).then("estimate").otherwise(0) / 100,
        WriteOffEst=pl.when(estimated & (pl.col("off") > 0))
        .then(pl.col("off") / 100)
        .otherwise(-1.0),
        Percentage=pl.when(estimated).then("percent").otherwise(-1),
        PercentOverride=pl.lit(-1),
        AllowedOverride=pl.when(
            received & practice.chance.chosen("allowedover", 300, pl.col("ClaimProcNum"))
        )
        .then(pl.col("allowed") / 100)
        .otherwise(-1.0),
        **{
            name: pl.lit(-1.0)
            for name in (
                "CopayAmt",
                "PaidOtherIns",
                "CopayOverride",
                "DedEst",
                "DedEstOverride",
                "InsEstTotalOverride",
                "PaidOtherInsOverride",
                "WriteOffEstOverride",
            )
        },
        DateCP=entry_day(),
        ProcDate="day",
        DateEntry="day",
        SecDateEntry="day",
        DateSuppReceived=pl.when(status == SUPPLEMENTAL)
        .then("received")
        .otherwise(pl.lit(BLANK_DATE)),
        DateInsFinalized=pl.when(pl.col("ClaimPaymentNum") > 0)
        .then("received")
        .otherwise(pl.lit(BLANK_DATE)),
        CodeSent=pl.lit(""),
        Remarks=note(practice, "remarks", 40, "ClaimProcNum"),
        EstimateNote=pl.lit(""),
        ClaimPaymentTracking=pl.when(pl.col("denied") & received).then(tracking).otherwise(0),
    )


def claim_rows(practice: Practice, found: Claims) -> pl.DataFrame:
    """The columns of `claim`, totals taken from its lines."""
    totals = (
        found.procs.filter(pl.col("ClaimNum") > 0)
        .group_by("ClaimNum")
        .agg(
            fee=pl.col("amount").sum(),
            est=pl.col("estimate").sum(),
            paid=pl.col("paid").sum(),
            off=pl.col("written_off").sum(),
            ded=pl.col("ded").filter(pl.col("Status") == RECEIVED).sum(),
        )
    )
    status, number, chance = pl.col("ClaimStatus"), pl.col("ClaimNum"), practice.chance
    unsent = status.is_in(_UNSENT)
    blank = pl.lit(BLANK_DATE)
    again = pl.col("sent") + pl.duration(days=20)
    resent = chance.chosen("resent", 80, number) & (
        again < pl.min_horizontal("received", pl.lit(practice.as_of))
    )
    return found.claims.join(totals, on="ClaimNum", how="left", maintain_order="left").select(
        "ClaimNum",
        "PatNum",
        "ClinicNum",
        "PlanNum",
        "InsSubNum",
        "ClaimType",
        ClaimStatus=status,
        ProvTreat="ProvNum",
        ProvBill=pl.lit(1),
        SecDateEntry="service",
        DateService=pl.when(pl.col("preauth") | chance.chosen("noservice", 4, number))
        .then(blank)
        .otherwise("service"),
        DateSent=pl.when(unsent).then(blank).when(resent).then(again).otherwise("sent"),
        DateSentOrig=pl.when(unsent).then(blank).otherwise("sent"),
        DateReceived=pl.when(status == "R").then("received").otherwise(blank),
        ClaimFee=pl.col("fee").fill_null(0) / 100,
        InsPayEst=pl.col("est").fill_null(0) / 100,
        InsPayAmt=pl.col("paid").fill_null(0) / 100,
        WriteOff=pl.col("off").fill_null(0) / 100,
        DedApplied=pl.col("ded").fill_null(0) / 100,
        IsProsthesis=chance.weighted("prosth", {"N": 96, "I": 3, "": 1}, number),
        ClaimNote=note(practice, "claim.note", 60, "ClaimNum"),
        ReasonUnderPaid=note(practice, "underpaid", 20, "ClaimNum"),
        Narrative=note(practice, "narrative", 80, "ClaimNum").fill_null(""),
        ClaimForm=pl.lit(1),
        PatRelat=pl.lit(0),
        AttachedFlags=pl.lit("Mail"),
        EmployRelated=pl.lit(0),
        PlaceService=pl.lit(0),
        AccidentRelated=pl.lit(""),
        SecUserNumEntry=chance.below("claimuser", practice.users, number) + 1,
        MedType=pl.lit(0),
        ClaimIdentifier=pl.col("PatNum").cast(pl.String) + "/" + number.cast(pl.String),
    )


def tracking_rows(practice: Practice, found: Claims) -> pl.DataFrame:
    """What was noted of claims under way, and why some were denied."""
    chance, number = practice.chance, pl.col("ClaimNum")
    known = found.claims.filter(pl.col("ClaimStatus") != "U").select(
        "ClaimNum", "ClaimStatus", "denied"
    )
    refused = known.filter((pl.col("ClaimStatus") == "R") & pl.col("denied")).with_columns(
        kind=pl.lit("ClaimProcReceived")
    )
    followed = known.with_columns(kind=pl.lit("StatusHistory"))
    error = catalog.def_numbers(catalog.CLAIM_ERROR)
    is_refusal = pl.col("kind") == "ClaimProcReceived"
    asked = known.filter(chance.chosen("asked.again", 170, number)).with_columns(
        kind=pl.lit("ClaimUser")
    )
    return (
        pl.concat([followed, asked, refused])
        .sort("ClaimNum", "kind")
        .select(
            "ClaimNum",
            TrackingType="kind",
            UserNum=chance.below("track.user", practice.users, number) + 1,
            Note=note(practice, "track.note", 400, "ClaimNum").fill_null(""),
            TrackingDefNum=pl.when(is_refusal)
            .then(0)
            .otherwise(
                chance.pick("track.def", catalog.def_numbers(catalog.CLAIM_TRACKING), number)
            ),
            TrackingErrorDefNum=pl.when(is_refusal)
            .then(chance.pick("track.error", error, number))
            .otherwise(0),
        )
    )


def snapshots(found: Claims) -> pl.DataFrame:
    """What each claim procedure looked like when the claim was made."""
    lines = found.procs.filter((pl.col("ClaimNum") > 0) & pl.col("Status").is_in([0, RECEIVED]))
    return lines.select(
        "ProcNum",
        "ClaimProcNum",
        ClaimType="kind",
        Fee=pl.col("amount") / 100,
        InsPayEst=pl.col("estimate") / 100,
        Writeoff=pl.when(pl.col("off") > 0).then(pl.col("off") / 100).otherwise(-1.0),
        DateTEntry=pl.col("day").cast(pl.Datetime("us")) + pl.duration(hours=23),
        SnapshotTrigger=pl.lit(0),
    )


def blue_book(lines: pl.DataFrame) -> pl.DataFrame:
    """What carriers were seen to pay."""
    return lines.filter((pl.col("Status") == RECEIVED) & (pl.col("paid") > 0)).select(
        "ProcNum",
        "PlanNum",
        "CarrierNum",
        "ClaimNum",
        ProcCodeNum="CodeNum",
        InsPayAmt=pl.col("paid") / 100,
        AllowedOverride=pl.lit(-1.0),
        ProcDate="day",
        DateTEntry=pl.col("received").cast(pl.Datetime("us")),
        ClaimType="kind",
        GroupNum=pl.lit(""),
    )
