"""Turns what SHOW CREATE TABLE says into the definition of the replica's table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from transfer.mysql.literals import quote

# They are tried in this order. A server that does not have one of them refuses it by 1286.
ENGINES = ("InnoDB", "Aria", "MyISAM")

# A server says so that an engine cannot hold a table, though another may. Measured on MariaDB 10.11
# and 11.8 and on MySQL 9.7, InnoDB refuses
# - over 1,017 columns (1005 on MariaDB, 1117 on MySQL),
# - a counter that is first in no key (1075),
# - rows that may be wider than half a page (1118; with innodb_strict_mode=0 only such a row),
# - columns named DB_ROW_ID or FTS_DOC_ID (1166, 1797) and a key named GEN_CLUST_INDEX (1280),
# - on MySQL 5.6 spatial keys (1464), on 5.5 full-text ones (1214).
# Of those tables Aria refuses one with a key of a virtual column (1904) or a unique key of over
# 2,300 bytes (1071). MyISAM, on MySQL only, refuses one with a key of a virtual column (1478), a
# descending key (1178) or a unique key of over 1,000 bytes (1071). What none can hold, all of them
# refuse by 1117 or 1118.
REFUSED = frozenset(
    {"1005", "1071", "1075", "1117", "1118", "1166", "1178", "1214", "1280", "1286", "1464", "1478"}
    | {"1709", "1797", "1904", "3161"}
)

# A server says so that it does not know a part of a definition. An older one, or one of the other
# product, may not know a type, a clause, a collation, a default, or so many decimals.
UNKNOWN = frozenset(
    {"1064", "1067", "1101", "1115", "1273", "1293", "1294", "1425", "1426", "1818", "4161"}
)

# The options that say something about a table. The others are for the source's engine.
KEPT = frozenset(
    {
        "AUTO_INCREMENT",
        "CHARSET",
        "COLLATE",
        "COMMENT",
        "STATS_PERSISTENT",
        "STATS_AUTO_RECALC",
        "STATS_SAMPLE_PAGES",
    }
)

FEW_ROWS = 2_000

HIDDEN = re.compile(r"/\*!\d+ INVISIBLE \*/")
UNSAID = re.compile(r"/\*(?!M?!)|_utf8(mb[34])?$")
STRING = r"'(?:[^'\\]|\\.|'')*'"
NAME = r"`(?:[^`]|``)*`"
TOKENS = re.compile(
    rf"(\s*)({NAME}|{STRING}|/\*(?:{NAME}|{STRING}|(?!\*/).)*\*/|[\w$]+|.|$)", re.DOTALL
)


class Token(NamedTuple):
    """A word, name, text, comment or sign, its depth in parentheses, and the blanks before it."""

    text: str
    depth: int = 1
    before: str = " "

    @property
    def word(self) -> str:
        """A word of SQL in capitals, or a sign; empty for what stands in quotes."""
        return _word(self.text)


@lru_cache(maxsize=4_096)
def _word(text: str) -> str:
    return "" if text[:1] in "`'" else text.upper()


Entry = tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A CREATE TABLE: its columns, keys and constraints, and the options that are kept."""

    entries: tuple[Entry, ...]
    options: tuple[tuple[str, str], ...]

    @property
    def body(self) -> str:
        """Everything behind the table's name and before its engine."""
        return "(\n  " + ",\n  ".join(map(said, self.entries)) + "\n)"

    @property
    def ending(self) -> str:
        """Everything behind the engine."""
        names = {"CHARSET": "DEFAULT CHARSET"}
        return "".join(f" {names.get(option, option)}={value}" for option, value in self.options)


@dataclass(frozen=True, slots=True)
class Definition:
    """A table's definition in two steps: columns and primary key first, keys after the rows."""

    create: str
    keys: tuple[str, ...]


def as_replica(
    definition: str,
    name: str,
    engine: str = "InnoDB",
    collations: Iterable[tuple[str, str]] = (),
    rows: int | None = None,
) -> Definition:
    """Turn the source's definition into that of a plain table of its current rows.

    It has no foreign keys, partitions or history. `collations` maps the names of collations to
    those that take their place. A table that gets few `rows` has its keys from the start.
    """
    plain = _plain_statement(definition, tuple(collations))
    counter = next(
        (entry[0].text for entry in plain.entries if "AUTO_INCREMENT" in words(entry)), ""
    )
    fulltext = [entry for entry in plain.entries if words(entry)[0] == "FULLTEXT"]
    primary = next((entry for entry in plain.entries if words(entry)[:2] == ["PRIMARY", "KEY"]), ())
    # A counter must be in a key from the start, and MySQL makes only one full-text key at a time.
    bound = counter and not _has(primary, counter)
    later = [
        entry
        for entry in plain.entries
        if _is_key(entry) and not (bound and _has(entry, counter)) and entry not in fulltext[1:]
    ]
    if all(_costs_little(entry, rows) for entry in later):  # some of them would change their order
        later = []
    at_once = Statement(
        tuple(_unnamed(entry) for entry in plain.entries if entry not in later), plain.options
    )
    return Definition(
        f"CREATE TABLE {quote(name)} {at_once.body} ENGINE={engine}{at_once.ending}",
        tuple(map(said, later)),
    )


