"""Texts in every character set and collation that the server knows, with any content."""

import oracle
import pytest
from oracle import ask, my, newly
from runs import limited, run
from samples import Sample, family

from transfer.mysql import load_data

TABLES = {
    "contents": Sample(
        "a longtext, b varchar(99), c mediumtext NOT NULL, d char(20), e tinytext",
        (
            r"'\\N', 'NULL', 'a\tb', '\\N', 'NULL'",
            r"'\r\n', '\n', '\\', '\r', '\t'",
            r"NULL, NULL, '', NULL, NULL",
            r"'\'\"`%s', '%(x)s', '{}', '%d', '{0}'",
            r"'\\\n\t\\t', '\t', '\\\\', '\\n', '\\0'",
            r"REPEAT('é', 70000), ' x ', 'y ', ' z', 'end\n'",
            r"'', '', '', '', ''",
            r"'😀 e\u0301', CHAR(1,2,3,4,5,6,7,8,11,12,14,15,16,26,27,127), '\Z', '\b', CHAR(0xC2A0 USING utf8mb3)",
            "'null', 'Null', 'nil', '0', 'None'",
            "'1', '1 ', '1', '01', '1.0'",
            r"'a,b;c', '\"quoted\"', '''', '\"', '--'",
        ),
    ),
    "nul_characters": Sample(
        "a longtext, b varchar(99), c mediumtext NOT NULL, d varchar(9) CHARACTER SET ucs2",
        (
            r"'a\0b', '\0', '\0\0', '\0'",
            r"'x', 'x\0', '', 'a'",
            r"NULL, NULL, '\0NULL', NULL",
            r"'\\0', '\\\0', '0', ''",
        ),
    ),
    "charsets": Sample(
        "a varchar(50) CHARACTER SET latin1, b varchar(50) CHARACTER SET ucs2, c varchar(50) CHARACTER SET sjis,"
        " d varchar(50) CHARACTER SET utf8mb4, e char(20) CHARACTER SET utf16, f text CHARACTER SET big5,"
        " g varchar(50) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin, h tinytext CHARACTER SET latin1,"
        " i mediumtext CHARACTER SET utf32, j longtext CHARACTER SET gbk, k char(9) CHARACTER SET utf8mb4",
        (
            "'Müller', 'Łódź', '日本', '😀 e\u0301', 'Ünï', '中文', 'AaÄ', 'x', '😀', '中文', '👩‍👩‍👧'",
            "_latin1 x'818D8F909D', '', '', '', '', '', '', _latin1 x'80FF', '', '', ''",
            r"'a  ', 'b  ', 'c  ', 'd  ', 'e', ' ', 'NULL', '\\N', '\\N', '\\N', '\\N'",
            "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
            # In these a second byte is a backslash, a tab or a line feed.
            (
                "'\\\\', _ucs2 x'5C0A090A0A0D4E5C', _sjis x'955C8F5C', '\\n', _utf16 x'5C0A5C5C0A0A', _big5 x'A55CA45C', '\\t', '\\r',"
                " _utf32 x'00005C0A0000090A', _gbk x'815C8D5C', '\\n'"
            ),
        ),
    ),
    "national": Sample(
        "a nchar(5), b nvarchar(20), c varchar(20) COLLATE utf8mb4_bin, d varchar(20) BINARY, e char(0), f varchar(0) NOT NULL,"
        " g char(255), h varchar(1000) CHARACTER SET latin1",
        (
            "'ñ', 'Ñandú', 'a', 'A', '', '', REPEAT('ß', 255), REPEAT('ÿ', 1000)",
            "NULL, NULL, NULL, NULL, NULL, '', NULL, NULL",
            "'', '', '', '', '', '', '', ''",
        ),
    ),
}


brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_texts_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_texts_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_texts_follow(table, brought):
    brought.follows(table)


def _character_sets(brought):
    """Those that both servers have, by the source's names for them."""
    asking = "SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME <> 'binary'"
    known = {newly(f"{name}_") for name, _ in ask(brought.places.replica, asking)}
    return {
        name: width
        for name, width in ask(brought.places.source, asking)
        if newly(f"{name}_") in known
    }


def test_every_character_of_every_character_set(brought):
    """All characters up to U+10FFFF that a set has, found by converting them there and back."""
    sets = _character_sets(brought)
    columns = ", ".join(f"{name} longtext CHARACTER SET {name} COLLATE {name}_bin" for name in sets)
    ask(brought.places.source, f"CREATE TABLE repertoire (Id int PRIMARY KEY, {columns})")
    characters = [chr(point) for point in (*range(1, 0xD800), *range(0xE000, 0x30000, 7), 0x10FFFF)]
    for start in range(0, len(characters), 4096):
        text = "".join(characters[start : start + 4096])
        values = ", ".join(["%s"] * len(sets))
        ask(
            brought.places.source,
            f"INSERT INTO repertoire VALUES ({start}, {values})",
            *[text] * len(sets),
        )
    run(brought.settings, "repertoire")
    brought.assert_exact("repertoire")


