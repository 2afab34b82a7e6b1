"""Floats and doubles: extremes, subnormals, and every digit of the shortest notation."""

import random
import struct

import pytest
from oracle import ask
from runs import run
from samples import Sample, family

TABLES = {
    "extremes": Sample(
        "a float, b double, c float unsigned, d double unsigned, e float NOT NULL, f double NOT NULL",
        (
            (
                "3.4028234663852886e38, 1.7976931348623157e308, 3.4028234e38, 1.7976931348623157e308, -3.4028234663852886e38,"
                " -1.7976931348623157e308"
            ),
            "1.1754943508222875e-38, 2.2250738585072014e-308, 1e-38, 1e-300, -1.1754943508222875e-38, -2.2250738585072014e-308",
            "1.401298464324817e-45, 5e-324, 1e-44, 5e-324, -1.401298464324817e-45, -5e-324",
            "1.1754942e-38, 2.225073858507201e-308, 0, 0, 0, 0",
            "NULL, NULL, NULL, NULL, 1, 1",
        ),
    ),
    "digits": Sample(
        "a float, b double, c double",
        (
            "0.1, 0.1, 0.30000000000000004",
            "16777217, 9007199254740993, 9007199254740992",
            "16777216, 0.1e-6, 123456789.12345679",
            "1e22, 1e22, 1e23",
            "0.33333334, 0.3333333333333333, 0.33333333333333337",
            "3.14159274, 3.141592653589793, 3.1415926535897936",
            "8388607.5, 4503599627370495.5, 100000000000000000000",
            "-0e0, -0e0, -1e-400",
            "NULL, NULL, NULL",
        ),
    ),
    "with_scales": Sample(
        "a float(7,2), b double(10,2), c float(24), d float(53), e double(53,30), f float(255,30), g real",
        (
            "12345.67, 99999999.99, 0.1, 0.1, 0.123456789012345678, 1e-30, 0.1",
            "-99999.99, -0.01, 16777217, 9007199254740993, 1e22, 1e-10, 1e300",
            "0, 0, 0, 0, 0, 0, 0",
            "0.01, 0.1, 1.5, 2.5, 1e-30, 3.4e38, -1e-300",
            "NULL, NULL, NULL, NULL, NULL, NULL, NULL",
        ),
    ),
}


brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_floats_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_floats_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_floats_follow(table, brought):
    brought.follows(table)


def _random_floats(count: int) -> list[tuple[float, float]]:
    """Pairs of a single and a double precision number with every bit at random, and each a NULL where it is no number."""
    bits = random.Random(5)  # noqa: S311 - any will do
    found = []
    for _ in range(count):
        single = struct.unpack("f", struct.pack("I", bits.getrandbits(32)))[0]
        double = struct.unpack("d", struct.pack("Q", bits.getrandbits(64)))[0]
        if abs(single) < float("inf") and abs(double) < float("inf"):
            found.append((single, double))
    return found


def test_random_bits_come_back_as_the_same_bits(brought):
    numbers = _random_floats(3000)
    ask(
        brought.places.source, "CREATE TABLE bits_of_floats (Id int PRIMARY KEY, a float, b double)"
    )
    for position, (single, double) in enumerate(numbers):
        ask(
            brought.places.source,
            f"INSERT INTO bits_of_floats VALUES ({position}, {single!r}, {double!r})",
        )
    wide = brought.settings.model_copy(
        update={"limits": brought.settings.limits.model_copy(update={"page_rows": 1000})}
    )
    run(wide, "bits_of_floats")
    brought.assert_rows("bits_of_floats")
    held = brought.raw('SELECT a::double precision, b FROM raw.bits_of_floats ORDER BY "Id"')
    assert [struct.pack("dd", *row) for row in held] == [struct.pack("dd", *row) for row in numbers]


def test_t7_money_in_doubles_is_not_rounded_and_minus_one_stays(brought):
    amounts = [
        "-1",
        "0.1",
        "0.30000000000000004",
        "252252",
        "12345678901234.56",
        "99999999.995",
        "-0.01",
        "1e15",
    ]
    rows = [f"{position}, {amount}, -1" for position, amount in enumerate(amounts)]
    brought.make(
        "claimproc",
        "ClaimProcNum bigint PRIMARY KEY, FeeBilled double NOT NULL, WriteOffEst double",
        *rows,
    )
    for schema, names in (
        ("raw", '"ClaimProcNum", "FeeBilled"'),
        ("public", "claim_proc_num, fee_billed"),
    ):
        held = [
            value for _, value in sorted(brought.raw(f"SELECT {names} FROM {schema}.claimproc"))
        ]
        assert held == [float(amount) for amount in amounts]
    assert brought.raw('SELECT DISTINCT "WriteOffEst" FROM raw.claimproc') == [(-1.0,)]
