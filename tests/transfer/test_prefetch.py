import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import wait_for

from transfer.running.overlap import prefetch


@given(st.lists(st.binary()))
def test_pages_come_as_they_were_read(read: list[bytes]):
    with prefetch(iter(read)) as pages:
        assert list(pages) == read


def test_no_more_than_one_page_is_read_ahead():
    read: list[int] = []

    def reading() -> Iterator[int]:
        for number in range(9):
            read.append(number)
            yield number

    with prefetch(reading()) as pages:
        for number in pages:
            wait_for(lambda: read[-1] == min(number + 1, 8))  # noqa: B023 - called at once
            time.sleep(0.02)
            assert read[-1] == min(number + 1, 8)


def test_the_next_page_is_read_while_one_is_written():
    wanted, there = threading.Event(), threading.Event()

    def reading() -> Iterator[str]:
        yield "first"
        assert wanted.wait(60)
        there.set()
        yield "second"

    with prefetch(reading()) as pages:
        assert next(pages) == "first"
        wanted.set()
        assert there.wait(60)
        assert list(pages) == ["second"]


def test_a_failed_read_fails_after_the_pages_before_it():
    def reading() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    with prefetch(reading()) as pages:
        assert next(pages) == 1
        with pytest.raises(ValueError, match="the second"):
            next(pages)


def test_a_failed_write_leaves_no_read_under_way():
    under_way = threading.Event()
    done: list[int] = []

    def reading() -> Iterator[int]:
        yield 1
        under_way.set()
        time.sleep(0.2)
        done.append(2)
        yield 2
        done.append(3)

    before = threading.active_count()

    def write() -> None:
        with prefetch(reading()) as pages:
            next(pages)
            assert under_way.wait(60)
            raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk"):
        write()
    assert done == [2]
    assert threading.active_count() == before
