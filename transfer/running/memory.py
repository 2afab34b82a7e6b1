"""Gives memory back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

import pyarrow as pa

from transfer.drivers.reader import MAPPED_BYTES

M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


@cache
def give_back() -> None:
    """Let this process give pages back as its readers do.

    Arrow's own pool would keep them, and glibc some of them.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
