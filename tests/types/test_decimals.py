"""Decimals of every precision and scale."""

from decimal import Decimal

import pytest
from samples import Sample, family

NINES = "9" * 65

TABLES = {
    "precisions": Sample(
        "a decimal(65,30), b decimal(20,0), c decimal(38,10), d decimal(10,2) unsigned, e decimal(30,15), f decimal(65,0)",
        (
            f"{NINES[:35]}.{NINES[:30]}, 18446744073709551616, -0.0000000001, 1.55, 0.000000000000001, {NINES}",
            f"-1e-30, -99999999999999999999, {NINES[:28]}.{NINES[:10]}, 99999999.99, -1, -{NINES}",
            "NULL, NULL, NULL, NULL, NULL, NULL",
            f"-{NINES[:35]}.{NINES[:30]}, 9223372036854775808, 0.0000000001, 0.01, -0.000000000000001, 1",
            "0, 0, 0, 0, 0, 0",
            "0.123456789012345678901234567890, 1, 1.5, 1.5, 1.5, 10000000000000000000000000000000000000001",
        ),
    ),
    "scales": Sample(
        "a decimal(1,0), b decimal(1,1), c decimal(30,30), d decimal(39,0), e decimal(38,0), f decimal(39,30), g numeric(5,3)"
        " NOT NULL, h decimal NOT NULL",
        (
            f"9, 0.9, 0.{NINES[:30]}, {NINES[:39]}, {NINES[:38]}, {NINES[:9]}.{NINES[:30]}, 99.999, 9999999999",
            f"-9, -0.9, -0.{NINES[:30]}, -{NINES[:39]}, -{NINES[:38]}, -0.000000000000000000000000000001, -99.999, -1",
            "NULL, NULL, NULL, NULL, NULL, NULL, 0, 0",
            "-0, -0.0, 1e-30, 1, -1, 1e-30, -0.001, 5",
        ),
    ),
    "filled": Sample(
        "a decimal(10,2) zerofill, b decimal(12,4) unsigned zerofill, c decimal(18,9) DEFAULT 1.5",
        ("1.5, 0.0001, DEFAULT", "0, 99999999.9999, -0.000000001", "NULL, NULL, NULL"),
    ),
}


brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_decimals_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_decimals_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_decimals_follow(table, brought):
    brought.follows(table)


def test_digits_beyond_those_of_the_readers_own_decimals_are_kept(brought):
    """It reads every decimal with ten digits behind the point."""
    brought.make(
        "digits",
        "Id int PRIMARY KEY, a decimal(40,20)",
        "1, 0.00000000000000000001",
        "2, -12345678901234567890.1",
    )
    assert brought.raw('SELECT a FROM raw.digits ORDER BY "Id"') == [
        (Decimal("0.00000000000000000001"),),
        (Decimal("-12345678901234567890.10000000000000000000"),),
    ]
