"""The visits of a day: new patients come; appointments are booked, kept and broken."""

from __future__ import annotations

from datetime import date

import polars as pl

from deployments.clinic import hours, ledger, people, rooms, treatment, visits
from deployments.clinic.today import Day

# Appointments are booked up to 120 days ahead, and the provider's next working day may be weeks
# later.
_BOOKED_DAYS = 170


def receive_patients(day: Day) -> None:
    """Write the patients who come for the first time."""
    first = day.loader.count("patient") + 1
    last = first + max(1, day.practice.patients // 2_000)
    patients = people.patients(day.practice, first, last).with_columns(
        start=pl.lit(day.day), PatStatus=pl.lit(0, dtype=pl.Int64), active=pl.lit(True)
    )
    none = patients.select("PatNum", **{name: pl.lit(0) for name in ledger.BALANCES})
    day.append("patient", people.patient_rows(day.practice, patients, none))
    day.append("patientnote", people.patient_notes(day.practice, patients))
    day.append("refattach", people.referrals(day.practice, patients, day.loader.count("referral")))


def book(day: Day) -> None:
    """Book appointments with planned procedures for patients, new and old."""
    count = max(5, day.practice.patients // 250)
    patients = _patients(
        day, f"WHERE PatStatus = 0 ORDER BY CRC32(CONCAT(%(salt)s, PatNum)), PatNum LIMIT {count}"
    )
    chance, number = day.practice.chance, pl.col("PatNum")
    key = number * visits.VISITS_PER_PATIENT + 100 + day.number % 800
    ahead = chance.between("book.ahead", 1, 120, key)
    first = day.loader.count("appointment") + 1
    seen = patients.with_columns(
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
    """Return the rooms that are taken on the days ahead, each until which minute."""
    with day.loader.connection.cursor() as cursor:
        cursor.execute(
            "SELECT Op, DATE(AptDateTime), CAST(MAX(HOUR(AptDateTime) * 60 "
            "+ MINUTE(AptDateTime) + 5 * LENGTH(Pattern)) AS SIGNED) FROM appointment "
            "WHERE AptStatus = 1 AND AptDateTime > %(day)s GROUP BY 1, 2",
            day.values,
        )
        return list(cursor.fetchall())


def _patients(day: Day, condition: str) -> pl.DataFrame:
    """Return patients with the columns that the modules of creation use."""
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


def treat(day: Day) -> None:
    """Keep or break today's appointments, and complete their procedures."""
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
    record_appointments(day, f"{broken}0", visits.MISSED)
    record_appointments(day, f"{broken}1", visits.CANCELLED)
    day.run(
        "complete procedures",
        "chart missed appointments",
        "detach completed procedures from plans",
        "write procedure notes",
        "move recalls",
    )


def _seat(day: Day) -> None:
    """Give today's appointments, one after the other, a room where their provider works."""
    with day.loader.connection.cursor() as cursor:
        cursor.execute(
            "SELECT AptNum, IF(ProvHyg > 0, ProvHyg, ProvNum), 5 * LENGTH(Pattern), AptDateTime "
            "FROM appointment WHERE AptStatus = 1 AND DATE(AptDateTime) = %(day)s "
            "ORDER BY AptDateTime, AptNum",
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


def record_appointments(day: Day, condition: str, action: int) -> None:
    """Write the history of the appointments that meet the condition."""
    names = ", ".join(visits.HISTORY_COLUMNS)
    day.execute(
        f"INSERT INTO histappointment (HistUserNum, HistDateTStamp, HistApptAction, {names}) "
        f"SELECT 1, %(now)s, {action}, {names} FROM appointment WHERE {condition} ORDER BY AptNum"
    )
