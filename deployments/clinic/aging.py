"""The nightly aging: the balances of the accounts as they stand in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
from pymysql.connections import Connection

from deployments.clinic import ledger
from deployments.clinic.statements import statements

# What is older than this is over 90 days old at the last month's end too, so sums are enough.
_OLD_DAYS = 200
_FREE = ("procedures", "claim procedures", "free adjustments", "splits", "linked adjustments")
_OF_PROCEDURES = ("attached adjustments", "linked procedures")
_FREE_COLUMNS = ("PatNum", "day", "cents")
_ENTRY_COLUMNS = ("PatNum", "day", "cents", "ProcNum", "proc_day")


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts in the database as of a day, and the preferences that rule their aging."""

    connection: Connection[Any]
    day: date
    account: ledger.Account
    people: pl.DataFrame
    lifo: bool
    due_ahead: int

    def balances(self) -> pl.DataFrame:
        """Return the balances as of the day, as `ledger.balances` does."""
        return ledger.balances(
            self.account, self.people, self.day, lifo=self.lifo, due_ahead=self.due_ahead
        )

    def last_month(self) -> pl.DataFrame:
        """Return what was receivable at the end of the month before the day."""
        ends = ledger.month_ends(self.day, 1)
        return ledger.receivables(self.account, self.people, ends, lifo=self.lifo)


def read_accounts(connection: Connection[Any], day: date) -> Accounts:
    """Read all accounts, with one query for each kind of entry."""
    old = day - timedelta(days=_OLD_DAYS)

    def rows(name: str, *columns: str) -> pl.DataFrame:
        kinds = {**ledger.ENTRY, **ledger.ESTIMATE, "Guarantor": pl.Int64}
        with connection.cursor() as cursor:
            cursor.execute(statements("aging")[name], {"day": day, "old": old})
            return pl.DataFrame(
                list(cursor.fetchall()),
                schema={column: kinds[column] for column in columns},
                orient="row",
            )

    with connection.cursor() as cursor:
        cursor.execute(statements("aging")["preferences"])
        preferences = dict(cursor.fetchall())
    entries = [
        *(ledger.entries(rows(name, *_FREE_COLUMNS)) for name in _FREE),
        *(ledger.entries(rows(name, *_ENTRY_COLUMNS)) for name in _OF_PROCEDURES),
        ledger.entries(rows("plan credits", *_ENTRY_COLUMNS), waits=True),
        ledger.entries(rows("plan debits", *_FREE_COLUMNS), waits=True),
    ]
    account = ledger.Account(
        pl.concat(entries),
        rows("estimates", "PatNum", "day", "answered", "cents"),
        pl.concat([rows("plan dues", *_FREE_COLUMNS), rows("plan payments", *_FREE_COLUMNS)]),
    )
    return Accounts(
        connection,
        day,
        account,
        rows("patients", "PatNum", "Guarantor"),
        # OpenDental reads an unset preference as on.
        lifo=preferences.get("AgingProcLifo", "1") != "2",
        due_ahead=int(preferences.get("PayPlansBillInAdvanceDays") or 0),
    )


def known_months(accounts: Accounts) -> set[date]:
    """Return the month ends that the dashboard has already."""
    with accounts.connection.cursor() as cursor:
        cursor.execute(statements("aging")["months remembered"], {"day": accounts.day})
        return {day for (day,) in cursor.fetchall()}


def family_rows(balances: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `famaging`: families with a balance that is not 0."""
    names = [name for name in ledger.BALANCES if name != "EstBalance"]
    owing = balances.filter(pl.any_horizontal(pl.col(name) != 0 for name in names))
    return owing.select("PatNum", *(pl.col(name) / 100 for name in names))


def own_changes(connection: Connection[Any], balances: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the patients whose stored balance differs, with the right one in dollars."""
    with connection.cursor() as cursor:
        cursor.execute(statements("aging")["own balances"])
        stored = dict(cursor.fetchall())
    found = balances.select("PatNum", "EstBalance").iter_rows()
    return [
        {"patient": patient, "balance": cents / 100}
        for patient, cents in found
        if stored.get(patient) != cents
    ]
