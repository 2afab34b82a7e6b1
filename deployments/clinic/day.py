"""Plays one day of practice: rows come, change and vanish as OpenDental makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
from pymysql.connections import Connection

from deployments.clinic import aging, filler, hours, ledger, people, rooms, treatment, visits
from deployments.clinic.create import finished_mark
from deployments.clinic.load import MARK, Loader, bulk_loading, opendental_session
from deployments.clinic.practice import Practice
from deployments.clinic.schema import tables
from deployments.clinic.statements import statements

_MERGE_EVERY = 3
# An appointment is booked up to 120 days ahead, and waits some weeks more for a day on which its provider works.
_BOOKED_DAYS = 170
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


@dataclass(slots=True)
class Day:
    """The day being played: its date, its practice, and the counts so far."""

    loader: Loader
    practice: Practice
    day: date
    number: int
    values: dict[str, Any]
    counts: dict[str, int] = field(default_factory=lambda: {"insert": 0, "update": 0, "delete": 0})

    def run(self, *names: str, file: str = "day") -> None:
        for name in names:
            self.execute(statements(file)[name])

    def execute(self, statement: str, **more: Any) -> None:
        with self.loader.connection.cursor() as cursor:
            touched = cursor.execute(statement, self.values | more)
        verb = statement.split(None, 1)[0].lower()
        if verb in self.counts:
            self.counts[verb] += touched

    def numbers(self, query: str) -> list[int]:
        """The first column of a query, never empty, so that it can stand in an IN list."""
        with self.loader.connection.cursor() as cursor:
            cursor.execute(query, self.values)
            return [int(row[0]) for row in cursor.fetchall()] or [0]

    def append(self, table: str, frame: pl.DataFrame) -> None:
        self.loader.append(table, frame)
        self.counts["insert"] += frame.height


def play_day(connection: Connection[Any]) -> DaySummary:
    """The next day after the last one played; the same clinic and day always do the same."""
    patients, seed, created, last = finished_mark(connection).split()
    day = date.fromisoformat(last) + timedelta(days=1)
    practice = Practice(int(patients), int(seed), day)
    with opendental_session(connection), bulk_loading(connection) as bulk:
        loader = Loader(connection, practice.chance, None, bulk, lambda _: None)
        loader.counts.update(_last_keys(loader))
        played = _day(loader, practice, date.fromisoformat(created))
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


def _last_keys(loader: Loader) -> Mapping[str, int]:
    """The last key ever given in each table, which deletes do not give back."""
    query = (
        "SELECT TABLE_NAME, AUTO_INCREMENT - 1 FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() AND AUTO_INCREMENT IS NOT NULL"
    )
    return {str(name): int(last) for name, last in loader.rows(query)}


def _day(loader: Loader, practice: Practice, created: date) -> Day:
    day = practice.as_of
    values = {
        "day": day,
        "salt": f"{practice.seed}:{day}:",
        "now": datetime.combine(day, time(17, 30)),
        "few": max(4, practice.patients // 350),
        "answers": max(2, practice.patients // 600),
        "cancellations": max(1, practice.patients // 2_500),
        "last_payment": loader.count("payment"),
        "last_claim": loader.count("claim"),
        "last_check": loader.count("claimpayment"),
        "last_procedure": loader.count("procedurelog"),
    }
    return Day(loader, practice, day, (day - created).days, values)


def _play(day: Day) -> None:
    _receive_patients(day)
    _book(day)
    _treat(day)
    _bill(day)
    _settle_claims(day)
    _edit(day)
    _delete(day)
    _reinsert(day)
    _write_logs(day)
    if day.number % _MERGE_EVERY == 0:
        _merge(day)
    _age(day)


def _receive_patients(day: Day) -> None:
    first = day.loader.count("patient") + 1
    last = first + max(1, day.practice.patients // 2_000)
    folk = people.patients(day.practice, first, last).with_columns(
        start=pl.lit(day.day), PatStatus=pl.lit(0, dtype=pl.Int64), active=pl.lit(True)
    )
    none = folk.select("PatNum", **{name: pl.lit(0) for name in ledger.BALANCES})
    day.append("patient", people.patient_rows(day.practice, folk, none))
    day.append("patientnote", people.patient_notes(day.practice, folk))
    day.append("refattach", people.referrals(day.practice, folk, day.loader.count("referral")))


def _book(day: Day) -> None:
    """New appointments with their planned procedures, for patients of every age of the practice."""
    count = max(5, day.practice.patients // 250)
    folk = _patients(
        day, f"WHERE PatStatus = 0 ORDER BY CRC32(CONCAT(%(salt)s, PatNum)), PatNum LIMIT {count}"
    )
    chance, number = day.practice.chance, pl.col("PatNum")
    key = number * visits.VISITS_PER_PATIENT + 100 + day.number % 800
    ahead = chance.between("book.ahead", 1, 120, key)
    first = day.loader.count("appointment") + 1
    seen = folk.with_columns(
        key=key,
        visit=pl.lit(1),
        hygiene=chance.chosen("book.hygiene", 550, key),
        status=pl.lit(visits.SCHEDULED),
        day=(pl.lit(day.day) + pl.duration(days=ahead)).cast(pl.Date),
        AptNum=pl.int_range(first, first + pl.len()),
        made=pl.lit(day.day),
        again=pl.lit(value=False),
        broken_on=pl.lit(None, dtype=pl.Date),
        charted_on=pl.lit(None, dtype=pl.Date),
        missed=pl.lit(value=False),
    ).with_columns(
        ProvNum=pl.when("hygiene").then("hygienist").otherwise("PriProv"),
        on_paper=pl.lit(value=True),
    )
    seen = hours.on_working_days(day.practice, seen).with_columns(
        at=pl.col("day").cast(pl.Datetime("us"))
    )
    book = rooms.Book.of(day.practice, 0, _BOOKED_DAYS)
    book.take(_rooms_taken(day))
    seen = visits.with_rooms(day.practice, book, seen)
    booked = visits.appointments(day.practice, seen)
    day.append("appointment", booked)
    day.append("histappointment", visits.appointment_history(day.practice, seen, booked))
    procs = day.loader.numbered(
        "procedurelog", treatment.visit_procedures(day.practice, seen)
    ).with_columns(presented_on=pl.lit(None, dtype=pl.Date))
    day.append("procedurelog", treatment.procedure_rows(day.practice, procs))
    day.run("estimate insurance")


def _rooms_taken(day: Day) -> list[tuple[int, date, int]]:
    with day.loader.connection.cursor() as cursor:
        cursor.execute(
            "SELECT Op, DATE(AptDateTime), CAST(MAX(HOUR(AptDateTime) * 60 + MINUTE(AptDateTime) + 5 * LENGTH(Pattern)) "
            "AS SIGNED) FROM appointment WHERE AptStatus = 1 AND AptDateTime > %(day)s GROUP BY 1, 2",
            day.values,
        )
        return list(cursor.fetchall())


def _patients(day: Day, condition: str) -> pl.DataFrame:
    """Patients as the modules of creation know them."""
    query = f"SELECT PatNum, Guarantor, ClinicNum, PriProv, DateFirstVisit FROM patient {condition}"
    with day.loader.connection.cursor() as cursor:
        cursor.execute(query, day.values)
        rows = list(cursor.fetchall())
    schema = {
        "PatNum": pl.Int64,
        "Guarantor": pl.Int64,
        "ClinicNum": pl.Int64,
        "PriProv": pl.Int64,
        "start": pl.Date,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    hygienist = people.hygienist(day.practice, pl.col("PriProv"), pl.col("Guarantor"))
    return frame.with_columns(hygienist=hygienist)


def _treat(day: Day) -> None:
    """Today's appointments are kept or broken, their procedures done."""
    day.run(
        "give broken appointments another time",
        "bring appointments forward",
    )
    _seat(day)
    day.run(
        "complete appointments",
        "break appointments",
    )
    broken = "AptStatus = 5 AND DATE(AptDateTime) = %(day)s AND MOD(AptNum, 2) = "
    _record_appointments(day, f"{broken}0", visits.MISSED)
    _record_appointments(day, f"{broken}1", visits.CANCELLED)
    day.run(
        "complete procedures",
        "chart missed appointments",
        "detach completed procedures from plans",
        "write procedure notes",
        "move recalls",
    )


