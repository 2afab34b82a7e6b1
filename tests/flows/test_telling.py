"""Whoever is to know how a run ended is told once, with what, why, mend and where to look."""

import fcntl
import json
import re
import resource
import secrets
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from accounts import account
from conftest import Client
from flow_runs import Command, settle
from post import Mail, Mailbox, mailbox

from flows import ending as endings
from flows.elt import RunFailed, elt
from tasks.telling import memory as memories
from tasks.telling import sending
from tasks.telling.endings import Cause, Ending, of_refusal
from tasks.telling.memory import DAY_SECONDS, FILE, Memory, keep, remembered
from tasks.telling.tell import tell
from transfer.errors import UnknownTable
from transfer.settings import who_is_told

pytest_plugins = ["prefect_server"]

NAME = f"Zyxqua{secrets.token_hex(4)}"


@pytest.fixture
def box(in_environment: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Where messages go, by mail and to a page, and a page for good runs."""
    with mailbox() as opened:
        in_environment.setenv("ELT_NOTIFY", opened.addresses)
        in_environment.setenv("ELT_PING", opened.page)
        yield opened


@pytest.fixture
def practice(source: Client) -> Client:
    source.run("CREATE TABLE patient (PatNum bigint PRIMARY KEY, LName text) ENGINE=MyISAM")
    source.run("CREATE TABLE appointment (AptNum bigint PRIMARY KEY, Note text) ENGINE=MyISAM")
    source.run("CREATE TABLE recall (RecallNum bigint PRIMARY KEY, PatNum bigint) ENGINE=MyISAM")
    source.run("INSERT INTO patient VALUES (1, %s)", NAME)
    source.run("INSERT INTO appointment VALUES (1, %s)", NAME)
    source.run("INSERT INTO recall VALUES (1, 1)")
    settle(source)
    return source


def closed_port() -> str:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def assert_tells(mail: Mail, title: str, *words: str) -> None:
    assert mail.title == f"OpenDental ELT: {title}"
    assert mail.text.startswith("What: ")
    assert all(word in mail.text for word in words), mail.text
    assert "elt_pipeline.log, and flows/elt.py --status in " in mail.text
    assert NAME not in mail.whole


def test_a_run_that_cannot_begin_is_told_once_and_so_is_its_recovery(
    run_here: Command, box: Mailbox, practice, servers, databases, tmp_path: Path
):
    assert run_here("--no-dbt").code == 0
    assert (box.mails, box.posts, box.calls) == ([], [], ["/ping/secret-check"])
    box.forget()

    down = {"SOURCE_MYSQL_PORT": closed_port()}
    ended = run_here("--no-dbt", **down)
    assert ended.code == 2
    assert_tells(box.one(), "could not begin", "Why: " + ended.err.strip(), "Mend: Do what the")
    assert run_here("--no-dbt", **down).code == 2
    assert (box.mails, box.posts, box.calls) == ([], [], [])

    ended = run_here("--no-dbt", SOURCE_MYSQL_PASSWORD=NAME)
    assert_tells(box.one(), "could not begin", "Why: SOURCE_MYSQL_USER or SOURCE_MYSQL_PASSWORD is")
    with account(servers, "source", f"SELECT (PatNum) ON `{databases.source.name}`.recall") as user:
        ended = run_here("--no-dbt", SOURCE_MYSQL_USER=user, SOURCE_MYSQL_PASSWORD="pw")
    assert_tells(box.one(), "could not begin", "Why: SOURCE_MYSQL_USER: ", "may not read all")
    run_here("--no-dbt", ANALYTICS_POSTGRES_PORT="many")
    assert_tells(box.one(), "could not begin", "Why: ANALYTICS_POSTGRES_PORT is unusable")
    run_here("--no-dbt", "--table", "pateint")
    assert_tells(box.one(), "refused", "Why: --table pateint", "did you mean patient")

    for asked in (["--plan"], ["--status"]):
        run_here(*asked, ANALYTICS_POSTGRES_PORT=closed_port())
    assert (box.mails, box.posts) == ([], [])

    assert run_here("--no-dbt").code == 0
    assert box.calls == ["/ping/secret-check"]
    assert_tells(box.one(), "recovered", "What: 3 unchanged in ", "\n\nGood again: the run\n")
    assert run_here("--no-dbt").code == 0
    assert (box.mails, box.posts, box.calls) == ([], [], ["/ping/secret-check"])
    kept = tmp_path / "logs" / FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    written = "".join(path.read_text() for path in kept.parent.iterdir())
    assert not re.search(f"clinic.example|secret-check|{NAME}", written)
    assert json.loads(kept.read_text()).keys() == {"told", "usable"}


def test_red_tables_and_models_are_told_in_one_message_and_repairs_too(
    run_here: Command, box: Mailbox, practice, warehouse, small_dbt, tmp_path: Path
):
    own, red = tmp_path / "own", f"select l_name::int from {{{{ ref('people') }}}} -- {NAME}"
    own.mkdir()
    (own / "recall.sql").write_text(f"SELECT no_such_column, '{NAME}' AS x FROM raw.recall")
    (small_dbt / "models/number.sql").write_text(red)
    assert run_here(ELT_STANDARDIZE_DIR=str(own)).code == 1
    assert box.calls == []
    words = ("What: 1 failed, 2 synced", "Why: recall: ", "recall.sql does not run", "number")
    assert_tells(box.one(), "red: recall, model number", *words, "Mend: Each red table keeps")
    (own / "recall.sql").unlink()
    assert run_here("--no-dbt", ELT_STANDARDIZE_DIR=str(own)).code == 0
    assert_tells(box.one(), "recovered: recall; still red: model number", "Good again: recall\n")
    (small_dbt / "models/number.sql").unlink()
    assert run_here().code == 0
    assert_tells(box.one(), "recovered", "Good again: model number\n")

    warehouse.run('UPDATE raw.patient SET "LName" = %s', f"{NAME} of another")
    assert run_here("--verify", "--no-dbt").code == 1
    assert_tells(
        box.one(), "repaired: patient", "Why: patient: found 1 changed in raw, column LName"
    )
    assert run_here("--no-dbt").code == 0
    assert (box.mails, box.posts, box.calls) == ([], [], ["/ping/secret-check"])


def test_what_is_on_this_machine_is_told_past_all_proxies(here: Command, box: Mailbox):
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy"), f"http://127.0.0.1:{closed_port()}")
    assert here(SOURCE_MYSQL_PORT="many", **proxies).err.count("\n") == 1
    assert_tells(box.one(), "could not begin")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in proxies.items():
            environment.setenv(name, value)
        assert sending.call(box.page)


def test_what_cannot_be_told_is_one_line_and_changes_nothing_else(
    run_here: Command, box: Mailbox, practice, tmp_path: Path, monkeypatch
):
    away = f"json://user:{NAME}@127.0.0.1:{closed_port()}/"
    down = {"SOURCE_MYSQL_PORT": closed_port()}
    ended = run_here(ELT_NOTIFY=away, **down)
    assert ended.code == 2
    first, second = ended.err.splitlines()
    assert first.startswith("SOURCE_MYSQL_HOST or")
    assert second.startswith("ELT_NOTIFY: no message went to address 1 (json://…)")
    ended = run_here(ELT_NOTIFY=f"{away} {box.addresses}", **down)
    assert ended.err.count("ELT_NOTIFY") == 1
    assert_tells(box.one(), "could not begin")
    assert run_here(ELT_NOTIFY=f"{away} {box.addresses}", **down).err == f"{first}\n"

    box.ill = True
    ended = run_here("--no-dbt", ELT_NOTIFY=None)
    assert ended.code == 0
    assert ended.err.startswith("ELT_PING: the page did not answer")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(sending, "SECONDS", 0.3)
        page = f"http://127.0.0.1:{silent.getsockname()[1]}/{NAME}"
        ended = run_here("--no-dbt", ELT_NOTIFY=None, ELT_PING=page)
    assert (ended.code, ended.err.count("\n"), NAME in ended.err) == (0, 1, False)
    logged = (tmp_path / "logs/elt_pipeline.log").read_text()
    assert logged.count("ELT_PING: ") == 2
    assert NAME not in logged


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ELT_NOTIFY", "foo://{}", "cannot send to address 1 (foo://…)"),
        ("ELT_NOTIFY", "mail {}", "one address of Apprise or more"),
        ("ELT_PING", "ftp://x/{}", "the address of one page"),
    ],
)
def test_an_address_that_nothing_can_use_is_refused_and_others_are_told(
    name, value, words, here: Command, box: Mailbox
):
    good = f" {box.addresses}" if "://" in value and name == "ELT_NOTIFY" else ""
    ended = here("--no-dbt", **{name: value.format(NAME) + good})
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended
    assert ended.err.startswith(f"{name} is unusable: ")
    assert words in ended.err
    assert NAME not in ended.err
    if name == "ELT_PING" or good:
        assert_tells(box.one(), "could not begin", words)


def test_a_flow_tells_as_the_command_line_does(
    in_environment, box: Mailbox, practice, prefect, tmp_path: Path
):
    """A deployment's run is this call, in a process of its own."""
    with pytest.raises(UnknownTable):
        elt(tables=["pateint"])
    assert_tells(box.one(), "refused", "Why: --table pateint")
    (tmp_path / "recall.sql").write_text("SELECT no_such_column FROM raw.recall")
    in_environment.setenv("ELT_STANDARDIZE_DIR", str(tmp_path))
    with pytest.raises(RunFailed):
        elt(models=False)
    mail = box.one()
    assert_tells(mail, "red: recall", "Good again: the run")
    (tmp_path / "recall.sql").unlink()
    assert elt(tables=["patient"], models=False).good
    assert (box.mails, box.posts, box.calls) == ([], [], ["/ping/secret-check"])
    assert elt(models=False).good
    assert_tells(box.one(), "recovered")


def test_of_two_runs_that_end_at_once_one_tells(box: Mailbox):
    ending = of_refusal("SOURCE_MYSQL_HOST: planted.")
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(tell, [ending] * 4)) == [()] * 4
    assert_tells(box.one(), "could not be finished", "Why: SOURCE_MYSQL_HOST: planted.")


