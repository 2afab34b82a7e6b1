"""Tables with the values at the edges of each type, and what may differ between servers of two versions."""

from collections.abc import Mapping

from samples import Made, Sample, made

# By names that all servers know.
FOUR_BYTES = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
THREE_BYTES = "CHARACTER SET utf8 COLLATE utf8_general_ci"
STAMP = "Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"


def rows(*values: str) -> tuple[str, ...]:
    """Rows of a table with a stamp of the server's own."""
    return tuple(f"{value}, '2025-01-02 03:04:05'" for value in values)


VALUES: Mapping[str, Sample | Made] = {
    "doubles": Sample(
        f"a double, b double NOT NULL, {STAMP}",
        rows(
            "-0e0, -0e0",
            "5e-324, -5e-324",
            "2.225073858507201e-308, 2.2250738585072014e-308",
            "1.7976931348623157e308, -1.7976931348623157e308",
            "0.1, 0.30000000000000004",
            "12345.678901234567, 0.9999999999999999",
            *(f"1e{exponent}, -1.5e{exponent}" for exponent in range(14, 24)),
            "999999999999999.9, 9007199254740993",
            "123456789012345678, 1e-15",
            "NULL, 0",
        ),
    ),
    "floats": Sample(
        f"a float, b float(7,2), c double(12,3), d float unsigned, {STAMP}",
        rows(
            "-0e0, -0e0, -0e0, 0",
            "1.401298464324817e-45, 99999.99, 999999999.999, 1e-40",
            "3.4028234663852886e38, -99999.99, -999999999.999, 3.4e38",
            "16777217, 0.01, 0.001, 1",
            "0.1, 12345.67, 0.1, 0.1",
            "1e15, 1.1, 123456789.123, 1e22",
            "NULL, NULL, NULL, NULL",
        ),
    ),
    "decimals": Sample(
        f"a decimal(65,30), b decimal(65,0), c decimal(10,2) unsigned zerofill, d decimal(30,0) NOT NULL, {STAMP}",
        rows(
            f"{'9' * 35}.{'9' * 30}, {'9' * 65}, 99999999.99, {'9' * 30}",
            f"-{'9' * 35}.{'9' * 30}, -{'9' * 65}, 0, -{'9' * 30}",
            "0.000000000000000000000000000001, -1, 1.5, 0",
            "-0.0, 0, 0.01, 9007199254740993",
            "NULL, NULL, NULL, 9007199254740992",
        ),
    ),
    "integers": Sample(
        f"a bigint unsigned, b bigint, c mediumint, d int(9) unsigned zerofill, e tinyint(1), f bool, g smallint unsigned, {STAMP}",
        rows(
            "18446744073709551615, -9223372036854775808, -8388608, 5, -128, TRUE, 65535",
            "9223372036854775808, 9223372036854775807, 8388607, 4294967295, 127, FALSE, 0",
            "0, 0, 0, 0, 2, 2, 1",
            "NULL, NULL, NULL, NULL, NULL, NULL, NULL",
        ),
    ),
    "bits": Sample(
        f"a bit(1), b bit(7), c bit(8), d bit(33), e bit(64), {STAMP}",
        rows(
            "1, 127, 255, 8589934591, 18446744073709551615",
            "0, 0, 0, 0, 0",
            "b'1', 92, 10, 92, 9223372036854775808",
            "NULL, NULL, NULL, NULL, NULL",
        ),
    ),
    "times": Sample(
        f"a time, b time(6), c time(3) NOT NULL, {STAMP}",
        rows(
            "'838:59:59', '838:59:59', '838:59:59'",
            "'-838:59:59', '-838:59:59', '-838:59:59'",
            "'-00:00:01', '-00:00:00.000001', '-00:00:00.001'",
            "'24:00:00', '-23:59:59.999999', '100:00:00.5'",
            "'00:00:00', '00:00:00', '00:00:00'",
            "NULL, NULL, '01:02:03.004'",
        ),
    ),
    "dates": Sample(
        f"a date, b datetime, c datetime(6), d timestamp NULL, e timestamp(6) NULL, f year, {STAMP}",
        rows(
            "'0000-00-00', '0000-00-00', '0000-00-00', '0000-00-00', '0000-00-00', '0000'",
            "'2024-00-00', '2024-02-00 01:02:03', '2024-00-01 01:02:03.000004', '1970-01-01 00:00:01', '1970-01-01 00:00:01', 1901",
            "'2023-02-29', '2024-02-31 23:59:59', '2024-04-31 00:00:00.5', '2038-01-19 03:14:07', '2038-01-19 03:14:07.999999', 2155",
            "'0000-05-05', '0000-12-31 00:00:00', '0000-01-01 00:00:00.000001', NULL, NULL, 1970",
            "'0001-01-01', '0001-01-01', '0001-01-01', '2026-11-01 05:30:00', '2026-11-01 06:30:00', 2000",
            "'9999-12-31', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', NULL, NULL, NULL",
            "NULL, NULL, NULL, NULL, NULL, 2026",
        ),
    ),
    "short_years": Sample(f"a year(2), b year(4), {STAMP}", rows("0, 2000", "69, 2069", "70, 1970", "99, NULL")),
    "texts": Sample(
        f"a varchar(40) {FOUR_BYTES}, b text {FOUR_BYTES}, c char(9) CHARACTER SET latin1, d varchar(40) {THREE_BYTES},"
        f" e longtext CHARACTER SET utf16 COLLATE utf16_bin, {STAMP}",
        rows(
            r"'😀 é 漢', '\\ \t \n \r \0 '' \" \\N', 'é  ', '漢  ', '😀'",
            r"'NULL', 'NULL', 'NULL', '\\N', '\0'",
            r"'', '', '', '', ''",
            r"'  x  ', CONCAT('a', CHAR(26)), ' x', '€ ', REPEAT('é', 70000)",
            r"NULL, NULL, NULL, NULL, NULL",
        ),
    ),
    "padded": Sample(
        f"a varchar(9) CHARACTER SET utf8 COLLATE utf8_general_ci, b varchar(9) CHARACTER SET utf8 COLLATE utf8_bin,"
        f" c char(9) CHARACTER SET utf8 COLLATE utf8_unicode_ci, d varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci, {STAMP}",
        rows("'a', 'a', 'a', 'a'", "'a ', 'a ', 'a ', 'a '", "'A', 'Á', 'ß', 'ss'", "'', ' ', '', ' '"),
    ),
    # Its collation is the server's own choice, which may be one that an older server does not know.
    "unnamed_collation": Sample(f"a varchar(40) CHARACTER SET utf8mb4, {STAMP}", rows("'😀'", "'é'", "'É '")),
    "binaries": Sample(
        f"a binary(5), b varbinary(300), c blob, d longblob NOT NULL, {STAMP}",
        rows(
            f"x'5C0A090027', x'{bytes(range(256)).hex()}', x'{bytes(range(256)).hex()}', x'00'",
            "x'FF', x'', x'', ''",
            "'', x'0000', x'5C4E', REPEAT(x'FF5C00', 50000)",
            "NULL, NULL, NULL, x'0D0A1A'",
        ),
    ),
    "labels": Sample(
        f"a enum('', 'é', '漢', 'it''s') {FOUR_BYTES}, b set('ä', 'ö', 'x') CHARACTER SET latin1,"
        f" c enum('1', '0', 'Ж') {THREE_BYTES} NOT NULL, d set({', '.join(repr(f'm{each}') for each in range(64))}), {STAMP}",
        rows(
            "'é', 'ä,ö', 'Ж', 'm63,m0'",
            "'nonsense', '', 'nonsense', ''",
            "'', 'x', '0', 18446744073709551615",
            "'it''s', 7, 1, 'm53,m52'",
            "NULL, NULL, 2, NULL",
        ),
    ),
    "shapes": Sample(
        f"a geometry, b point NOT NULL, {STAMP}",
        rows(
            "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'), POINT(1.5, -2.25)",
            "NULL, POINT(1e300, 5e-324)",
        ),
    ),
    "documents": Sample(
        f"a json, {STAMP}",
        rows("""'{"a": [1, "é", "😀"]}'""", "'[]'", "NULL", "'[0.5, 18446744073709551615, null, true]'"),
    ),
    "computed": Sample(
        f"a int, b int AS (a * 2) STORED, c varchar(20) AS (CONCAT('x', a)) VIRTUAL, {STAMP}",
        rows("1, DEFAULT, DEFAULT", "NULL, DEFAULT, DEFAULT", "-5, DEFAULT, DEFAULT"),
    ),
    "checked": Sample(f"a int CHECK (a > 3), b int DEFAULT 5, {STAMP}", rows("4, 1", "NULL, 2", "5, NULL")),
}  # fmt: skip


