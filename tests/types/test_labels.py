"""ENUM and SET: labels that look like numbers, empty ones, and the value that stands for an error."""

import pytest
from oracle import ask
from samples import Sample, family

MANY = ", ".join(f"'label {number}'" for number in range(300))
SIXTY_FOUR = ", ".join(f"'m{number}'" for number in range(64))

TABLES = {
    "enums": Sample(
        "a enum('', 'x', '1', 'ä'), b enum('2', '1', '0'), c enum('no', 'yes') NOT NULL, d enum('NULL', '\\\\N', 'a\\tb', '\\n'),"
        " e enum('it''s', '\"', 'a,b', '`', '%s') DEFAULT 'a,b'",
        (
            "'x', '1', 'yes', 'NULL', 'it''s'",
            "'1', 1, 'no', '\\\\N', '\"'",
            "NULL, NULL, 'no', NULL, NULL",
            "'', '0', 'oops', 'a\\tb', 'a,b'",
            "'ä', '', 1, '\\n', DEFAULT",
            "99, 'nonsense', 0, 'nonsense', '`'",
            "2, 2, '', 4, '%s'",
        ),
    ),
    "sets": Sample(
        f"a set('p', 'q''', '2'), b set({SIXTY_FOUR}), c set('') NOT NULL, d set('1', '2', '4') NOT NULL DEFAULT '2', e set('é', 'É ', 'x')",
        (
            "'p,q''', 18446744073709551615, '', '1,4', 'é'",
            "'', 9223372036854775808, 0, DEFAULT, 'x'",
            "NULL, NULL, '', 4, NULL",
            "'p,2', 0, 1, '', 'é,x'",
            "7, 'm0,m63', '', 7, ''",
            "'nonsense', 1, 'nonsense', 'p,1', 'É'",
        ),
    ),
    "many": Sample(
        f"a enum({MANY}), b enum({MANY}) NOT NULL",
        ("'label 299', 256", "1, 300", "NULL, 0", "255, 'label 0'"),
    ),
    "in_other_charsets": Sample(
        "a enum('ä', 'ö') CHARACTER SET latin1, b set('日', '本') CHARACTER SET sjis, c enum('ж', 'я') CHARACTER SET utf8mb4"
        " COLLATE utf8mb4_bin, d enum('a', 'A') CHARACTER SET latin1 COLLATE latin1_bin, e enum('ç', 'z') CHARACTER SET ucs2",
        (
            "'ä', '日', 'ж', 'a', 'ç'",
            "'ö', '日,本', 'я', 'A', 'z'",
            "NULL, NULL, NULL, NULL, NULL",
            "'', '', 0, 'x', 2",
        ),
    ),
    # Names of types and comments within labels must not be taken for the column's own.
    "that_look_like_types": Sample(
        "a enum('tinyint(1) unsigned', 'a /* b */ c', ') unsigned', 'float'), b set('VIRTUAL GENERATED', 'x') COMMENT 'STORED GENERATED'",
        ("1, 1", "2, 3", "3, 0", "4, NULL"),
    ),
}


brought = family(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_labels_are_exact(table, brought):
    brought.arrives(table)


@pytest.mark.parametrize("table", TABLES)
def test_the_same_labels_differ_in_nothing(table, brought):
    brought.stays(table)


@pytest.mark.parametrize("table", TABLES)
def test_changed_labels_follow(table, brought):
    brought.follows(table)


def test_the_value_of_an_error_stays_apart_from_an_empty_label(brought):
    brought.make(
        "errors", "Id int PRIMARY KEY, a enum('', 'x')", "1, 'nonsense'", "2, ''", "3, NULL"
    )
    assert ask(brought.places.replica, "SELECT a + 0, a FROM errors ORDER BY Id") == [
        (0, ""),
        (1, ""),
        (None, None),
    ]
    assert brought.raw('SELECT a FROM raw.errors ORDER BY "Id"') == [("",), ("",), (None,)]