RED, FIXED = Cause("table", "recall", "TableError"), frozenset({("table", "recall")})


def red(cause: Cause = RED) -> Ending:
    return Ending("red: recall", "1 failed", wrong=((cause, "recall: no"),))


GOOD, OTHER = Ending("good", "all", settled=FIXED), Ending("good", "all")
HOUR = 3_600


@pytest.mark.parametrize(
    "history",
    [
        [(0, red(), "new"), (1, red(), ""), (22.9, red(), ""), (23.1, red(), "new")],
        [(0, red(), "new"), (1, GOOD, "over"), (2, GOOD, ""), (30, GOOD, "")],
        [(0, red(), "new"), (1, OTHER, ""), (2, GOOD, "over")],
        [(0, red(), "new"), (1, GOOD, "over"), (2, red(), ""), (3, GOOD, ""), (24, red(), "new")],
        [
            (0, red(), "new"),
            (1, GOOD, "over"),
            (2, red(), ""),
            (24, red(), "new"),
            (25, GOOD, "over"),
        ],
        [(0, red(), "new"), (1, red(Cause("table", "recall", "X")), "new"), (2, GOOD, "over over")],
        [(0, red(Cause("repair", "recall")), "new"), (1, GOOD, ""), (25, GOOD, "")],
        [(9_000, red(), "new"), (0, red(), "new"), (1, red(), "")],
    ],
    ids=[
        "lasting",
        "over",
        "another run",
        "back within a day",
        "back for long",
        "other",
        "repair",
        "a clock that was wrong",
    ],
)
def test_a_cause_is_told_once_a_day_and_its_end_if_its_begin_was(history, tmp_path: Path):
    for hours, ending, expected in history:
        with remembered(tmp_path) as (memory, file):
            news, over = memory.take(ending, 1e9 + hours * HOUR)
            assert keep(memory, file)
        assert " ".join(["new"] * len(news) + ["over"] * len(over)) == expected, hours
    assert DAY_SECONDS < 24 * HOUR