def structure(definition: str, collations: Iterable[tuple[str, str]] = ()) -> tuple[object, ...]:
    """Return what is equal in two definitions of the same table, whatever engines and counters."""
    plain = _plain_statement(definition, tuple(collations))
    keys = tuple(sorted(_bare(entry) for entry in plain.entries if _is_key(entry)))
    columns = tuple(_bare(entry) for entry in plain.entries if not _is_key(entry))
    options = (
        (option, utf8mb3(value)) for option, value in plain.options if option != "AUTO_INCREMENT"
    )
    return columns, keys, tuple(sorted(options))


@lru_cache(maxsize=64)
def _plain_statement(definition: str, collations: tuple[tuple[str, str], ...]) -> Statement:
    return _plain(parse(definition), dict(collations))


@lru_cache(maxsize=64)
def parse(definition: str) -> Statement:
    """Take a CREATE TABLE apart; bytes that are no characters come as Python's surrogates."""
    tokens = list(_tokens(definition))
    start = next(position for position, token in enumerate(tokens) if token.text == "(") + 1
    end = next(
        position for position, token in enumerate(tokens) if token.text == ")" and token.depth == 0
    )
    entries: list[list[Token]] = [[]]
    for token in _without_introducers(tokens[start:end]):
        if token.text == "," and token.depth == 1:
            entries.append([])
        else:
            entries[-1].append(_readable(token))
    return Statement(tuple(map(tuple, entries)), tuple(_options(tokens[end + 1 :])))


def _without_introducers(tokens: Sequence[Token]) -> Iterator[Token]:
    """Leave out the `_utf8mb4` that MySQL writes before a text.

    Every session of ours has that character set. MariaDB keeps what is not ASCII behind it in an
    escaped form, which it reads back as other characters.
    """
    introducer = None
    for token in tokens:
        if introducer and token.text.startswith("'"):
            yield token._replace(before=introducer.before)
        else:
            yield from filter(None, [introducer])
            if token.word != "_UTF8MB4":
                yield token
        introducer = token if token.word == "_UTF8MB4" else None


def _tokens(statement: str) -> Iterator[Token]:
    depth = 0
    for before, text in TOKENS.findall(statement):
        depth -= text == ")"
        if text:
            yield Token(text, depth, before)
        depth += text == "("


def _readable(token: Token) -> Token:
    """Write a text whose bytes are no characters in hexadecimal.

    Only the default of a binary column can be such a text.
    """
    if token.text.isascii():
        return token
    raw = token.text.encode(errors="surrogateescape")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return token._replace(text=f"x'{_unquoted(raw).hex()}'")
    return token


ESCAPES = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"Z": b"\x1a"}


def _unquoted(text: bytes) -> bytes:
    return re.sub(
        rb"\\(.)|''",
        lambda found: ESCAPES.get(found[1], found[1]) if found[1] else b"'",
        text[1:-1],
        flags=re.DOTALL,
    )


