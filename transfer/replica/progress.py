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


def note(lock: Lock, come: Progress) -> None:
    """Note how far a read of the whole table has come."""
    lock.connection.run(
        NOTING,
        "REPLACE INTO etl_extract_progress"
        " (table_name, watermark, read_from, last_key, rows_read, hash_sum)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            lock.table,
            come.watermark,
            come.read_from,
            json.dumps(come.last_key),
            come.rows,
            come.hashes,
        ),
    )


def forget(lock: Lock) -> None:
    """Note that there is no read of the table to be resumed."""
    lock.connection.run(
        NOTING, "DELETE FROM etl_extract_progress WHERE table_name = %s", (lock.table,)
    )
