"""Times, which in MySQL are spans of up to 838 hours either way, and years."""

from datetime import timedelta

import pytest
from samples import Sample, family

TABLES = {
    "spans": Sample(
        "a time, b time(6), c time NOT NULL, d time(3)",
        (
            "'-838:59:59', '838:59:59.999999', '00:00:00', '-838:59:59.999'",
            "'24:00:00', '-00:00:00.000001', '-00:00:01', '-00:00:00.001'",
            "'00:00:00', '-01:00:00.5', '23:59:59', '100:00:00'",
            "'838:59:59', '-838:59:59.999999', '-24:00:00', '24:00:00.5'",
            "NULL, NULL, '-100:00:01', NULL",
            "'-00:00:59', '-00:59:00.999999', '11:11:11', '-00:00:00'",
            "'12:34:56', '00:00:00.000001', '-12:34:56', '12:34:56.789'",
        ),
    ),
    "precisions": Sample(
        "a time(0), b time(1), c time(2), d time(4), e time(5)",
        (
            *tuple(
                ", ".join([f"'{each}'"] * 5)
                for each in (
                    "-1:02:03.987654",
                    "30:00:00.000001",
                    "0",
                    "-0:0:0.9",
                    "837:59:58.123456",
                )
            ),
            "NULL, NULL, NULL, NULL, NULL",
        ),
    ),
    "years": Sample(
        "a year, b year NOT NULL, c year DEFAULT 2005",
        (
            "'0000', '0000', DEFAULT",
            "1901, 2155, 0",
            "2155, 1901, '0000'",
            "NULL, 1970, NULL",
            "2000, 2069, 1999",
            "2005, 2000, 1901",
        ),
    ),
}


brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_times_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_times_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_times_follow(table, brought):
    brought.follows(table)


def test_t3_times_may_be_negative_and_longer_than_a_day(brought):
    brought.make(
        "timeadjust",
        "TimeAdjustNum int PRIMARY KEY, RegHours time NOT NULL DEFAULT '00:00:00', OTimeHours time NOT NULL",
        "1, '-01:30:00', '25:00:00'",
        "2, '-00:00:01', '-838:59:59'",
        "3, DEFAULT, '838:59:59'",
    )
    held = brought.raw(
        'SELECT "RegHours", "OTimeHours" FROM raw.timeadjust ORDER BY "TimeAdjustNum"'
    )
    longest = timedelta(hours=838, minutes=59, seconds=59)
    assert held == [
        (-timedelta(hours=1, minutes=30), timedelta(hours=25)),
        (-timedelta(seconds=1), -longest),
        (timedelta(0), longest),
    ]


def test_the_year_zero_is_not_two_thousand(brought):
    brought.make("years_alone", "Id int PRIMARY KEY, a year NOT NULL", "1, '0000'", "2, 2000")
    assert brought.raw('SELECT a FROM raw.years_alone ORDER BY "Id"') == [(0,), (2000,)]