def test_every_byte_of_every_character_set_of_single_bytes(brought):
    """Bytes without a character of their own are a question mark to every client, in `raw` too; the replica has them."""
    sets = [name for name, width in _character_sets(brought).items() if width == 1]
    columns = ", ".join(f"{name} varchar(255) CHARACTER SET {name}" for name in sets)
    ask(brought.places.source, f"CREATE TABLE bytewise (Id int PRIMARY KEY, {columns})")
    every = bytes(range(1, 128 if sets == ["ascii"] else 256)).hex()
    values = ", ".join(
        f"_{name} x'{bytes(range(1, 128)).hex() if name == 'ascii' else every}'" for name in sets
    )
    ask(brought.places.source, f"INSERT INTO bytewise VALUES (1, {values}), (2, {values})")
    run(brought.settings, "bytewise")
    brought.assert_exact("bytewise")


def _collations(connection):
    found = ask(connection, "SHOW COLLATION WHERE Compiled = 'Yes' AND Charset <> 'binary'")
    full = [
        name if name.startswith(f"{charset}_") else f"{charset}_{name}"
        for name, charset, *_ in found
        if charset
    ]
    return [name for name in full if not name.startswith("utf8_")]


def test_every_collation(brought):
    """One column of each; texts that some of them take for the same."""
    known = {newly(name) for name in _collations(brought.places.replica)}
    collations = [name for name in _collations(brought.places.source) if newly(name) in known]
    texts = ["a", "A", "á", "ß", "ss", "a ", "", "ñ", "ll", "ij", "x", None]
    for start in range(0, len(collations), 150):
        table, part = f"collations_{start}", collations[start : start + 150]
        columns = ", ".join(f"{my(name)} varchar(9) COLLATE {name}" for name in part)
        ask(
            brought.places.source,
            f"CREATE TABLE {table} (Id int AUTO_INCREMENT PRIMARY KEY, {columns})",
        )
        for text in texts:
            ask(
                brought.places.source,
                f"INSERT INTO {table} VALUES (DEFAULT, {', '.join(['%s'] * len(part))})",
                *[text] * len(part),
            )
        run(limited(brought.settings, page_rows=20), table)
        brought.assert_exact(table)
        ask(brought.places.source, f"UPDATE {table} SET Id = -Id")
        ask(brought.places.source, f"UPDATE {table} SET Id = MOD(-Id, {len(texts)}) + 1")
        run(limited(brought.settings, page_rows=20), table)
        brought.assert_exact(table)


@pytest.mark.parametrize("count", [3, 3000])
def test_t6_an_empty_text_is_not_null_however_large_the_table(count, brought):
    table = f"notes_{count}"
    ask(
        brought.places.source,
        f"CREATE TABLE {table} (Id int PRIMARY KEY, Note text, Short varchar(9))",
    )
    rows = ", ".join(
        f"({each}, {('NULL', repr(''))[each % 2]}, {(repr(''), 'NULL')[each % 2]})"
        for each in range(count)
    )
    ask(brought.places.source, f"INSERT INTO {table} VALUES {rows}")
    run(limited(brought.settings, page_rows=1000), table)
    brought.assert_exact(table)
    half = count // 2
    for schema, names in (("raw", ('"Note"', '"Short"')), ("public", ("note", "short"))):
        counts = ", ".join(
            f"count(*) FILTER (WHERE {name} = ''), count(*) FILTER (WHERE {name} IS NULL)"
            for name in names
        )
        assert brought.raw(f"SELECT {counts} FROM {schema}.{table}") == [
            (half, count - half, count - half, half)
        ]


def test_t8_utf8mb3_control_characters_and_texts_that_differ_only_in_case(brought):
    brought.make(
        "securitylog",
        "Id int PRIMARY KEY, Plain text CHARACTER SET utf8mb3, Exact varchar(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin",
        r"1, 'a\tb\r\n\Z', 'Abc'",
        "2, CONCAT('bell', CHAR(7), CHAR(27), CHAR(127)), 'abc'",
        "3, REPEAT('é', 32767), 'ABC'",
        "4, 'smile 😀 lost by the source itself', ''",
    )
    brought.assert_exact("securitylog")
    assert brought.raw('SELECT "Exact" FROM raw.securitylog ORDER BY "Id"') == [
        ("Abc",),
        ("abc",),
        ("ABC",),
        ("",),
    ]
    ask(brought.places.source, "UPDATE securitylog SET Plain = UPPER(Plain), Exact = UPPER(Exact)")
    run(brought.settings, "securitylog")
    brought.assert_exact("securitylog")


def test_t9_nul_characters_are_removed_in_raw_and_counted(brought):
    result = brought.make(
        "commlog",
        "Id int PRIMARY KEY, Note text, Sig varchar(20) NOT NULL",
        r"1, 'a\0b\0', '\0'",
        r"2, '\0', 'x'",
        r"3, NULL, '\\0'",
    )
    assert result.altered == {"Note": {"nul_characters": 2}, "Sig": {"nul_characters": 1}}
    held = brought.raw('SELECT "Note", "Sig" FROM raw.commlog ORDER BY "Id"')
    assert held == [("ab", ""), ("", "x"), (None, "\\0")]
    assert oracle.copied(brought.places, "commlog")


