"""Reads the next page while the last one is written."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Page = TypeVar("Page")


@contextmanager
def ahead(pages: Iterator[Page]) -> Iterator[Iterator[Page]]:
    """Give the pages in their order, one of them read ahead; what reading raises is raised where its page would have come.

    At the block's end no read is under way any more.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as reader:

        def given() -> Iterator[Page]:
            coming = reader.submit(next, pages, None)
            while (page := coming.result()) is not None:
                coming = reader.submit(next, pages, None)
                yield page

        yield given()
