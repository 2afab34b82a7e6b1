"""Plays one day of practice: rows come, change and vanish as OpenDental makes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from pymysql.connections import Connection

from deployments.clinic import aging, day_visits, filler, ledger, visits
from deployments.clinic.create import finished_mark
from deployments.clinic.load import MARK, Loader, bulk_loading, opendental_session
from deployments.clinic.practice import Practice
from deployments.clinic.schema import tables
from deployments.clinic.statements import statements
from deployments.clinic.today import Day, begin, last_keys

_MERGE_EVERY = 3
# Rows of logs and charts that a day adds, in thousandths of what is there.
_GROWTH = {
    "securitylog": 3,
    "securityloghash": 3,
    "commlog": 2,
    "document": 2,
    "inseditlog": 2,
    "entrylog": 3,
    "signalod": 10,
    "periomeasure": 2,
    "toothinitial": 2,
    "insverifyhist": 2,
    "clockevent": 2,
    "task": 3,
    "tasknote": 5,
    "emailmessage": 2,
    "statement": 2,
    "statementprod": 2,
    "etrans": 2,
    "apptfield": 1,
    "medicationpat": 1,
    "disease": 1,
}


@dataclass(frozen=True, slots=True)
class DaySummary:
    """What one day did to the rows."""

    day: date
    inserted: int
    updated: int
    deleted: int


def play_day(connection: Connection[Any]) -> DaySummary:
    """Play the day after the last one; the same clinic and day always do the same."""
    patients, seed, created, last = finished_mark(connection).split()
    day = date.fromisoformat(last) + timedelta(days=1)
    practice = Practice(int(patients), int(seed), day)
    with opendental_session(connection), bulk_loading(connection) as bulk:
        loader = Loader(connection, practice.chance, None, bulk, lambda _: None)
        loader.counts.update(last_keys(loader))
        played = begin(loader, practice, date.fromisoformat(created))
        _play(played)
        played.execute(
            "UPDATE preference SET ValueString = %(mark)s WHERE PrefName = %(name)s",
            mark=f"{patients} {seed} {created} {day}",
            name=MARK,
        )
        connection.commit()
    return DaySummary(
        day, played.counts["insert"], played.counts["update"], played.counts["delete"]
    )


def _play(day: Day) -> None:
    day_visits.receive_patients(day)
    day_visits.book(day)
    day_visits.treat(day)
    _bill(day)
    _settle_claims(day)
    _edit(day)
    _delete(day)
    _reinsert(day)
    _write_logs(day)
    if day.number % _MERGE_EVERY == 0:
        _merge(day)
    _age(day)


def _bill(day: Day) -> None:
    day.run(
        "adjust",
        "pay",
        "split payments",
    )
    day.values["last_own_payment"] = day.numbers("SELECT MAX(PayNum) FROM payment")[0]
    day.run(
        "ask for parts of dynamic plans",
        "pay plan debits",
        "split payments of plans",
        "make claims",
        "put procedures on claims",
        "total claims",
        "photograph claims",
    )


def _settle_claims(day: Day) -> None:
    """Let carriers answer some of the claims that were sent, and send waiting ones."""
    day.values["settled"] = day.numbers(
        "SELECT ClaimNum FROM claim WHERE ClaimStatus IN ('S', 'W') AND ClaimType <> 'PreAuth' "
        "AND ClaimNum <= %(last_claim)s "
        "ORDER BY CRC32(CONCAT(%(salt)s, ClaimNum)) LIMIT %(answers)s"
    )
    day.run(
        "receive checks",
        "receive claim procedures",
        "close claims",
        "total claims",
        "track claims",
        "send claims",
    )


def _edit(day: Day) -> None:
    day.run(
        "recolour a definition",
        "change a preference",
        "edit sheet fields",
        "edit procedure notes",
        "edit plan priorities",
        "edit schedule rooms",
        "edit recall types",
        "edit patients",
        "edit fees",
    )


def _delete(day: Day) -> None:
    """Delete rows: mistakes, cancellations, purges."""
    day.values["cancelled"] = day.numbers(
        "SELECT AptNum FROM appointment WHERE AptStatus = 1 AND AptDateTime > %(now)s "
        "ORDER BY CRC32(CONCAT(%(salt)s, AptNum)) LIMIT %(cancellations)s"
    )
    day.values["exams"] = day.numbers(
        "SELECT PerioExamNum FROM perioexam ORDER BY CRC32(CONCAT(%(salt)s, PerioExamNum)) LIMIT 2"
    )
    rows = day.loader.rows(
        "SELECT LogDateTime FROM securitylog ORDER BY SecurityLogNum "
        f"LIMIT 1 OFFSET {2 + day.practice.rows('securitylog') // 500}"
    )
    day.values["purged_before"] = rows[0][0] if rows else datetime(1, 1, 1)
    day_visits.record_appointments(day, "AptNum IN %(cancelled)s", visits.DELETED)
    day.run(
        "free procedures of deleted appointments",
        "delete fields of deleted appointments",
        "delete appointments",
        "delete commlogs",
        "delete perio measures",
        "delete plan attachments",
        "delete procedures",
        "delete estimates of deleted procedures",
        "delete plan attachments of deleted procedures",
        "purge the security log",
        "purge the security hashes",
    )


def _reinsert(day: Day) -> None:
    """Write a saved sheet and an edited day of the schedule again, with new keys."""
    for sheet in day.numbers(
        "SELECT SheetNum FROM sheet ORDER BY CRC32(CONCAT(%(salt)s, SheetNum)) LIMIT 1"
    ):
        _copy_and_delete(day, "sheetfield", f"SheetNum = {sheet}")
    last = day.loader.count("schedule")
    old = day.numbers(
        "SELECT ScheduleNum FROM schedule WHERE SchedDate = %(day)s + INTERVAL 7 DAY "
        "ORDER BY ScheduleNum"
    )
    day.values["schedules"] = old
    _copy_and_delete(day, "schedule", "ScheduleNum IN %(schedules)s")
    with day.loader.connection.cursor() as cursor:
        cursor.execute(
            "SELECT ScheduleNum, OperatoryNum FROM scheduleop "
            "WHERE ScheduleNum IN %(schedules)s ORDER BY ScheduleOpNum",
            day.values,
        )
        placed = list(cursor.fetchall())
    day.execute("DELETE FROM scheduleop WHERE ScheduleNum IN %(schedules)s")
    # The copies were numbered in the order of the originals.
    rows = [(last + 1 + old.index(number), room) for number, room in placed]
    day.append(
        "scheduleop",
        pl.DataFrame(
            rows, schema={"ScheduleNum": pl.Int64, "OperatoryNum": pl.Int64}, orient="row"
        ),
    )


def _copy_and_delete(day: Day, table: str, condition: str) -> None:
    definition = tables()[table]
    key = definition.primary_key
    names = ", ".join(
        column.name for column in definition.columns if column.name != key and not column.is_stamp
    )
    old = day.numbers(f"SELECT {key} FROM {table} WHERE {condition}")
    day.execute(
        f"INSERT INTO {table} ({names}) "
        f"SELECT {names} FROM {table} WHERE {key} IN %(old)s ORDER BY {key}",
        old=old,
    )
    day.execute(f"DELETE FROM {table} WHERE {key} IN %(old)s", old=old)


def _write_logs(day: Day) -> None:
    day.loader.counts.update(last_keys(day.loader))
    for table, per_mille in _GROWTH.items():
        rows = max(1, day.practice.rows(table) * per_mille // 1_000)
        filler.fill(day.loader, day.practice, table, rows)
        day.counts["insert"] += rows


def _merge(day: Day) -> None:
    """Merge a patient into another: rewrite the key in every table, with a timestamp or not."""
    pair = day.numbers(
        "SELECT PatNum FROM patient WHERE PatStatus = 0 AND Guarantor = PatNum "
        "ORDER BY CRC32(CONCAT(%(salt)s, PatNum)), PatNum LIMIT 2"
    )
    if len(pair) < 2:
        return
    kept, merged = pair
    day.values |= {"kept": kept, "merged": merged}
    for table in tables().values():
        # A table with one row for each patient keeps that of the patient who is kept.
        if "PatNum" in table.column and table.primary_key != "PatNum":
            day.execute(f"UPDATE `{table.name}` SET PatNum = %(kept)s WHERE PatNum = %(merged)s")
    day.execute("UPDATE inssub SET Subscriber = %(kept)s WHERE Subscriber = %(merged)s")
    for name in ("patient", "payplan", "payplancharge"):
        day.execute(f"UPDATE {name} SET Guarantor = %(kept)s WHERE Guarantor = %(merged)s")
    day.run("archive the merged patient", "link the merged patient")


def _age(day: Day) -> None:
    """Run the nightly aging: fill `famaging` again, and store the balances that changed."""
    accounts = aging.read_accounts(day.loader.connection, day.day)
    balances = accounts.balances()
    day.run("empty", file="aging")
    day.append("famaging", aging.family_rows(balances))
    day.run("store family balances", file="aging")
    for change in aging.own_changes(day.loader.connection, balances):
        day.execute(statements("aging")["store own balance"], **change)
    day.run("remember", file="aging")
    month = accounts.last_month()
    if month["DateCalc"][0] not in aging.known_months(accounts):
        day.append("dashboardar", ledger.dashboard_rows(month))


def age_accounts(connection: Connection[Any], day: date) -> None:
    """Run the aging alone, as of a day."""
    with opendental_session(connection), bulk_loading(connection) as bulk:
        practice = Practice(1, 0, day)
        loader = Loader(connection, practice.chance, None, bulk, lambda _: None)
        loader.counts.update(last_keys(loader))
        _age(begin(loader, practice, day))
