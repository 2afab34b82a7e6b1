"""Creates a clinic: its lists, then patients in chunks with all that happened, then the logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl
from pymysql.connections import Connection
from pymysql.err import ProgrammingError

from deployments.clinic import (
    adjustments,
    catalog,
    claim_rows,
    claims,
    filler,
    hours,
    insurance,
    ledger,
    money,
    people,
    plans,
    rooms,
    treatment,
    treatment_plans,
    visits,
)
from deployments.clinic.load import (
    MARK,
    UNFINISHED,
    ClinicError,
    Loader,
    bulk_loading,
    create_tables,
    keys_disabled,
    opendental_session,
)
from deployments.clinic.practice import Practice
from deployments.clinic.schema import tables

_BIG = 50_000


@dataclass(frozen=True, slots=True)
class ClinicSummary:
    """What was made."""

    patients: int
    seed: int
    as_of: date
    rows: int
    seconds: float
    counts: dict[str, int] = field(repr=False)


def create(
    connection: Connection[Any],
    patients: int = 300,
    seed: int = 1,
    as_of: date | None = None,
    *,
    replace: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> ClinicSummary:
    """Fill the connection's current database with a clinic.

    It raises ClinicError, and touches nothing, where there are tables of somebody else's.
    """
    started = time.monotonic()
    # A practice lives by its own calendar.
    practice = Practice(patients, seed, as_of or date.today())  # noqa: DTZ011
    _make_room(connection, replace)
    with opendental_session(connection), bulk_loading(connection) as bulk:
        loader = Loader(connection, practice.chance, practice.now, bulk, say)
        create_tables(loader)
        say(f"{len(tables())} tables created")
        big = [name for name in tables() if practice.rows(name) > _BIG]
        with keys_disabled(loader, big):
            _fill(loader, practice)
        _write_zero_dates(loader)
        _mark(loader, practice)
        connection.commit()
    return ClinicSummary(
        patients,
        seed,
        practice.as_of,
        sum(loader.counts.values()),
        time.monotonic() - started,
        {table: loader.count(table) for table in tables()},
    )


def _make_room(connection: Connection[Any], replace: bool) -> None:
    """Drop an unfinished or replaced clinic; raise ClinicError if the tables are not ours."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DATABASE()")
        (name,) = cursor.fetchone() or (None,)
        if not name:
            raise ClinicError(
                "The connection has no current database: name the one for the clinic."
            )
        cursor.execute(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
        )
        present = {row[0] for row in cursor.fetchall()}
        if not present:
            return
        mark = read_mark(connection) if present <= set(tables()) else None
        if mark is None:
            raise ClinicError(
                f"Database {name} already holds {len(present)} tables "
                "that are not a synthetic clinic's; choose an empty database."
            )
        if not replace and mark != UNFINISHED:
            raise ClinicError(
                f"Database {name} already holds a synthetic clinic; add --replace to replace it."
            )
        for table in [*sorted(present - {"preference"}), "preference"]:
            cursor.execute(f"DROP TABLE `{table}`")


