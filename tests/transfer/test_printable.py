"""Names from a server are shown so that they cannot move the cursor, forge a line or mislead."""

import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Client
from flow_runs import Ended, settle
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter
from rich.table import Table as Grid

from flows.terminal.console import Terminal
from tasks.report.practice_report import _printable
from transfer.errors import DatabaseFault, EltError, PreflightError, TableError
from transfer.mysql.literals import quote
from transfer.settings import ROOT
from transfer.values.printable import markdown, printable

pytest_plugins = ["prefect_server"]

HOSTILE = {
    "title": "a\x1b]0;owned\x07b",
    "line": "c\nrun 1: 999 synced",
    "return": "d\rgone",
    "old console": "e\x9b2J",
    "delete": "f\x7fg",
    "bidi": "h\u202egnp\u2066",
    "joiner": "i\u200bj",
    "paragraph": "k\u2029l",
    "markup": "[red]m[/red][/]",
    "markdown": "[n](javascript:alert(1)) <b>o</b> `p` http://q",
}


def bad(text: str) -> set[str]:
    """The characters of a text that no output has, ends of lines apart."""
    return {
        each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    } - {"\n"}


def test_every_character_that_is_not_to_look_at_is_written():
    every = [chr(number) for number in range(sys.maxunicode + 1)]
    assert bad(printable("".join(every))) == set()
    assert "\n" not in printable("".join(every))
    assert printable("Zahnärztin 😀 \\ 'x' 日本") == "Zahnärztin 😀 \\ 'x' 日本"
    assert printable("a\x1b\n\u202e") == "a\\x1b\\n\\u202e"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_errors_say_each_sentence_in_one_line(name):
    for error in (
        EltError(name),
        TableError(f"{name} is red."),
        DatabaseFault("source", f"reading {name}", "1146"),
    ):
        assert not bad(str(error)) | set("\n") & set(str(error))
    assert str(PreflightError(f"one of {name}", f"two of {name}")).count("\n") == 1


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_terminal_shows_names_as_text(name):
    shown = io.StringIO()
    console = Terminal(
        file=shown, width=200, markup=False, emoji=False, force_terminal=True, no_color=True
    )
    grid = Grid(box=None)
    grid.add_column("table")
    grid.add_row(name)
    console.print(grid)
    console.print(name)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())  # rich's own
    assert not bad(plain)
    assert [line.strip() for line in plain.splitlines()[1:]] == [printable(name)] * 2


def test_nothing_is_printed_past_the_one_place():
    own = "".join(path.read_text() for path in (ROOT / "flows/terminal").glob("*.py"))
    assert re.findall(r"[^_\w.]Text\(.*", own) == [" Text(printable(text), style=style)"]
    assert not [
        path
        for path in (ROOT / "flows").rglob("*.py")
        if re.search(r"[^:.] Console\(", path.read_text())
    ]


def test_markdown_shows_a_name_as_it_is():
    assert markdown("[x](http://y) <b>") == r"\[x\](http\://y) \<b\>"


def test_the_page_of_the_practice_shows_names_as_text():
    rows = _printable([(name, 1) for name in HOSTILE.values()])
    assert not bad("".join(row[0] for row in rows))


@pytest.fixture
def hostile(source: Client) -> Client:
    for name in HOSTILE.values():
        source.run(
            f"CREATE TABLE {quote(name)} ({quote(name + ' id')} bigint PRIMARY KEY) ENGINE=MyISAM"
        )
    source.run("CREATE TABLE renamed (Id bigint PRIMARY KEY) ENGINE=MyISAM COMMENT 'x\x1b[2Jy'")
    return source


def test_planted_names_reach_no_output_raw(
    command: Callable[..., Ended],
    here: Callable[..., Ended],
    hostile: Client,
    prefect: SyncPrefectClient,
    tmp_path: Path,
):
    settle(hostile)
    ended = [command("--plan"), command("--no-dbt")]
    assert [each.code for each in ended] == [0, 0], ended
    for name in HOSTILE.values():
        hostile.run(f"ALTER TABLE {quote(name)} ADD COLUMN {quote(name + ' more')} int")
    hostile.run(f"DROP TABLE {quote(HOSTILE['line'])}")
    told = command("--no-dbt", "--json")
    assert told.code == 0, told
    tables = {each["table"] for each in json.loads(told.out)["tables"]}
    assert set(HOSTILE.values()) - {HOSTILE["line"]} <= tables
    ended += [told, here("--status"), here("--status", "--json"), here("--drop-gone", "*")]
    assert [each.code for each in ended[3:]] == [0, 0, 0], ended[3:]
    assert "999 synced: dropped" in ended[-1].out
    logs = {path.name: path.read_text() for path in (tmp_path / "logs").iterdir()}
    assert set(logs) == {"elt_pipeline.log", "connection.log"}
    lines = [line for text in logs.values() for line in text.splitlines()]
    assert [
        line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+Z [A-Z]+ ", line)
    ] == []
    its_own = {"any_": [json.loads(told.out)["run_id"]]}  # the server is other tests', too
    newest = prefect.request(
        "POST", "/artifacts/filter", json={"limit": 200, "sort": "CREATED_DESC"}
    ).json()
    artifacts = [
        each
        for each in newest
        if each["flow_run_id"] in its_own["any_"] and each["key"] == "elt-verdict"
    ]
    cells = [
        str(cell) for each in artifacts for row in json.loads(each["data"]) for cell in row.values()
    ]
    places = {
        "terminal": [each.out + each.err for each in ended],
        "logs": list(logs.values()),
        "Prefect's logs": [
            record.message
            for record in prefect.read_logs(LogFilter(flow_run_id=its_own), limit=200)
        ],
        "Prefect's names": [
            run.name
            for run in prefect.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(**its_own)), limit=200
            )
        ],
        "artifacts": [*(each["description"] for each in artifacts), *cells],
    }
    meant = printable(HOSTILE["title"])
    assert [
        place for place, texts in places.items() if not any(meant in text for text in texts)
    ] == []
    shown = [text for texts in places.values() for text in texts]
    assert [text for text in shown if bad(text)] == []
    assert [
        line
        for text in shown
        for line in text.splitlines()
        if re.match(r"(\S+Z )?run 1: 999", line)
    ] == []
