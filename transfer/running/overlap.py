"""Does two things at once: reads a page while another is written, or counts while others read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Page = TypeVar("Page")
Result = TypeVar("Result")


@contextmanager
def prefetch(pages: Iterator[Page]) -> Iterator[Iterator[Page]]:
    """Give the pages in their order, with the next one read ahead.

    An error of reading is raised where its page would have come. At the block's end no read is
    under way any more.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as reader:

        def read_ahead() -> Iterator[Page]:
            coming = reader.submit(next, pages, None)
            while (page := coming.result()) is not None:
                coming = reader.submit(next, pages, None)
                yield page

        yield read_ahead()


@contextmanager
def in_background(do: Callable[[], Result]) -> Iterator[Callable[[], Result]]:
    """Do something while the block runs, and give a function that waits for its result.

    That function raises what was raised. At the block's end the work has ended in any case.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="meanwhile") as other:
        yield other.submit(do).result
