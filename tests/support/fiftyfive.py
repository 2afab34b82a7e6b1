"""What MySQL 5.5 understands of the statements that a source gets, and how that is known.

The pages are those of its reference manual, dev.mysql.com/doc/refman/5.5/en/<page>.html. Each
entry was also found in the source of MySQL 5.5.30 (`sql/lex.h`, `sql/sql_yacc.yy`,
`sql/item_create.cc`, `sql/sql_show.cc`, `sql/sys_vars.cc`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

VERSION = 50599  # what a comment for any 5.5 holds is read

# What statements consist of, group by group: the page that has it, and the things in it.
FUNCTIONS = {
    "string-functions": "CHAR_LENGTH CONCAT CONCAT_WS HEX LEFT LENGTH LOWER REPLACE UPPER",
    "encryption-functions": "SHA2",  # 5.5.5; NULL on a server that was built without SSL
    "control-flow-functions": "IF IFNULL",
    "comparison-operators": "COALESCE",
    "cast-functions": "CAST CONVERT",
    "mathematical-functions": "ABS CONV CRC32 MOD",
    "date-and-time-functions": (
        "DATE FROM_DAYS FROM_UNIXTIME HOUR MICROSECOND MINUTE NOW SECOND SYSDATE TIMESTAMPDIFF TO_DAYS UNIX_TIMESTAMP UTC_TIMESTAMP YEAR"
    ),
    "information-functions": "CONNECTION_ID CURRENT_USER DATABASE VERSION",
    "group-by-functions": "COUNT MAX MIN SUM",
    "miscellaneous-functions": "DEFAULT SLEEP",
    "creating-spatial-values": "POINT",
}
WORDS = {
    "select": "SELECT DISTINCT FROM AS WHERE GROUP BY HAVING ORDER ASC DESC LIMIT OFFSET",
    "union": "UNION ALL",
    "join": "LEFT JOIN ON",
    "index-hints": "FORCE INDEX PRIMARY",
    "logical-operators": "AND OR NOT",
    "arithmetic-functions": "DIV",
    "comparison-operators": "IN IS LIKE BETWEEN",
    "literals": "NULL TRUE FALSE",
    "date-and-time-functions": "INTERVAL DAY HOUR MINUTE SECOND",
    "set-statement": "SET SESSION NAMES DEFAULT",
    "set-transaction": "TRANSACTION ISOLATION LEVEL REPEATABLE READ COMMITTED",
    "show-variables": "SHOW GLOBAL VARIABLES VARIABLE_NAME",
    "show-grants": "GRANTS",
    "show-create-table": "CREATE TABLE",
    "show-warnings": "WARNINGS",
    "kill": "KILL CONNECTION",
    "cast-functions": "USING",
    "charset-collate": "COLLATE",
    "information-schema": "INFORMATION_SCHEMA",
    "commit": "COMMIT ROLLBACK",
}
CATALOGUE = {
    "tables-table": (
        "TABLES",
        (
            "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE ENGINE VERSION ROW_FORMAT TABLE_ROWS AVG_ROW_LENGTH DATA_LENGTH"
            " MAX_DATA_LENGTH INDEX_LENGTH DATA_FREE AUTO_INCREMENT CREATE_TIME UPDATE_TIME CHECK_TIME TABLE_COLLATION CHECKSUM"
            " CREATE_OPTIONS TABLE_COMMENT"
        ),
    ),
    "columns-table": (
        "COLUMNS",
        (
            "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION COLUMN_DEFAULT IS_NULLABLE DATA_TYPE"
            " CHARACTER_MAXIMUM_LENGTH CHARACTER_OCTET_LENGTH NUMERIC_PRECISION NUMERIC_SCALE CHARACTER_SET_NAME COLLATION_NAME"
            " COLUMN_TYPE COLUMN_KEY EXTRA PRIVILEGES COLUMN_COMMENT"
        ),
    ),
    "statistics-table": (
        "STATISTICS",
        (
            "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME NON_UNIQUE INDEX_SCHEMA INDEX_NAME SEQ_IN_INDEX COLUMN_NAME COLLATION"
            " CARDINALITY SUB_PART PACKED NULLABLE INDEX_TYPE COMMENT INDEX_COMMENT"
        ),
    ),
    "column-privileges-table": (
        "COLUMN_PRIVILEGES",
        "GRANTEE TABLE_SCHEMA TABLE_NAME COLUMN_NAME PRIVILEGE_TYPE",
    ),
    "collations-table": ("COLLATIONS", "COLLATION_NAME CHARACTER_SET_NAME ID IS_DEFAULT"),
    "processlist-table": ("PROCESSLIST", "ID USER HOST DB COMMAND TIME STATE INFO"),
}
VARIABLES = {
    "server-system-variables": (
        "AUTOCOMMIT CHARACTER_SET_CLIENT CHARACTER_SET_CONNECTION CHARACTER_SET_RESULTS COMPLETION_TYPE DATADIR"
        " DEFAULT_STORAGE_ENGINE DIV_PRECISION_INCREMENT GROUP_CONCAT_MAX_LEN HOSTNAME INSERT_ID LC_TIME_NAMES LOCK_WAIT_TIMEOUT"
        " MAX_ALLOWED_PACKET MAX_JOIN_SIZE MAX_SORT_LENGTH NET_READ_TIMEOUT NET_WRITE_TIMEOUT SOCKET SQL_AUTO_IS_NULL"
        " SQL_BIG_SELECTS SQL_MODE SQL_QUOTE_SHOW_CREATE SQL_SAFE_UPDATES SQL_SELECT_LIMIT SQL_WARNINGS TIMESTAMP TIME_ZONE"
        " UNIQUE_CHECKS WAIT_TIMEOUT"
    ),  # DEFAULT_STORAGE_ENGINE and LOCK_WAIT_TIMEOUT came with 5.5.3
    "replication-options": "SERVER_ID",
}
TYPES = {"cast-functions": "BINARY CHAR DATE DATETIME DECIMAL SIGNED TIME UNSIGNED INTEGER"}
CHARSETS = {
    "charset-charsets": (
        "ARMSCII8 ASCII BIG5 BINARY CP1250 CP1251 CP1256 CP1257 CP850 CP852 CP866 CP932 DEC8 EUCJPMS EUCKR GB2312 GBK GEOSTD8 GREEK"
        " HEBREW HP8 KEYBCS2 KOI8R KOI8U LATIN1 LATIN2 LATIN5 LATIN7 MACCE MACROMAN SJIS SWE7 TIS620 UCS2 UJIS UTF16 UTF32 UTF8 UTF8MB4"
    ),  # UTF16, UTF32 and UTF8MB4 came with 5.5.3
}
COLLATIONS = {"charset-unicode-sets": "UTF8MB4_BIN UTF8MB4_GENERAL_CI"}
SIGNS = frozenset(":= <> <= >= = < > + - * / ( ) , . ^ <<".split())

# What it lacks, since when others have it and who says so; for the sentence only, as all that is not above is refused.
LATER = {
    "GENERATION_EXPRESSION": "MySQL 5.7.6, refman/5.7/en/information-schema-columns-table.html",
    "DATETIME_PRECISION": "MySQL 5.6.4, refman/5.6/en/fractional-seconds.html",
    "SRS_ID": "MySQL 8.0.3, refman/8.0/en/information-schema-columns-table.html",
    "KEYWORDS": "MySQL 8.0.13, refman/8.0/en/information-schema-keywords-table.html",
    "OVER": "MySQL 8.0.2, refman/8.0/en/window-functions.html",
    "ROW_NUMBER": "MySQL 8.0.2, refman/8.0/en/window-functions.html",
    "WITH": "MySQL 8.0.1, refman/8.0/en/with.html",
    "RECURSIVE": "MySQL 8.0.1, refman/8.0/en/with.html",
    "LATERAL": "MySQL 8.0.14, refman/8.0/en/lateral-derived-tables.html",
    "JSON": "MySQL 5.7.8, refman/5.7/en/json.html",
    "JSON_TABLE": "MySQL 8.0.4, refman/8.0/en/json-table-functions.html",
    "JSON_EXTRACT": "MySQL 5.7.8, refman/5.7/en/json-functions.html",
    "->": "MySQL 5.7.9, refman/5.7/en/json-search-functions.html",
    "->>": "MySQL 5.7.13, refman/5.7/en/json-search-functions.html",
    "REGEXP_REPLACE": "MySQL 8.0.4, refman/8.0/en/regexp.html",
    "ANY_VALUE": "MySQL 5.7.5, refman/5.7/en/miscellaneous-functions.html",
    "TO_BASE64": "MySQL 5.6.1, refman/5.6/en/string-functions.html",
    "WEIGHT_STRING": "MySQL 5.6.0, refman/5.6/en/string-functions.html",
    "ST_ASBINARY": "MySQL 5.6.1, refman/5.6/en/gis-format-conversion-functions.html",
    "MAX_STATEMENT_TIME": "MariaDB 10.1.1 and MySQL 5.7.4 to 5.7.7, mariadb.com/kb/en/aborting-statements/",
    "MAX_EXECUTION_TIME": "MySQL 5.7.8, refman/5.7/en/server-system-variables.html",
    "INFORMATION_SCHEMA_STATS_EXPIRY": "MySQL 8.0.3, refman/8.0/en/server-system-variables.html",
    "SERVER_UUID": "MySQL 5.6.0, refman/5.6/en/replication-options.html",
    "TX_READ_ONLY": "MySQL 5.6.5, refman/5.6/en/server-system-variables.html",
    "TRANSACTION_READ_ONLY": "MySQL 5.7.20, refman/5.7/en/server-system-variables.html",
    "WRITE": "MySQL 5.6.5 for SET TRANSACTION, refman/5.6/en/set-transaction.html",
    "EXAMINED": "MariaDB 5.5.21, mariadb.com/kb/en/limit-rows-examined/",
    "STATEMENT": "MariaDB 10.1.2, mariadb.com/kb/en/set-statement/",
    "UTF16LE": "MySQL 5.6.1, refman/5.6/en/charset-unicode-utf16le.html",
    "UTF8MB3": "a name that servers write since MySQL 8.0.29 and MariaDB 10.6.1, refman/8.0/en/charset-unicode-utf8mb3.html",
    "GB18030": "MySQL 5.7.4, refman/5.7/en/charset-gb18030.html",
    "FLOAT": "MySQL 8.0.17 for CAST, refman/8.0/en/cast-functions.html",
    "DOUBLE": "MySQL 8.0.17 for CAST, refman/8.0/en/cast-functions.html",
}
FRACTIONS = "MySQL 5.6.4, refman/5.6/en/fractional-seconds.html"
# Functions that take no number of digits of a second, and types that have none.
WITHOUT_FRACTION = frozenset(
    "UTC_TIMESTAMP UTC_TIME NOW CURTIME CURRENT_TIMESTAMP CURRENT_TIME SYSDATE LOCALTIME".split()
)
OF_NO_FRACTION = frozenset({"TIME", "DATETIME"})

CATALOGUES = "INFORMATION_SCHEMA"


def _all(groups: Mapping[str, str]) -> frozenset[str]:
    return frozenset(word for words in groups.values() for word in words.split())


@dataclass(frozen=True)
class Dialect:
    """What a server understands, and which other names the checked statements have.

    `names` are OpenDental's tables and engines. `columns_charsets` are character sets that only a
    column's own server names, before a key's bytes.
    """

    functions: frozenset[str] = _all(FUNCTIONS)
    words: frozenset[str] = _all(WORDS)
    variables: frozenset[str] = _all(VARIABLES)
    types: frozenset[str] = _all(TYPES)
    charsets: frozenset[str] = _all(CHARSETS)
    collations: frozenset[str] = _all(COLLATIONS)
    catalogue: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {
            table: frozenset(columns.split()) for table, columns in CATALOGUE.values()
        }
    )
    names: frozenset[str] = frozenset("PREFERENCE PREFNAME VALUESTRING INNODB".split())
    columns_charsets: frozenset[str] = frozenset()


TOKEN = re.compile(
    r"""(?P<space>\s+|--[ ][^\n]*|\#[^\n]*)
      | (?P<text>[nN]?'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|[xXbB]'[0-9a-fA-F]*')
      | (?P<name>`(?:[^`]|``)*`)
      | (?P<variable>@@(?:(?:global|session|local)\s*\.\s*)?\w+)
      | (?P<own>@\w*)
      | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<word>[^\W\d][\w$]*)
      | (?P<open>/\*) | (?P<close>\*/)
      | (?P<sign>:=|<=>|<>|!=|<=|>=|->>|->|\|\||&&|<<|>>|.)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
VERSIONED = re.compile(r"/\*!(\d{5})?")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.upper()


def tokens(statement: str, version: int = VERSION) -> Iterator[Token]:
    """Return what a MySQL of this version reads.

    Comments are left out, unless they are for it or an older one. A version has exactly five
    digits, so that `/*!100300 1 */` is for a later version than 5.5 only if 10030 is.
    """
    position, within = 0, False
    while position < len(statement):
        found = TOKEN.match(statement, position)
        assert found, "every character is some token's"
        kind, text = str(found.lastgroup), found[0]
        position = found.end()
        if kind == "open":
            asked = VERSIONED.match(statement, found.start())
            if asked and int(asked[1] or 0) <= version:
                position, within = asked.end(), True
            else:
                position = _behind(statement, found.start(), nested=bool(asked))
        elif kind == "close" and within:
            within = False
        elif kind == "close":
            yield from (Token("sign", "*"), Token("sign", "/"))
        elif kind != "space":
            yield Token(kind, text)


def _behind(statement: str, start: int, *, nested: bool) -> int:
    """Return where a comment ends; one for a later version may have others in it, one level deep."""
    position, depth = start + 2, 1
    for mark in re.finditer(r"/\*|\*/", statement[start + 2 :]):
        depth += (1 if nested and depth == 1 else 0) if mark[0] == "/*" else -1
        position = start + 2 + mark.end()
        if not depth:
            return position
    return len(statement)


def kind_of(statement: str) -> str:
    """Return a statement's first words, which name it in a sentence."""
    found = [token.word for token in tokens(statement) if token.kind == "word"]
    return " ".join(found[: 3 if found[:1] == ["SHOW"] else 2 if found[:1] == ["SET"] else 1])


def strange(statement: str, dialect: Dialect | None = None) -> list[str]:
    """Say of each thing that MySQL 5.5 would not understand what it is, and how that is known."""
    found = Reading(list(tokens(statement)), dialect or Dialect())
    kind = kind_of(statement)
    return [_sentence(kind, what, thing) for what, thing in dict.fromkeys(found.strange())]


def _sentence(kind: str, what: str, thing: str) -> str:
    later = FRACTIONS if thing.endswith(")") else LATER.get(thing.upper(), "")
    return f"{kind}: the {what} {thing} is none that MySQL 5.5 has" + (
        f"; it came with {later}."
        if later
        else "; if it has it, tests/support/fiftyfive.py lacks it and the manual's page that says so."
    )


@dataclass
class Reading:
    """A statement word by word."""

    read: list[Token]
    dialect: Dialect

    def strange(self) -> Iterator[tuple[str, str]]:
        """Return each thing that is not in the dialect, and its kind."""
        columns = self._columns()
        for position, token in enumerate(self.read):
            if token.kind == "variable" and _variable(token) not in self.dialect.variables:
                yield "system variable", _variable(token)
            elif token.kind == "sign" and token.text not in SIGNS:
                yield "operator", token.text
            elif token.kind == "word":
                yield from self._word(position, columns)

    def _word(self, position: int, columns: frozenset[str]) -> Iterator[tuple[str, str]]:
        token, known = self.read[position], self.dialect
        behind = self._at(position + 1)
        if token.text.startswith("_") and behind.kind == "text":
            yield from _unless(
                token.word[1:] in known.charsets | known.columns_charsets,
                "character set",
                token.text[1:],
            )
        elif self._is_charset(position):
            yield from _unless(token.word in known.charsets, "character set", token.text)
        elif self._at(position - 1).word == "COLLATE":
            yield from _unless(token.word in known.collations, "collation", token.text)
        elif position in self._types:
            yield from _unless(token.word in known.types, "type", token.text)
            yield from _unless(
                not self._has_digits(position, OF_NO_FRACTION), "type", self._with_digits(position)
            )
        elif self._at(position - 2).word == CATALOGUES and self._at(position - 1).text == ".":
            yield from _unless(
                token.word in known.catalogue, f"table of {CATALOGUES.lower()}", token.text
            )
        elif self._is_set(position):
            yield from _unless(token.word in known.variables, "system variable", token.text)
        elif self._has_digits(position, WITHOUT_FRACTION):
            yield "function", self._with_digits(position)
        elif behind.text == "(":
            yield from _unless(token.word in known.functions | known.words, "function", token.text)
        else:
            of_catalogue = f"column of {CATALOGUES.lower()}" if columns else "word"
            yield from _unless(
                token.word in known.words | columns | known.names | self._aliases,
                of_catalogue,
                token.text,
            )

    def _has_digits(self, position: int, words: frozenset[str]) -> bool:
        """Tell whether one of these words is given a number of fractional digits."""
        found = self._at(position + 1).text, self._at(position + 2).text
        return self.read[position].word in words and found[0] == "(" and found[1] != ")"

    def _with_digits(self, position: int) -> str:
        return f"{self.read[position].text}({self._at(position + 2).text})"

    def _at(self, position: int) -> Token:
        return self.read[position] if 0 <= position < len(self.read) else Token("", "")

    def _columns(self) -> frozenset[str]:
        """Return the columns of the catalogue's tables that the statement reads."""
        tables = [
            self._at(position + 2).word
            for position, token in enumerate(self.read)
            if token.word == CATALOGUES and self._at(position + 1).text == "."
        ]
        return frozenset().union(
            *(self.dialect.catalogue.get(table, frozenset()) for table in tables)
        )

    def _is_charset(self, position: int) -> bool:
        before = [self._at(position - 2).word, self._at(position - 1).word]
        return before[1] == "USING" or before in (["CHARACTER", "SET"], ["SET", "NAMES"])

    def _is_set(self, position: int) -> bool:
        """Tell whether a word is a variable that SET sets."""
        if self._at(0).word != "SET" or self._at(position + 1).text != "=":
            return False
        return position in self._outermost and self._at(position - 1).word in (
            "SET",
            "SESSION",
            ",",
        )

    @cached_property
    def _aliases(self) -> frozenset[str]:
        """Return the names that the statement itself gives."""
        behind = (position + 1 for position, token in enumerate(self.read) if token.word == "AS")
        return frozenset(
            self._at(position).word for position in behind if position not in self._types
        )

    @cached_property
    def _outermost(self) -> frozenset[int]:
        """Return the positions outside all parentheses."""
        return frozenset(position for position, opened in self._opened() if not opened)

    @cached_property
    def _types(self) -> frozenset[int]:
        """Return the positions after the AS of a CAST."""
        casts = {
            opened[-1]: position
            for position, opened in self._opened()
            if self.read[position].word == "AS"
            and opened
            and self._at(opened[-1] - 1).word == "CAST"
        }
        return frozenset(
            position
            for position, opened in self._opened()
            if opened and position > casts.get(opened[-1], len(self.read))
        )

    def _opened(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Return each position with the one where the parentheses around it begin."""
        opened: tuple[int, ...] = ()
        for position, token in enumerate(self.read):
            if token.text == ")":
                opened = opened[:-1]
            yield position, opened
            if token.text == "(":
                opened = (*opened, position)


def _variable(token: Token) -> str:
    return re.split(r"[@.\s]+", token.word)[-1]


def _unless(known: bool, what: str, thing: str) -> Iterator[tuple[str, str]]:
    if not known:
        yield what, thing