def _options(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """Find the options to keep; MySQL puts those of storage and partitions into comments."""
    for before, sign, value in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if before.word == "PARTITION":
            return
        if sign.text == "=" and before.depth == 0 and before.word in KEPT:
            yield before.word, value.text


@lru_cache(maxsize=4_096)
def words(entry: Entry) -> list[str]:
    """Return the entry's words and signs in their places.

    What stands in quotes or parentheses is empty.
    """
    return [token.word if token.depth == 1 else "" for token in entry]


def said(entry: Sequence[Token]) -> str:
    """Write an entry as SQL."""
    return "".join(token.before + token.text for token in entry).strip()


def is_column(entry: Entry) -> bool:
    """Tell a column from a key or constraint."""
    return entry[0].text.startswith("`")


def cut(entry: Entry, start: int, end: int, *instead: Token) -> Entry:
    """Replace the tokens from `start` to before `end` by others, or by none."""
    return (*entry[:start], *instead, *entry[end:])


KINDS_OF_KEYS = frozenset({"UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR"})


def _is_key(entry: Entry) -> bool:
    found = words(entry)
    return found[0] == "KEY" or (found[0] in KINDS_OF_KEYS and found[1] == "KEY")


def _costs_little(key: Entry, rows: int | None) -> bool:
    """Tell whether so many rows can as well be written with a key.

    One that refuses a row refuses it with a clear word only when it is built.
    """
    return rows is not None and (not rows or (rows <= FEW_ROWS and words(key)[0] == "KEY"))


def _is_check(entry: Entry) -> bool:
    return words(entry)[:3] == ["CONSTRAINT", "", "CHECK"]


def _has(key: Entry, column: str) -> bool:
    return any(token.depth == 2 and token.text == column for token in key)


def _plain(statement: Statement, collations: dict[str, str]) -> Statement:
    entries = tuple(
        _mapped(_plain_column(entry) if is_column(entry) else _plain_key(entry), collations)
        for entry in statement.entries
        if not (
            words(entry)[:3] == ["PERIOD", "FOR", "SYSTEM_TIME"]
            or words(entry)[:3] == ["CONSTRAINT", "", "FOREIGN"]
        )
    )
    options = (
        (option, collations.get(value.lower(), value) if option == "COLLATE" else value)
        for option, value in statement.options
    )
    return Statement(entries, tuple(options))


def _plain_key(entry: Entry) -> Entry:
    return _without(entry, "KEY_BLOCK_SIZE = *")


def _plain_column(entry: Entry) -> Entry:
    """Make a plain column of one that the server fills.

    It may be filled from the clock, from transactions' numbers or from a sequence. MySQL says that
    a column is invisible in a comment that MariaDB does not read.
    """
    entry = tuple(
        token._replace(text="INVISIBLE") if HIDDEN.fullmatch(token.text) else token
        for token in entry
    )
    if not {token.word for token in entry} & {"GENERATED", "SYSTEM", "NEXTVAL", "LASTVAL"}:
        return entry
    default = Token("'0000-00-00 00:00:00.000000'" if entry[1].word == "TIMESTAMP" else "0")
    for phrase in ("START INVISIBLE", "END INVISIBLE", "START", "END"):
        hidden = (Token("INVISIBLE"),) if "INVISIBLE" in phrase else ()
        filled = (Token("NOT"), Token("NULL"), *hidden, Token("DEFAULT"), default)
        entry = _without(entry, f"GENERATED ALWAYS AS ROW {phrase}", *filled)
    entry = _without(_without(entry, "WITHOUT SYSTEM VERSIONING"), "WITH SYSTEM VERSIONING")
    if not {token.word for token in entry} & {"NEXTVAL", "LASTVAL"}:
        return entry
    # A sequence is no table, so it is not copied.
    start = words(entry).index("DEFAULT")
    null = () if "NOT" in words(entry)[:start] else (Token("DEFAULT"), Token("NULL"))
    return cut(entry, start, words(entry).index(")", start) + 1, *null)


def _without(entry: Entry, phrase: str, *instead: Token) -> Entry:
    """Replace a phrase, in which * is any token, by other tokens, or by none."""
    found, wanted = words(entry), phrase.split()
    if wanted[0] not in found:
        return entry
    for start in range(len(entry) - len(wanted) + 1):
        if all(word in ("*", there) for word, there in zip(wanted, found[start:], strict=False)):
            return cut(entry, start, start + len(wanted), *instead)
    return entry


def _mapped(entry: Entry, collations: dict[str, str]) -> Entry:
    """Replace the names of collations, also those in expressions."""
    if not collations:
        return entry
    return tuple(
        token._replace(text=collations.get(token.text.lower(), token.text))
        if before.word == "COLLATE"
        else token
        for before, token in zip((Token(""), *entry), entry, strict=False)
    )


def _unnamed(entry: Entry) -> Entry:
    """Give a CHECK its name on MariaDB only.

    On MySQL a name is unique in the schema, and the table that will be replaced has it.
    """
    if not _is_check(entry) or "*/" in entry[1].text:
        return entry
    return cut(entry, 0, 2, Token(f"/*M! CONSTRAINT {entry[1].text} */"))


def _bare(entry: Entry) -> tuple[str, ...]:
    """Return an entry without comments, and without the name that MySQL gave to a CHECK.

    MySQL's definitions can be recognized by their double parentheses.
    """
    if _is_check(entry) and [token.text for token in entry[3:5]] == ["(", "("]:
        entry = entry[2:]
    if _is_key(entry):  # the engine chooses the kind
        entry = _without(_without(entry, "USING BTREE"), "USING HASH")
    # A collation implies its character set. MySQL writes both only where both were given.
    entry = _without(entry, "CHARACTER SET * COLLATE", Token("COLLATE"))
    # MySQL changes the character set of a constant to that of its column when it reads its own
    # definition again.
    kept = [token for token in entry if not UNSAID.match(token.text)]
    # MariaDB writes INVISIBLE before the default, from version 11 on behind it.
    kept.sort(key=lambda token: token.word == "INVISIBLE")
    return tuple(utf8mb3(token.text) if token.word else token.text for token in kept)


@lru_cache(maxsize=4_096)
def utf8mb3(word: str) -> str:
    """Return the newer name of what older servers call utf8."""
    return re.sub(r"^(_?)utf8(?=_|$)", r"\1utf8mb3", word)
