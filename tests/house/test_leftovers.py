"""What a test leaves behind is found, whatever kind it is of; what is kept on purpose is not."""

import os
import socket
import subprocess
import threading
from contextlib import closing

import leftovers
import pytest
from leftovers import Belongings, belongings, close_idle, left, nothing_left
from private import home

from transfer.mysql import pool, reading
from transfer.postgres.pool import connect


def only(before: Belongings) -> str:
    found = left(before, seconds=0.05)
    assert len(found) == 1, found
    return found[0]


def test_nothing_is_found_where_nothing_was_left():
    assert left(belongings(), seconds=0) == []


def test_a_thread_is_found():
    before, ending = belongings(), threading.Event()
    thread = threading.Thread(target=ending.wait, name="the one that was left")
    thread.start()
    assert only(before) == "thread the one that was left"
    ending.set()
    assert left(before) == []


def test_a_thread_that_is_just_ending_is_waited_for():
    before = belongings()
    threading.Timer(0.1, int).start()
    assert left(before) == []


def test_a_process_is_found_also_one_that_has_ended_and_was_not_waited_for():
    before = belongings()
    with subprocess.Popen(["sleep", "60"]) as child:
        assert only(before) == f"process {child.pid}: sleep 60"
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert only(before) == f"process {child.pid} (sleep), which nobody has waited for"
    assert left(before) == []


def test_a_variable_is_found_new_changed_or_gone(monkeypatch):
    monkeypatch.setenv("ELT_CHANGED", "as it was")
    monkeypatch.setenv("ELT_GONE", "as it was")
    before = belongings()
    monkeypatch.setenv("ELT_CHANGED", "otherwise")
    monkeypatch.setenv("ELT_NEW", "new")
    monkeypatch.delenv("ELT_GONE")
    assert left(before, seconds=0) == [
        "variable ELT_CHANGED",
        "variable ELT_GONE",
        "variable ELT_NEW",
    ]


def test_a_connection_is_found(servers):
    before = belongings()
    with closing(servers.replica.connect()):
        assert f"('127.0.0.1', {servers.replica.port})" in only(before)
    with closing(servers.postgres.connect()):
        assert f"('127.0.0.1', {servers.postgres.port})" in only(before)
    with closing(socket.create_server(("127.0.0.1", 0))):
        assert only(before).startswith("1 of the sockets")
    assert left(before) == []


def test_a_connection_that_is_kept_for_the_next_statement_is_not_left(settings):
    before = belongings()
    with pool.connect(settings.replica, settings.limits), connect(settings.warehouse):
        assert only(before).startswith("2 of the sockets")
    assert left(before) == []
    reading.read(settings.source, settings.limits, "reading", "SELECT 1 AS one")
    assert left(before) == []
    close_idle()
    assert left(before) == []
    assert belongings().kept == 0


def test_a_server_of_a_tests_own_is_found():
    before = belongings()
    with home("left") as folder:
        assert only(before) == f"server in {folder}"
    assert left(before) == []


def test_the_check_fails_the_test_that_left_something(monkeypatch):
    monkeypatch.setattr(leftovers, "SECONDS", 0.05)
    check = nothing_left()
    next(check)
    monkeypatch.setenv("ELT_LEFT", "left")
    with pytest.raises(pytest.fail.Exception, match=r"left behind: .*variable ELT_LEFT"):
        next(check)


def test_every_test_and_every_file_is_checked(request):
    assert {"_leaves_nothing", "_file_leaves_nothing"} <= set(request.fixturenames)
