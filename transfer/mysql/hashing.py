"""What is selected of a row: its stored columns, its key and its hash; and the sum of hashes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from transfer.errors import TableError
from transfer.mysql.literals import quote
from transfer.rules.casts import cast_of, hashed, numbered
from transfer.values.table import Column, Table


def row_hash(table: Table, since: datetime | None = None, alias: str = "") -> str:
    """Return the expression for a row's 64-bit hash over all its columns.

    With `since` (UTC), a row whose stamps are all older is hashed by its key and stamps alone. The
    digest is SHA-2, as MySQL 9.7 has no other.
    """
    if since is None:
        return _hash(table, table.columns, alias)
    whole, stamped = _hash(table, table.columns, alias), stamp_hash(table, alias)
    return f"IF({is_newer(table, since, alias)}, {whole}, {stamped})"


def stamp_hash(table: Table, alias: str = "") -> str:
    """Return the expression for the 64-bit hash of a row's key and stamps.

    A whole number and the seconds of one stamp are mixed by arithmetic, which takes the server a
    fifth of what a digest does.
    """
    if len(table.key) == 1 and numbered(table.key_columns):
        (key,) = (alias + quote(name) for name in table.key)
        seconds = [_seconds(column, alias) for column in table.stamp_columns]
        if len(seconds) == 1 and seconds[0]:
            return _mixed(key, seconds[0])
    identifying = {column.name: column for column in (*table.key_columns, *table.stamp_columns)}
    return _hash(table, tuple(identifying.values()), alias)


def _seconds(column: Column, alias: str) -> str | None:
    """Return the expression for all that a stamp tells, as a whole number; None if it tells more.

    A TIMESTAMP is stored as seconds of UTC, 0000-00-00 as 0.
    """
    whole = column.type == "timestamp" and not column.nullable
    return f"UNIX_TIMESTAMP({alias}{quote(column.name)})" if whole else None


def _mixed(number: str, seconds: str) -> str:
    """Return the expression for a hash of two whole numbers, in which no step exceeds 64 bits.

    A CRC is linear, so sums of rows that exchange their stamps would often be equal. The digits of
    neighbours must differ all over, and two factors make it a product.
    """
    spread = f"{number} ^ ({number} << 21) ^ ({seconds} * 1640531527)"
    return f"(CRC32({spread}) * CRC32({number} ^ {seconds}))"


def is_newer(table: Table, since: datetime, alias: str = "") -> str:
    """Return the condition that a stamp of a row is not older than a moment (UTC)."""
    return " OR ".join(_is_not_older(column, since, alias) for column in table.stamp_columns)


def _is_not_older(column: Column, since: datetime, alias: str) -> str:
    seconds = _seconds(column, alias)
    if seconds:
        return f"{seconds} >= {int(since.replace(tzinfo=UTC).timestamp())}"
    moment = f"'{_on_its_clock(column, since):%Y-%m-%d %H:%M:%S}'"
    return f"COALESCE({alias}{quote(column.name)} >= {moment}, TRUE)"


def _on_its_clock(column: Column, moment: datetime) -> datetime:
    """Return the moment that is as old or older in a column.

    A DATETIME is set by the clock of the writer's time zone, which may be any.
    """
    return moment if column.kind == "timestamp" else moment - timedelta(hours=27)


def _hash(table: Table, columns: Sequence[Column], alias: str) -> str:
    pieces = ", ".join(
        piece
        for column in columns
        for piece in hashed(column, alias + quote(column.name), signed_zeros=table.signed_zeros)
    )
    return f"CAST(CONV(LEFT(SHA2(CONCAT_WS(',', {pieces}), 256), 16), 16, 10) AS UNSIGNED)"


def key_select(table: Table) -> str:
    """Return the select list that carries the bytes of a row's key unchanged."""
    return ", ".join(
        cast_of(column).for_replica.format(c=quote(column.name)) for column in table.key_columns
    )


HASHES = 2**64  # the sums of hashes are taken modulo this


def sum_of_hashes(table: Table, hashes: pa.ChunkedArray) -> int:
    """Return the sum of rows' hashes modulo 2^64.

    Raises:
        TableError: the server could not make one of them, as the row is too long.

    """
    if hashes.null_count:
        raise TableError(f"{table.name} has a row longer than the source's max_allowed_packet.")
    return int(pc.sum(hashes).as_py() or 0)


def negative_zeros(page: pa.Table) -> dict[str, int]:
    """Count the values of -0 in each column of a page that has some."""
    counts = {
        page.field(position).name: pc.sum(pc.equal(_bits(column), NEGATIVE_ZERO)).as_py()
        for position, column in enumerate(page.columns)
        if pa.types.is_floating(column.type)
    }
    return {name: count for name, count in counts.items() if count}


NEGATIVE_ZERO = -(2**63)


def _bits(values: pa.ChunkedArray) -> pa.Array:
    return values.cast(pa.float64()).combine_chunks().view(pa.int64())


# Whether a server writes the sign of -0. MySQL and MariaDB until 10.5 do; newer ones store no sign.
SIGNED_ZEROS = "CONCAT(-0e0) = '-0'"


def replica_select(table: Table) -> str:
    """Return the select list that carries every stored column's bytes unchanged."""
    return ", ".join(
        cast_of(column).for_replica.format(c=quote(column.name)) for column in table.stored
    )