def keyed(columns: str, key: str, *values: str, options: str = "") -> Made:
    """A table with this key and one more column, whose numbers say which rows are edited and deleted."""
    numbered = ", ".join(f"({value}, {number})" for number, value in enumerate(values, 1))
    return made(
        f"CREATE TABLE {{t}} ({columns}, Value int NOT NULL, PRIMARY KEY ({key})) {options}",
        f"INSERT INTO {{t}} VALUES {numbered}",
    )


# Beyond 2⁵³ these are all one double.
WIDE = tuple(f"900719925474099200000000000{number:03}" for number in range(12))
LONG = (
    "REPEAT('a', {n})",
    "CONCAT(REPEAT('a', {n} - 1), 'b')",
    "'a'",
    "''",
    "REPEAT('z', {n})",
    "'B'",
)


def long(characters: int) -> tuple[str, ...]:
    return tuple(each.format(n=characters) for each in LONG)


KEYS: Mapping[str, Made] = {
    "by_decimal": keyed("a decimal(30,0)", "a", *WIDE, "-1", "0", "9" * 30),
    "by_fraction": keyed("a decimal(30,15)", "a", "-1.5", "0.000000000000001", "0.000000000000002", "99", "999999999999999.5", "1"),
    "by_bigint": keyed("a bigint unsigned", "a", "0", "18446744073709551615", "9223372036854775808", "9007199254740993", "9007199254740992", "5"),
    "by_text": keyed(f"a varchar(20) {THREE_BYTES}", "a", "''", "'a'", "'É'", "'it''s'", r"'\\'", "'ß'", "'漢'"),
    "by_german": keyed("a varchar(20) CHARACTER SET latin1 COLLATE latin1_german1_ci", "a", "''", "'ä'", "'z'", "'ß'", "'B'", "'c'"),
    "by_bytes": keyed("a varbinary(20)", "a", "x''", "x'00'", "x'5C'", "x'FF00'", "x'27'", "x'0A'"),
    "by_date": keyed("a date, b datetime(6)", "a, b", "'0001-01-01', 0", "'0000-00-00', 0", "'2024-00-00', 0", "'2024-02-31', '9999-12-31 23:59:59.999999'", "'2024-01-01', '2024-01-01 00:00:00.000001'", "'2024-01-01', 0"),
    "by_time": keyed("a time(6)", "a", "'-838:59:59'", "'-00:00:00.000001'", "0", "'00:00:00.000001'", "'838:59:59'", "'12:00:00'"),
    "by_year": keyed("a year", "a", "'0000'", "1901", "2000", "2155", "1970", "2026"),
    "by_double": keyed("a double", "a", "0.1", "0.30000000000000004", "5e-324", "-1e308", "1e15", "1e22"),
    "by_label": keyed(f"a enum('z', 'é', 'x') {THREE_BYTES}", "a", "'x'", "'é'", "'z'"),
    "by_bit": keyed("a bit(64)", "a", "0", "1", "9223372036854775808", "18446744073709551615", "92", "5"),
    "by_two": keyed("a int, b varchar(9) CHARACTER SET latin1, c smallint", "b, c, a", "1, 'x', 1", "1, 'x', 2", "2, 'x', 1", "1, 'y', 1", "9, '', 9", "3, 'X ', 3"),
    "of_767_bytes": keyed("a varchar(767) CHARACTER SET latin1", "a", *long(767), options="ENGINE=InnoDB"),
    "of_1000_bytes": keyed("a varchar(1000) CHARACTER SET latin1", "a", *long(1000), options="ENGINE=MyISAM"),
    "of_3072_bytes": keyed(f"a varchar(768) {FOUR_BYTES}", "a", *long(768), options="ENGINE=InnoDB"),
}  # fmt: skip

EDGES = VALUES | KEYS
