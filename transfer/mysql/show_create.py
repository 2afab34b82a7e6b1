"""A table's SHOW CREATE TABLE made explicit.

It leaves some things to the server's defaults, and some characters no server can show in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from transfer.mysql.connection import Connection, Row
from transfer.mysql.definition import Entry, Statement, Token, cut, is_column, parse, words
from transfer.mysql.literals import quote


def show_create(connection: Connection, table: str) -> str:
    """Return the table's definition, with every collation named and exact labels and defaults.

    Raises:
        DatabaseFault: the server refuses to show it, or gives no answer.

    """
    text = _show(connection, table)
    shown = found = parse(text)
    if _leaves_out(found):
        doing = f"asking for the collations of {table}"
        defaults = (
            "SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLLATIONS"
            " WHERE IS_DEFAULT = 'Yes'"
        )
        found = _named(
            found,
            {str(row[0]): str(row[1]) for row in connection.rows(doing, defaults)},
        )
    mended = tuple(
        _with_default(connection, table, _with_labels(connection, table, entry))
        if is_column(entry)
        else entry
        for entry in found.entries
    )
    if text.isascii() and replace(found, entries=mended) == shown:
        return text  # which need not be taken apart again
    return f"CREATE TABLE {quote(table)} {replace(found, entries=mended).body}{found.ending}"


def _show(connection: Connection, table: str) -> str:
    # A binary column's default may stand there in bytes that are no text.
    connection.use_unicode = False
    try:
        asking = f"asking for the definition of {table}"
        ((_, text),) = connection.rows(asking, f"SHOW CREATE TABLE {quote(table)}")
    finally:
        connection.use_unicode = True
    return bytes(text).decode(errors="surrogateescape")


def _leaves_out(statement: Statement) -> bool:
    options = dict(statement.options)
    return ("CHARSET" in options and "COLLATE" not in options) or any(
        map(_charset, statement.entries)
    )


def _charset(entry: Entry) -> int:
    """Find the character set of a column that names no collation; 0 if there is none."""
    found = words(entry) if is_column(entry) else []
    for position in range(3, len(found)):
        if found[position - 2 : position] == ["CHARACTER", "SET"] and found[
            position + 1 : position + 2
        ] != ["COLLATE"]:
            return position
    return 0


def _named(statement: Statement, defaults: dict[str, str]) -> Statement:
    """Name the collation wherever it is its character set's default on this server.

    Another server may have another default.
    """
    entries = []
    for entry in statement.entries:
        position = _charset(entry)
        collation = defaults.get(entry[position].text)
        named = Token("COLLATE"), Token(collation or "")
        entries.append(
            cut(entry, position + 1, position + 1, *named) if position and collation else entry
        )
    options = dict(statement.options)
    if "COLLATE" not in options and options.get("CHARSET") in defaults:
        options["COLLATE"] = defaults[options["CHARSET"]]
    return Statement(tuple(entries), tuple(options.items()))


def _with_labels(connection: Connection, table: str, entry: Entry) -> Entry:
    """Give an ENUM or SET its labels, as a character beyond U+FFFF is shown as a question mark.

    They are taken from the rows that use them and from the default. A label that neither uses
    stays as it is shown.
    """
    kind, column = entry[1].word, entry[0].text
    labels = [token.text for token in entry if _is_label(token)]
    if kind not in {"ENUM", "SET"} or not any("?" in label for label in labels):
        return entry
    asking = f"SELECT DISTINCT {_label_of(column)} FROM {quote(table)} WHERE {column} <> 0"
    found = connection.rows(f"asking for the labels of {table}", asking)
    if _default(entry):
        found += _of_default(connection, table, _label_of(f"DEFAULT({column})"))
    used: dict[int, str] = {}
    for number, code in found:
        positions = (
            [int(number) - 1]
            if kind == "ENUM"
            else [bit for bit in range(64) if int(number) >> bit & 1]
        )
        parts = [bytes.fromhex(code)] if kind == "ENUM" else bytes.fromhex(code).split(b",")
        if len(positions) == len(parts):  # an empty first label leaves no comma
            used |= dict(zip(positions, map(_literal, parts), strict=True))
    return tuple(_relabelled(entry, used))


def _label_of(value: str) -> str:
    return f"CAST({value} AS UNSIGNED), HEX(CONVERT({value} USING utf8mb4))"


def _of_default(connection: Connection, table: str, selected: str) -> list[Row]:
    """Return one row of what a column's default gives.

    There is none where no server shows it: for a column that is NOT NULL in an empty table.
    """
    for origin in (
        f"{quote(table)} LIMIT 1",
        f"(SELECT 1) AS one LEFT JOIN {quote(table)} ON FALSE",
    ):
        asking = f"SELECT {selected} FROM {origin}"
        found = connection.rows(f"asking for a default of {table}", asking)
        if found and None not in found[0]:
            return found
    return []


# In their defaults MySQL 5.6 shows question marks for bytes that are no text.
BYTES = frozenset({"BINARY", "VARBINARY"})


def _default(entry: Entry) -> int:
    """Find a default that is not shown as it is; 0 if there is none.

    MariaDB shows question marks in it. MySQL shows all its bytes as a number, as it does for any
    binary column.
    """
    position = words(entry).index("DEFAULT") + 1 if "DEFAULT" in words(entry) else 0
    text = entry[position].text if position else ""
    in_bytes = text.startswith("0x") and entry[1].word not in BYTES
    return position if in_bytes or (text.startswith("'") and "?" in text) else 0


def _is_label(token: Token) -> bool:
    return token.depth == 2 and token.text.startswith("'")


def _relabelled(entry: Entry, used: dict[int, str]) -> Iterator[Token]:
    position = -1
    for token in entry:
        position += _is_label(token)
        is_label = _is_label(token)
        yield token._replace(text=used.get(position, token.text)) if is_label else token


def _with_default(connection: Connection, table: str, entry: Entry) -> Entry:
    """Give a column its default, in which the same characters are shown as question marks."""
    position = _default(entry)
    if not position:
        return entry
    value = f"DEFAULT({entry[0].text})"
    in_bytes = entry[1].word in BYTES
    found = _of_default(
        connection, table, f"HEX({value if in_bytes else f'CONVERT({value} USING utf8mb4)'})"
    )
    written = (f"x'{code}'" if in_bytes else _literal(bytes.fromhex(code)) for (code,) in found)
    return cut(entry, position, position + 1, *map(Token, written)) if found else entry


def _literal(text: bytes) -> str:
    return "'" + text.decode().replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"