def _seat(day: Day) -> None:
    """Today's appointments one after the other, in the rooms where their providers work."""
    with day.loader.connection.cursor() as cursor:
        cursor.execute(
            "SELECT AptNum, IF(ProvHyg > 0, ProvHyg, ProvNum), 5 * LENGTH(Pattern), AptDateTime FROM appointment "
            "WHERE AptStatus = 1 AND DATE(AptDateTime) = %(day)s ORDER BY AptDateTime, AptNum",
            day.values,
        )
        rows = list(cursor.fetchall())
    today = pl.DataFrame(
        rows,
        schema={
            "AptNum": pl.Int64,
            "ProvNum": pl.Int64,
            "minutes": pl.Int64,
            "at": pl.Datetime("us"),
        },
        orient="row",
    ).with_columns(day=pl.lit(day.day))
    seated = rooms.Book.of(day.practice, 0, 0).place(today, pl.col("minutes"), pl.lit(value=True))
    for number, room, at in seated.select("AptNum", "Op", "at").iter_rows():
        day.execute(
            "UPDATE appointment SET Op = %(room)s, AptDateTime = %(at)s WHERE AptNum = %(number)s",
            number=number,
            room=room,
            at=at,
        )


def _record_appointments(day: Day, condition: str, action: int) -> None:
    names = ", ".join(visits.HISTORY_COLUMNS)
    day.execute(
        f"INSERT INTO histappointment (HistUserNum, HistDateTStamp, HistApptAction, {names}) "
        f"SELECT 1, %(now)s, {action}, {names} FROM appointment WHERE {condition} ORDER BY AptNum"
    )


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
    """Carriers answer some of the claims that were sent; waiting ones are sent."""
    day.values["settled"] = day.numbers(
        "SELECT ClaimNum FROM claim WHERE ClaimStatus IN ('S', 'W') AND ClaimType <> 'PreAuth' "
        "AND ClaimNum <= %(last_claim)s ORDER BY CRC32(CONCAT(%(salt)s, ClaimNum)) LIMIT %(answers)s"
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
    """Rows vanish: mistakes, cancellations, purges."""
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
    _record_appointments(day, "AptNum IN %(cancelled)s", visits.DELETED)
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
    """A saved sheet and an edited day of the schedule come back with new keys."""
    for sheet in day.numbers(
        "SELECT SheetNum FROM sheet ORDER BY CRC32(CONCAT(%(salt)s, SheetNum)) LIMIT 1"
    ):
        _copy_and_delete(day, "sheetfield", f"SheetNum = {sheet}")
    last = day.loader.count("schedule")
    old = day.numbers(
        "SELECT ScheduleNum FROM schedule WHERE SchedDate = %(day)s + INTERVAL 7 DAY ORDER BY ScheduleNum"
    )
    day.values["schedules"] = old
    _copy_and_delete(day, "schedule", "ScheduleNum IN %(schedules)s")
    with day.loader.connection.cursor() as cursor:
        cursor.execute(
            "SELECT ScheduleNum, OperatoryNum FROM scheduleop WHERE ScheduleNum IN %(schedules)s ORDER BY ScheduleOpNum",
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
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} WHERE {key} IN %(old)s ORDER BY {key}",
        old=old,
    )
    day.execute(f"DELETE FROM {table} WHERE {key} IN %(old)s", old=old)


def _write_logs(day: Day) -> None:
    day.loader.counts.update(_last_keys(day.loader))
    for table, per_mille in _GROWTH.items():
        rows = max(1, day.practice.rows(table) * per_mille // 1_000)
        filler.fill(day.loader, day.practice, table, rows)
        day.counts["insert"] += rows


def _merge(day: Day) -> None:
    """One patient becomes another: the key is rewritten in every table that has it, stamped or not."""
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
    """The nightly aging: `famaging` is emptied and filled, balances are stored where they changed."""
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
    """The aging alone, as of a day."""
    with opendental_session(connection), bulk_loading(connection) as bulk:
        practice = Practice(1, 0, day)
        loader = Loader(connection, practice.chance, None, bulk, lambda _: None)
        loader.counts.update(_last_keys(loader))
        _age(_day(loader, practice, day))