def read_mark(connection: Connection[Any]) -> str | None:
    """Return the mark that a clinic carries; None if there is none."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT ValueString FROM preference WHERE PrefName = %s", (MARK,))
        except ProgrammingError:
            return None
        row = cursor.fetchone()
    return str(row[0]) if row else None


def finished_mark(connection: Connection[Any]) -> str:
    """Return the mark of a finished clinic; raise ClinicError if there is none."""
    mark = read_mark(connection)
    if mark is None:
        raise ClinicError(
            "There is no synthetic clinic in this database: "
            "python -m deployments.clinic create makes one."
        )
    if mark == UNFINISHED:
        raise ClinicError("The synthetic clinic in this database is unfinished: create it again.")
    return mark


def read_size(connection: Connection[Any]) -> dict[str, int]:
    """Return the number of rows of each table of a clinic."""
    finished_mark(connection)
    with connection.cursor() as cursor:
        counts = {}
        for table in tables():
            cursor.execute(f"SELECT COUNT(*) FROM `{table}`")
            (counts[table],) = cursor.fetchone() or (0,)
    return counts


def _mark(loader: Loader, practice: Practice) -> None:
    value = f"{practice.patients} {practice.seed} {practice.as_of} {practice.as_of}"
    loader.execute(f"UPDATE preference SET ValueString = '{value}' WHERE PrefName = '{MARK}'")


def _write_zero_dates(loader: Loader) -> None:
    """Write dates that only a blank sql_mode accepts, as old versions left them."""
    loader.execute(
        "UPDATE patient SET AdmitDate = '0000-00-00', DateTStamp = DateTStamp WHERE PatNum % 97 = 5"
    )
    loader.execute(
        "UPDATE sheet SET DateTimeSheet = '0000-00-00 00:00:00' WHERE SheetNum % 211 = 3"
    )


def _fill(loader: Loader, practice: Practice) -> None:
    catalog.write_catalog(loader, practice)
    loader.append("operatory", rooms.operatories(practice))
    filler.fill_lists(loader, practice)
    loader.append("insplan", insurance.plan_rows(practice))
    loader.append("benefit", insurance.benefits(practice))
    parts = []
    book = rooms.Book.of(practice, visits.APPOINTMENT_DAYS, visits.AHEAD_DAYS + 40)
    for first in range(1, practice.patients + 1, people.COHORT):
        last = min(first + people.COHORT - 1, practice.patients)
        parts.append(_write_chunk(loader, practice, book, first, last))
        rows = sum(loader.counts.values())
        loader.say(f"patients {first}–{last} of {practice.patients}, {rows:,} rows")
    _write_schedules(loader, practice, pl.concat([part.busy for part in parts]).unique())
    loader.append("dashboardar", _receivables([part.receivable for part in parts]))
    _write_deleted_appointments(loader, practice, pl.concat([part.deleted for part in parts]))
    filler.fill_rest(loader, practice)


def _receivables(parts: list[pl.DataFrame]) -> pl.DataFrame:
    sums = (
        pl.concat(parts)
        .group_by("DateCalc")
        .agg(pl.col("BalTotal", "InsEst").sum())
        .sort("DateCalc")
    )
    return ledger.dashboard_rows(sums)


@dataclass(frozen=True, slots=True)
class Remainder:
    """What a cohort leaves for the end of the creation.

    That is what it owed at month ends, its deleted appointments, and the days with visits.
    """

    receivable: pl.DataFrame
    deleted: pl.DataFrame
    busy: pl.DataFrame


def _write_schedules(loader: Loader, practice: Practice, busy: pl.DataFrame) -> None:
    scheduled = loader.numbered("schedule", hours.schedules(practice, busy))
    loader.append("schedule", scheduled)
    loader.append("scheduleop", rooms.schedule_rooms(practice, scheduled))


def _write_deleted_appointments(loader: Loader, practice: Practice, gone: pl.DataFrame) -> None:
    """Write the history of deleted appointments, which is all that is left of them.

    No other row may point to their numbers, and no appointment may get them again.
    """
    first = loader.count("appointment") + 1
    gone = gone.with_columns(AptNum=pl.int_range(first, first + pl.len(), dtype=pl.Int64))
    rows = visits.appointments(practice, gone)
    loader.append("histappointment", visits.deleted_history(practice, gone, rows))
    loader.execute(f"ALTER TABLE appointment AUTO_INCREMENT = {first + gone.height}")


def _write_chunk(
    loader: Loader, practice: Practice, book: rooms.Book, first: int, last: int
) -> Remainder:
    """Write one cohort of patients, from their first visit to their balance."""
    everybody = people.patients(practice, first, last)
    patients = everybody.filter(~pl.col("merged"))
    subs = loader.numbered("inssub", insurance.subscribers(practice, patients))
    cover = insurance.coverage(practice, patients, subs)
    seen = visits.with_rooms(
        practice, book, _with_appointments(loader, visits.visits(practice, patients))
    )
    procs = loader.numbered("procedurelog", treatment.procedures(practice, patients, seen))
    found = claims.claims(practice, procs, cover, loader.count("claim") + 1)
    checks, lines = claims.checks(
        practice, loader.numbered("claimproc", found.procs), loader.count("claimpayment") + 1
    )
    changes = adjustments.adjustments(practice, procs)
    owed = money.owed(practice, procs, lines, changes)
    planned = plans.plans(loader, practice, patients, owed, lines)
    lines = plans.attach(lines, planned)
    found = claims.Claims(found.claims, lines)
    owed = owed.join(
        planned.plans.filter(~pl.col("insurance")),
        on="visit_key",
        how="anti",
        maintain_order="left",
    )
    adjusted = loader.numbered(
        "adjustment", adjustments.all_adjustments(changes, adjustments.bad_debts(practice, owed))
    )
    paid = money.in_order(money.splits(practice, patients, owed), plans.payments(practice, planned))
    account = ledger.Account(
        _entries(procs, lines, adjusted, paid, planned),
        _estimates(lines),
        plans.dues(planned, paid),
    )
    balances = ledger.balances(
        account, everybody, practice.as_of, lifo=True, due_ahead=catalog.DUE_AHEAD
    )

    _write_patients(loader, practice, everybody, balances)
    loader.append("inssub", insurance.subscriber_rows(practice, subs))
    loader.append("patplan", cover.drop("PlanNum", "PlanType", "CarrierNum"))
    _write_visits(loader, practice, patients, seen)
    _write_treatment(loader, practice, procs)
    _write_claims(loader, practice, found, checks)
    _write_money(loader, practice, adjusted, paid)
    _write_plans(loader, practice, planned)
    ends = ledger.month_ends(practice.as_of, practice.month_ends)
    owing = ledger.receivables(account, everybody, ends, lifo=True)
    return Remainder(
        owing, seen.filter(pl.col("status") == visits.GONE), seen.select("day", "ProvNum").unique()
    )


def _write_patients(
    loader: Loader, practice: Practice, everybody: pl.DataFrame, balances: pl.DataFrame
) -> None:
    unmerged = everybody.filter(~pl.col("merged"))
    loader.append("patient", people.patient_rows(practice, everybody, balances))
    loader.append("patientnote", people.patient_notes(practice, everybody))
    loader.append("refattach", people.referrals(practice, unmerged, loader.count("referral")))
    loader.append("patientlink", people.merges(practice, everybody))


def _with_appointments(loader: Loader, seen: pl.DataFrame) -> pl.DataFrame:
    """Number appointments in order of time.

    Patients who walked in have none, and deleted ones are numbered last of all.
    """
    booked = pl.col("on_paper")
    return seen.with_columns(
        AptNum=pl.when(booked)
        .then(booked.cum_sum() + loader.count("appointment"))
        .otherwise(0)
        .cast(pl.Int64)
    )


def _entries(
    procs: pl.DataFrame,
    lines: pl.DataFrame,
    adjusted: pl.DataFrame,
    paid: pl.DataFrame,
    planned: plans.Plans,
) -> pl.DataFrame:
    """Return the entries of all accounts."""
    shown = ~pl.col("UnearnedType").is_in(money.hidden_unearned())
    attached = pl.col("ProcNum") > 0
    parts = [
        procs.filter(pl.col("ProcStatus") == treatment.DONE).select(
            "PatNum", "day", cents="amount"
        ),
        lines.filter(pl.col("Status").is_in([1, 4, 5, 7])).select(
            "PatNum",
            day=claims.entry_day(),
            cents=-(
                pl.when(pl.col("PayPlanNum") > 0).then(0).otherwise("paid") + pl.col("written_off")
            ),
        ),
        adjusted.select(
            "PatNum", "day", "cents", "ProcNum", proc_day=pl.when(attached).then("ProcDate")
        ),
        paid.filter(shown).select("PatNum", "day", cents=-pl.col("cents")),
    ]
    return pl.concat([*map(ledger.entries, parts), plans.entries(planned)])


def _estimates(lines: pl.DataFrame) -> pl.DataFrame:
    """Return what insurance covered or is expected to cover; only status 1 is an answer."""
    status = pl.col("Status")
    return lines.filter(status.is_in([0, claims.RECEIVED])).select(
        pl.col("PatNum").cast(pl.Int64),
        "day",
        answered=pl.when(status == claims.RECEIVED).then(claims.entry_day()),
        cents=pl.col("estimate") + pl.col("written_off"),
    )


def _write_visits(
    loader: Loader, practice: Practice, patients: pl.DataFrame, seen: pl.DataFrame
) -> None:
    booked = visits.appointments(practice, seen)
    loader.append("appointment", booked)
    loader.append("histappointment", visits.appointment_history(practice, seen, booked))
    loader.append("recall", visits.recalls(practice, patients, seen))


def _write_treatment(loader: Loader, practice: Practice, procs: pl.DataFrame) -> None:
    presented = treatment_plans.shown(practice, procs)
    procs = treatment_plans.first_shown(procs, presented)
    loader.append("procedurelog", treatment.procedure_rows(practice, procs))
    loader.append("procnote", treatment.procedure_notes(practice, procs))
    saved = loader.numbered(
        "treatplan", treatment_plans.treatment_plans(practice, procs, presented)
    )
    loader.append("treatplan", treatment_plans.treatment_plan_rows(practice, saved))
    loader.append("treatplanattach", treatment_plans.plan_attachments(practice, saved, procs))
    loader.append("proctp", treatment_plans.presented_procedures(practice, saved, procs, presented))


def _write_claims(
    loader: Loader, practice: Practice, found: claims.Claims, checks: pl.DataFrame
) -> None:
    loader.append("claim", claim_rows.claim_rows(practice, found))
    loader.append("claimproc", claim_rows.line_rows(practice, found.procs))
    loader.append("claimpayment", claim_rows.check_rows(practice, checks))
    loader.append("claimtracking", claim_rows.tracking_rows(practice, found))
    loader.append("claimsnapshot", claim_rows.snapshots(found))
    loader.append("insbluebook", claim_rows.blue_book(found.procs))


def _write_money(
    loader: Loader, practice: Practice, adjusted: pl.DataFrame, paid: pl.DataFrame
) -> None:
    loader.append("adjustment", adjustments.adjustment_rows(practice, adjusted))
    heads = money.payments(paid, loader.count("payment") + 1)
    loader.append("payment", money.payment_rows(practice, heads))
    loader.append("paysplit", money.split_rows(practice, paid, heads))


def _write_plans(loader: Loader, practice: Practice, planned: plans.Plans) -> None:
    loader.append("payplan", plans.plan_rows(practice, planned))
    loader.append("payplancharge", plans.charge_rows(planned))
    loader.append("payplanlink", plans.link_rows(planned))