def test_a_memory_that_cannot_be_read_is_an_empty_one(tmp_path: Path):
    whole = '{"told": [{"cause": {"kind": "a", "name": "b", "way": ""}, "at": null}], "usable": ""}'
    for content in ("", "{", "[]", '{"told": [{"at": 1}], "usable": ""}', whole, "[" * 100_000):
        (tmp_path / FILE).write_text(content)
        with remembered(tmp_path) as (memory, _):
            assert memory == Memory()
    with remembered(tmp_path / FILE) as (memory, file):
        assert (memory, file) == (Memory(), None)
        assert not keep(memory, file)


def test_a_memory_that_a_process_holds_for_ever_stops_no_run(box: Mailbox, tmp_path, monkeypatch):
    monkeypatch.setattr(memories, "HELD_SECONDS", 0.2)
    (tmp_path / "logs").mkdir()
    with (tmp_path / "logs" / FILE).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (sentence,) = tell(of_refusal("SOURCE_MYSQL_HOST: planted."))
    assert "or another process holds it" in sentence
    assert_tells(box.one(), "could not be finished")


def test_a_full_disk_costs_the_memory_alone(box: Mailbox):
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most[1]))
    try:
        (sentence,) = tell(of_refusal("SOURCE_MYSQL_HOST: planted."))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert f"{FILE} cannot be written" in sentence
    assert_tells(box.one(), "could not be finished")


def test_an_address_that_is_no_longer_usable_is_not_left_out_in_silence(
    box: Mailbox, in_environment: pytest.MonkeyPatch
):
    in_environment.setenv("ELT_NOTIFY", f"foo://{NAME} {box.addresses}")
    (sentence,) = tell(of_refusal("SOURCE_MYSQL_HOST: planted."))
    assert sentence.startswith("ELT_NOTIFY: no message went to address 1 (foo://…)")
    assert_tells(box.one(), "could not be finished")


def test_whatever_goes_wrong_with_telling_changes_no_exit_status(
    here: Command, box: Mailbox, in_environment: pytest.MonkeyPatch
):
    def fails(_: Ending) -> tuple[str, ...]:
        raise RuntimeError(NAME)

    in_environment.setattr(endings, "tell", fails)
    ended = here(SOURCE_MYSQL_PORT="many")
    first, second = ended.err.splitlines()
    assert (ended.code, first[:22]) == (2, "SOURCE_MYSQL_PORT is u")
    assert second.startswith("Nobody could be told: RuntimeError at ")
    assert NAME not in ended.err


def test_a_folder_that_cannot_be_named_leaves_the_addresses(
    box: Mailbox, in_environment: pytest.MonkeyPatch
):
    in_environment.setenv("ELT_LOG_DIR", "logs/\udcff")
    assert who_is_told().addresses == tuple(box.addresses.split(", "))
