"""Dates and datetimes, including those that no calendar has."""

from datetime import UTC, date, datetime

import pytest
from oracle import ask
from runs import limited, run
from samples import Sample, family

TABLES = {
    "possible": Sample(
        "a date, b datetime, c datetime(6), d timestamp NULL, e timestamp(6) NULL, f date NOT NULL, g datetime(1) NOT NULL",
        (
            "'0001-01-01', '0001-01-01', '0001-01-01', '1970-01-01 00:00:01', '1970-01-01 00:00:01.000001', '1900-01-01', '1900-01-01'",
            (
                "'9999-12-31', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07', '2038-01-19 03:14:07.999999',"
                " '9999-12-31', '9999-12-31 23:59:59.9'"
            ),
            "'2024-02-29', '2000-02-29 23:59:59', '1582-10-10 01:02:03.000001', NULL, NULL, '1582-10-04', '1582-10-15'",
            "NULL, NULL, NULL, '2026-11-01 06:30:00', '2026-11-01 06:30:00.5', '0004-02-29', '0999-12-31 00:00:00.1'",
            (
                "'1969-12-31', '1969-12-31 23:59:59', '1969-12-31 23:59:59.999999', '2026-11-01 05:30:00', '2026-11-01 05:30:00.5',"
                " '1970-01-01', '1970-01-01'"
            ),
        ),
    ),
    "impossible": Sample(
        "a date, b datetime(3), c timestamp NULL, d date NOT NULL, e datetime, f timestamp(6) NOT NULL DEFAULT 0",
        (
            "'0000-00-00', '0000-00-00', 0, '0000-00-00', 0, DEFAULT",
            "'2024-00-00', '2024-01-00 10:00:00', NULL, '0000-05-05', '2024-00-01', '2024-01-01'",
            "'2024-02-31', '2023-02-29 23:59:59.999', NULL, '2024-01-01', '1900-02-29', '2024-01-01'",
            "'2024-02-29', '0000-05-05', '2024-01-01', '2024-12-00', '0000-00-00 12:34:56', '2024-01-01'",
            "'0000-01-01', '0000-12-31 23:59:59.999', NULL, '0000-00-05', '2024-04-31', '2024-01-01'",
            "'0000-02-29', '2100-02-29', NULL, '2023-02-29', '2024-11-31 00:00:01', 0",
            "NULL, NULL, NULL, '9999-00-31', NULL, '2024-01-01'",
        ),
    ),
    "fractions": Sample(
        "a datetime(0), b datetime(1), c datetime(2), d datetime(3), e datetime(4), f datetime(5), g timestamp(3) NULL",
        (
            *tuple(
                ", ".join([f"'2024-03-10 02:30:00.{digits}'"] * 7)
                for digits in ("0", "123456", "999999", "5", "000001")
            ),
            "NULL, NULL, NULL, NULL, NULL, NULL, NULL",
        ),
    ),
    # Both ends of a summer in New York, Chicago and Berlin: hours that local clocks skip or show twice.
    "summer_time": Sample(
        "a timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(), b timestamp(6) NULL",
        tuple(
            f"'{day} {hour:02}:{minute}:00', '{day} {hour:02}:{minute}:00.000001'"
            for day in ("2026-03-08", "2026-11-01", "2026-03-29", "2026-10-25")
            for hour in (0, 1, 2, 5, 6, 7, 8)
            for minute in ("00", "30")
        ),
    ),
}


brought = family(TABLES, page_rows=5)


@pytest.mark.parametrize("table", TABLES)
def test_dates_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_dates_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_dates_follow(table, brought):
    brought.follows(table)


def test_what_no_calendar_has_is_null_in_raw_and_counted(brought):
    result = brought.make(
        "counted",
        "Id int PRIMARY KEY, D date, T datetime NOT NULL, S timestamp NULL",
        "1, 0, 0, 0",
        "2, '2024-02-30', '0000-01-01', NULL",
        "3, NULL, '2024-01-00', '2024-01-01'",
        "4, '2024-02-29', '2024-02-29', 0",
    )
    assert result.altered == {
        name: {"impossible_dates": count} for name, count in {"D": 2, "T": 3, "S": 2}.items()
    }
    assert brought.raw('SELECT "D", "T", "S" FROM raw.counted ORDER BY "Id"') == [
        (None, None, None),
        (None, None, None),
        (None, None, datetime(2024, 1, 1, tzinfo=UTC)),
        (date(2024, 2, 29), datetime(2024, 2, 29), None),  # noqa: DTZ001 - as it is stored
    ]


def test_every_day_of_some_years_and_none_that_they_lack(brought):
    days = [
        f"{year:04}-{month:02}-{day:02}"
        for year in (0, 1, 4, 100, 400, 1582, 1900, 2000, 2023, 9999)
        for month in range(13)
        for day in range(32)
    ]
    ask(brought.places.source, "CREATE TABLE days (Id int PRIMARY KEY, a date, b datetime(6))")
    rows = ", ".join(
        f"({position}, '{each}', '{each} 12:34:56.789012')" for position, each in enumerate(days)
    )
    ask(brought.places.source, f"INSERT INTO days VALUES {rows}")
    run(limited(brought.settings, page_rows=2000), "days")
    brought.assert_rows("days")
    held = brought.raw("SELECT count(a), count(b), min(a), max(b) FROM raw.days")
    possible = sum(
        366 if year in (4, 400, 2000) else 365
        for year in (1, 4, 100, 400, 1582, 1900, 2000, 2023, 9999)
    )
    last = datetime(9999, 12, 31, 12, 34, 56, 789012)  # noqa: DTZ001 - as it is stored
    assert held == [(possible, possible, date(1, 1, 1), last)]


def test_t2_empty_dates_are_exact_in_the_replica_kept_in_raw_and_null_in_public(brought):
    brought.make(
        "patient",
        "PatNum int PRIMARY KEY, Birthdate date NOT NULL DEFAULT '0001-01-01', Entered datetime NOT NULL",
        "1, DEFAULT, '0001-01-01'",
        "2, '1900-01-01', '1900-01-01'",
        "3, '0000-00-00', '0000-00-00'",
        "4, '1899-12-31', '1900-01-01 00:00:01'",
    )
    brought.assert_exact("patient")
    written = ask(
        brought.places.replica, "SELECT CAST(Birthdate AS CHAR), CAST(Entered AS CHAR) FROM patient"
    )
    assert sorted(written)[:2] == [
        ("0000-00-00", "0000-00-00 00:00:00"),
        ("0001-01-01", "0001-01-01 00:00:00"),
    ]
    said = 'SELECT "Birthdate"::text, "Entered"::text FROM raw.patient ORDER BY "PatNum"'
    assert brought.raw(said) == [
        ("0001-01-01", "0001-01-01 00:00:00"),
        ("1900-01-01", "1900-01-01 00:00:00"),
        (None, None),
        ("1899-12-31", "1900-01-01 00:00:01"),
    ]
    said = "SELECT birthdate::text, entered::text FROM public.patient ORDER BY pat_num"
    assert brought.raw(said) == [(None, None)] * 3 + [("1899-12-31", "1900-01-01 00:00:01")]
