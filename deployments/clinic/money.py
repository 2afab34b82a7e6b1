"""What patients owe and pay: payments and their splits. Whole cents until written."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from deployments.clinic import definitions
from deployments.clinic.load import BLANK_DATE
from deployments.clinic.people import note, other_family
from deployments.clinic.practice import Practice
from deployments.clinic.treatment import DONE

_PARTS_PER_VISIT = 8
_POST_DATED_CHEQUES = 3
_EARNED, _TOO_MUCH, _TRANSFER, _REFUND, _PREPAYMENT = 3, 4, 5, 6, 7


def owed(
    practice: Practice, procs: pl.DataFrame, lines: pl.DataFrame, adjusted: pl.DataFrame
) -> pl.DataFrame:
    """Return completed procedures with what the patient still owes after insurance.

    Adjustments are counted too; `parts` is in how many parts the patient pays.
    """
    insurance = (
        lines.filter((pl.col("ProcNum") > 0) & pl.col("Status").is_in([0, 1, 4, 5, 7]))
        .group_by("ProcNum")
        .agg(
            covered=pl.when(pl.col("Status") == 0)
            .then(pl.col("estimate") + pl.col("written_off"))
            .otherwise(pl.col("paid") + pl.col("written_off"))
            .sum()
        )
    )
    attached = pl.col("cents").filter(pl.col("ProcNum") > 0).sum()
    changed = adjusted.group_by(pl.col("of").alias("ProcNum")).agg(
        changed=pl.col("cents").sum(), attached=attached
    )
    done = procs.filter((pl.col("ProcStatus") == DONE) & (pl.col("visit_key") > 0))
    left = pl.col("amount") - pl.col("covered").fill_null(0) + pl.col("changed").fill_null(0)
    return (
        done.join(insurance, on="ProcNum", how="left", maintain_order="left")
        .join(changed, on="ProcNum", how="left", maintain_order="left")
        .with_columns(
            due=left,
            attached=pl.col("attached").fill_null(0),
            parts=practice.chance.weighted("parts", {0: 10, 1: 57, 2: 33}, pl.col("visit_key")),
        )
        .select(*_OWED)
        .filter(pl.col("due") > 0)
    )


_OWED = tuple(
    "PatNum ClinicNum ProvNum ProcNum visit_key key day due Guarantor amount attached parts".split()
)


def comes_late(practice: Practice) -> pl.Expr:
    """Tell whether a visit that was not paid is paid late."""
    return practice.chance.chosen("paidlate", 350, pl.col("visit_key"))


def splits(practice: Practice, people: pl.DataFrame, due: pl.DataFrame) -> pl.DataFrame:
    """Return everything patients paid, one row for each procedure and part.

    `pay_key` groups the rows into payments, and `payer` made them.
    """
    paying = due.filter(pl.col("parts") > 0)
    ahead = _prepayments(practice, paying)
    prepaid = ahead.group_by("ProcNum").agg(prepaid=pl.col("cents").sum())
    rest = (
        due.join(prepaid, on="ProcNum", how="left", maintain_order="left")
        .with_columns(due=pl.col("due") - pl.col("prepaid").fill_null(0))
        .drop("prepaid")
    )
    parts = [
        _parts(practice, rest),
        _transfers(practice, paying),
        _refunds(practice, paying),
        _in_advance(ahead),
    ]
    visit = pl.col("visit_key")
    elsewhere = practice.chance.chosen("payer.elsewhere", 12, visit) & (pl.col("kind") == 0)
    known = _paid_so_far(
        practice, pl.concat(parts, how="diagonal_relaxed").filter(pl.col("cents") != 0)
    )
    return known.with_columns(
        payer=pl.when(elsewhere)
        .then(other_family(practice, "payer", people, visit))
        .otherwise("Guarantor"),
        PayPlanNum=pl.lit(0, dtype=pl.Int64),
        PayPlanChargeNum=pl.lit(0, dtype=pl.Int64),
    )


def _paid_so_far(practice: Practice, found: pl.DataFrame) -> pl.DataFrame:
    """Return what was paid before the day of creation, and the next payments.

    Those are post-dated cheques.
    """
    coming = found.filter(
        (pl.col("day") > practice.as_of + timedelta(days=3))
        & (pl.col("kind") == 0)
        & (pl.col("ProcNum") > 0)
    )
    ahead = (
        coming.sort("day", "pay_key")["pay_key"]
        .unique(maintain_order=True)
        .head(_POST_DATED_CHEQUES)
    )
    return found.filter((pl.col("day") < practice.as_of) | pl.col("pay_key").is_in(ahead.implode()))


def _parts(practice: Practice, due: pl.DataFrame) -> pl.DataFrame:
    """Return payments of a visit in one or two parts; some who paid nothing pay late."""
    chance, visit, part = practice.chance, pl.col("visit_key"), pl.col("part")
    frame = due.with_columns(late=(pl.col("parts") == 0) & comes_late(practice))
    frame = frame.with_columns(parts=pl.when("late").then(1).otherwise("parts"))
    frame = (
        frame.with_columns(part=pl.int_ranges(0, pl.col("parts")))
        .explode("part")
        .drop_nulls("part")
    )
    share = pl.col("due") // pl.col("parts")
    last = part == pl.col("parts") - 1
    lag = part * 30 + chance.below("paylag", 25, visit) + pl.when("late").then(90).otherwise(0)
    frame = frame.with_columns(
        cents=pl.when(last).then(pl.col("due") - share * part).otherwise(share),
        day=pl.col("day") + pl.duration(days=lag),
        pay_key=visit * _PARTS_PER_VISIT + part,
        proc_day=pl.col("day"),
        UnearnedType=pl.lit(0),
        kind=pl.lit(0),
    )
    return pl.concat([frame, _through_unearned(practice, frame)], how="diagonal_relaxed")


def _through_unearned(practice: Practice, paid: pl.DataFrame) -> pl.DataFrame:
    """Return two more splits for money that was unearned at first; they add up to nothing."""
    prepayment = definitions.number(definitions.UNEARNED, "Prepayment")
    first = paid.filter(
        practice.chance.chosen("first.unearned", 450, pl.col("pay_key"))
    ).with_columns(
        ProcNum=pl.lit(0, dtype=pl.Int64),
        UnearnedType=pl.lit(prepayment),
        proc_day=pl.lit(None, dtype=pl.Date),
    )
    return pl.concat([first, first.with_columns(cents=-pl.col("cents"))])


def _transfers(practice: Practice, due: pl.DataFrame) -> pl.DataFrame:
    """Return income moved between providers: payments of type 0 that add up to nothing."""
    chance, visit = practice.chance, pl.col("visit_key")
    moved = due.filter(chance.chosen("transfer", 90, visit)).with_columns(
        day=pl.col("day") + pl.duration(days=60),
        pay_key=visit * _PARTS_PER_VISIT + _TRANSFER,
        proc_day=pl.col("day"),
        UnearnedType=pl.lit(0),
        kind=pl.lit(1),
    )
    other = pl.when(pl.col("ProvNum") == 1).then(2).otherwise(1)
    return pl.concat(
        [
            moved.with_columns(cents=-pl.col("due")),
            moved.with_columns(cents="due", ProvNum=other.cast(pl.Int64)),
        ],
        how="vertical_relaxed",
    )


def _refunds(practice: Practice, due: pl.DataFrame) -> pl.DataFrame:
    """Return what some paid too much, and the most of it that they got back."""
    visit = pl.col("visit_key")
    refunded = due.filter(practice.chance.chosen("refund", 15, visit)).unique(
        "visit_key", keep="first", maintain_order=True
    )
    frame = refunded.with_columns(
        cents=pl.col("due") // 4,
        day=pl.col("day") + pl.duration(days=31),
        proc_day=pl.col("day"),
        pay_key=visit * _PARTS_PER_VISIT + _TOO_MUCH,
        UnearnedType=pl.lit(0),
        kind=pl.lit(0),
    )
    back = frame.filter(practice.chance.chosen("refunded", 900, visit)).with_columns(
        cents=-pl.col("cents"),
        day=pl.col("proc_day") + pl.duration(days=50),
        pay_key=visit * _PARTS_PER_VISIT + _REFUND,
        kind=pl.lit(2),
    )
    return pl.concat([frame, back], how="vertical_relaxed")


def _prepayments(practice: Practice, due: pl.DataFrame) -> pl.DataFrame:
    """Return halves of bills taken in advance, some as a hidden type that reports leave out."""
    chance, visit = practice.chance, pl.col("visit_key")
    ahead = due.filter(chance.chosen("prepay", 25, visit)).unique(
        "visit_key", keep="first", maintain_order=True
    )
    return ahead.with_columns(
        cents=pl.col("due") // 2,
        proc_day=pl.col("day"),
        UnearnedType=chance.pick("unearned", definitions.numbers(definitions.UNEARNED), visit),
    )


def _in_advance(ahead: pl.DataFrame) -> pl.DataFrame:
    """Return prepayments: taken without a procedure, and moved to it when it was done."""
    visit, unearned = pl.col("visit_key"), pl.col("UnearnedType")
    nowhere = {"ProcNum": pl.lit(0, dtype=pl.Int64), "proc_day": pl.lit(None, dtype=pl.Date)}
    taken = ahead.with_columns(
        day=pl.col("day") - pl.duration(days=5),
        pay_key=visit * _PARTS_PER_VISIT + _PREPAYMENT,
        kind=pl.lit(0),
        **nowhere,
    )
    moved = ahead.with_columns(
        day=pl.col("day") + pl.duration(days=2),
        pay_key=visit * _PARTS_PER_VISIT + _EARNED,
        kind=pl.lit(1),
    )
    from_unearned = moved.with_columns(cents=-pl.col("cents"), UnearnedType=unearned, **nowhere)
    to_procedure = moved.with_columns(UnearnedType=pl.lit(0))
    return pl.concat([taken, from_unearned, to_procedure], how="diagonal_relaxed")


def in_order(*parts: pl.DataFrame) -> pl.DataFrame:
    """Return the splits in order of their day."""
    order = ("day", "pay_key", "key", "ProcNum", "UnearnedType", "ProvNum", "cents")
    return pl.concat(parts, how="diagonal_relaxed").sort(*order)


def hidden_unearned() -> list[int]:
    """Return the types of unearned income that reports leave out."""
    return [
        d.number
        for d in definitions.all_definitions()
        if d.category == definitions.UNEARNED and d.value
    ]


def payments(found: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return one payment for each `pay_key`, with the sum of its splits."""
    grouped = (
        found.group_by("pay_key")
        .agg(
            pl.col("day", "kind", "ClinicNum").first(),
            PatNum=pl.col("payer").first(),
            cents=pl.col("cents").sum(),
            parts=pl.len(),
        )
        .sort("day", "pay_key")
    )
    return grouped.with_columns(PayNum=pl.int_range(first, first + pl.len(), dtype=pl.Int64))


