"""Does two things at once: reads the next page while the last one is written, or counts while others read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Page = TypeVar("Page")
Result = TypeVar("Result")


@contextmanager
def prefetch(pages: Iterator[Page]) -> Iterator[Iterator[Page]]:
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


@contextmanager
def in_background(do: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """Do something while the block runs; what is given waits for its end, returns its result and raises what it raised.

    At the block's end it has ended in any case.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="meanwhile") as other:
        yield other.submit(do).result