@pytest.mark.needs("source", "texts of bytes that are no characters")
@pytest.mark.needs("replica", "texts of bytes that are no characters")
def test_half_of_a_surrogate_pair_is_a_question_mark_that_is_counted(brought):
    ask(
        brought.places.source,
        "CREATE TABLE halves (Id int PRIMARY KEY, A varchar(9) CHARACTER SET utf8mb3, B text CHARACTER SET ucs2, C longtext)",
    )
    ask(
        brought.places.source,
        "INSERT INTO halves VALUES (1, _utf8mb3 x'41EDA08042', _ucs2 x'0041DC00', _utf8mb4 x'EDBFBF00'), (2, 'é', '?', NULL)",
    )
    result = run(brought.settings, "halves")["halves"]
    assert result.altered == {
        "A": {"unmapped_characters": 1},
        "B": {"unmapped_characters": 1},
        "C": {"nul_characters": 1, "unmapped_characters": 1},
    }
    held = brought.raw('SELECT "A", "B", "C" FROM raw.halves ORDER BY "Id"')
    assert held == [("A?B", "A?", "?"), ("é", "?", None)]
    assert oracle.copied(brought.places, "halves")
    assert run(brought.settings, "halves", verify=True)["halves"].found == ()


@pytest.mark.needs("source", "texts of bytes that are no characters")
@pytest.mark.needs("replica", "texts of bytes that are no characters")
def test_a_byte_that_is_no_character_is_counted_whatever_stands_for_it(brought):
    brought.make(
        "noncharacters",
        "Id int PRIMARY KEY, A varchar(9) CHARACTER SET tis620, B varchar(9) CHARACTER SET cp1257",
        "1, x'41DB', x'41A1'",
        "2, '?', '?'",
        "3, 'ก', 'ą'",
    )
    result = run(brought.settings, "noncharacters", force_full=True)["noncharacters"]
    held = brought.raw('SELECT "A", "B" FROM raw.noncharacters ORDER BY "Id"')
    assert [len(text) for row in held for text in row] == [2, 2, 1, 1, 1, 1]
    assert held[1:] == [("?", "?"), ("ก", "ą")]
    assert {text[1] for text in held[0]} <= {"?", "\ufffd"}
    assert result.altered == {"A": {"unmapped_characters": 1}, "B": {"unmapped_characters": 1}}


def test_t10_large_texts_are_read_in_pages_of_bytes(brought):
    ask(brought.places.source, "CREATE TABLE documentmisc (Id int PRIMARY KEY, RawBase64 longtext)")
    for each in range(8):
        ask(
            brought.places.source,
            f"INSERT INTO documentmisc VALUES ({each}, REPEAT('{each}\\\\\\n{each}é', 300000))",
        )
    run(limited(brought.settings, page_rows=1000, page_bytes=2**20), "documentmisc")
    brought.assert_exact("documentmisc")


def test_a_table_is_read_in_pages_of_bytes_though_its_server_tells_it_is_small(
    brought, monkeypatch
):
    """InnoDB's sizes are estimates, and of a while ago."""
    ask(
        brought.places.source,
        "CREATE TABLE grown (Id int PRIMARY KEY, D longtext) ENGINE=InnoDB STATS_PERSISTENT=1 STATS_AUTO_RECALC=0",
    )
    ask(brought.places.source, "INSERT INTO grown VALUES (0, '')")
    ask(brought.places.source, "ANALYZE TABLE grown")
    for each in range(1, 9):
        ask(brought.places.source, f"INSERT INTO grown VALUES ({each}, REPEAT('{each}', 600000))")
    sizes = []
    load = load_data.load
    monkeypatch.setattr(
        load_data, "load", lambda *given: sizes.append(given[-1].nbytes) or load(*given)
    )
    run(limited(brought.settings, page_rows=1000, page_bytes=2**20), "grown")
    assert max(sizes) < 2**20 + 2**19
    brought.assert_exact("grown")


def test_t11_dirty_values_arrive_as_they_are(brought):
    brought.make(
        "claim",
        "ClaimNum int PRIMARY KEY, IsProsthesis char(1) NOT NULL, Birthdate date NOT NULL, Fee double NOT NULL,"
        " AptStatus tinyint NOT NULL",
        "1, 'N', '1880-02-03', 252252, 1",
        "2, 'Y', '0001-01-01', -1, 1",
        "3, '', '0000-00-00', 0.005, -1",
        "4, ' ', '2999-12-31', 1e12, 127",
    )
    brought.assert_exact("claim")
    held = brought.raw(
        'SELECT "IsProsthesis", "Birthdate"::text, "Fee", "AptStatus" FROM raw.claim ORDER BY "ClaimNum"'
    )
    assert held == [
        ("N", "1880-02-03", 252252.0, 1),
        ("Y", "0001-01-01", -1.0, 1),
        ("", None, 0.005, -1),
        ("", "2999-12-31", 1e12, 127),
    ]