def payment_rows(practice: Practice, paid: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `payment`."""
    chance, number, kind = practice.chance, pl.col("PayNum"), pl.col("kind")
    usual = [
        d.number
        for d in definitions.all_definitions()
        if d.category == definitions.PAYMENT_TYPE and "Refund" not in d.name
    ]
    refund = definitions.number(definitions.PAYMENT_TYPE, "Patient Refund")
    return paid.select(
        "PayNum",
        "PatNum",
        "ClinicNum",
        PayDate="day",
        DateEntry="day",
        PayAmt=pl.col("cents") / 100,
        PayType=pl.when(kind == 1)
        .then(0)
        .when(kind == 2)
        .then(refund)
        .otherwise(chance.pick("paytype", usual, number)),
        CheckNum=chance.pick("checkno", ["", "", "1024", "#77", "2231"], number),
        BankBranch=pl.lit(""),
        PayNote=note(practice, "paynote", 150, "PayNum").fill_null(""),
        Receipt=pl.lit(""),
        IsSplit=(pl.col("parts") > 1).cast(pl.Int8),
        RecurringChargeDate=pl.lit(BLANK_DATE),
        SecUserNumEntry=chance.below("payuser", practice.users, number) + 1,
    )


def split_rows(practice: Practice, found: pl.DataFrame, paid: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `paysplit`."""
    return found.join(paid.select("pay_key", "PayNum"), on="pay_key", maintain_order="left").select(
        "PayNum",
        "PatNum",
        "ClinicNum",
        "ProvNum",
        "ProcNum",
        "UnearnedType",
        "PayPlanNum",
        "PayPlanChargeNum",
        SplitAmt=pl.col("cents") / 100,
        DatePay="day",
        DateEntry="day",
        ProcDate=pl.col("proc_day").fill_null(BLANK_DATE),
        SecUserNumEntry=practice.chance.below("splituser", practice.users, pl.col("key")) + 1,
    )
