"""How far the read of a whole table has come, noted with each page: a killed read resumes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import NamedTuple

from transfer.replica.lock import Lock
from transfer.values.scope import Key

NOTING = "noting the progress"


class Progress(NamedTuple):
    """How far a read has come: its last key, the rows so far and the sum of their hashes.

    `watermark` is the source's state when the read began.
    """

    watermark: str
    read_from: datetime
    last_key: Key
    rows: int
    hashes: int


def read(lock: Lock) -> Progress | None:
    """Return how far a killed run has read the table, None without a read that can be resumed."""
    found = lock.connection.rows(
        "reading etl_extract_progress",
        "SELECT watermark, read_from, last_key, rows_read, hash_sum"
        " FROM etl_extract_progress WHERE table_name = %s",
        (lock.table,),
    )
    for watermark, read_from, last_key, rows, hashes in found:
        return Progress(watermark, read_from, tuple(json.loads(last_key)), rows, hashes)
    return None


def begin(lock: Lock, watermark: str, now: datetime) -> None:
    """Note that a read of the whole table begins."""
    lock.connection.run(
        NOTING,
        "REPLACE INTO etl_extract_progress"
        " (table_name, watermark, read_from, last_key, rows_read, hash_sum)"
        " VALUES (%s, %s, %s, '[]', 0, 0)",
        (lock.table, watermark, now),
    )


def note(lock: Lock, last_key: Key, rows: int, hashes: int) -> None:
    """Note how far a read has come, if it is one of the whole table."""
    lock.connection.run(
        NOTING,
        "UPDATE etl_extract_progress SET last_key = %s, rows_read = %s, hash_sum = %s"
        " WHERE table_name = %s",
        (json.dumps(last_key), rows, hashes, lock.table),
    )


def forget(lock: Lock) -> None:
    """Note that there is no read of the table to be resumed."""
    lock.connection.run(
        NOTING, "DELETE FROM etl_extract_progress WHERE table_name = %s", (lock.table,)
    )
