"""A table that the source no longer has is kept, marked and reported, and dropped only when asked to."""

import multiprocessing
import re
import secrets
import signal
from pathlib import Path
from typing import Any

import oracle
import pytest
from conftest import numbers, settings_for
from flow_runs import Command
from killing import drop_and_die
from oracle import Places, ask
from runs import limited, run

from deployments.databases import Databases
from flows.elt import main
from transfer.errors import TableError, UnknownTable
from transfer.journey import drop_gone
from transfer.journey.plan import look
from transfer.settings import Settings

pytest_plugins = ["prefect_server"]

COLUMNS = "Id int PRIMARY KEY, Name varchar(20)"


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


def create(places: Places, name: str) -> None:
    ask(places.source, f"CREATE TABLE {name} ({COLUMNS}) ENGINE=MyISAM")
    ask(places.source, f"INSERT INTO {name} SELECT seq, CONCAT('n', seq) FROM {numbers(20)}")


@pytest.fixture
def gone(places: Places, settings: Settings) -> str:
    """A table that has come everywhere and that the source no longer has."""
    names = [f"{letter}{secrets.token_hex(6)}" for letter in "ag"]
    for name in names:
        create(places, name)
    run(settings)
    ask(places.source, f"DROP TABLE {names[1]}")
    run(settings)
    return names[1]


def told(places: Places, table: str) -> list[str]:
    asked = "SELECT kind FROM etl_schema_change WHERE table_name = %s ORDER BY id"
    return [kind for (kind,) in ask(places.warehouse, asked, table)]


def traces(places: Places, table: str) -> list[int]:
    """How many tables, and rows of the bookkeeping, are left of a table in the three places."""
    here, there = places.warehouse, places.replica
    return [
        *ask(here, "SELECT count(*)::int FROM pg_class WHERE relname = %s AND relkind = 'r'", table)[0],
        *ask(here, "SELECT count(*)::int FROM etl_transform_status WHERE table_name = %s", table)[0],
        *ask(there, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s", table)[0],
        *ask(there, "SELECT COUNT(*) FROM etl_extract_status WHERE table_name = %s", table)[0],
    ]  # fmt: skip


def marked(places: Places, table: str) -> bool:
    return bool(
        ask(
            places.warehouse,
            "SELECT gone_at IS NOT NULL FROM etl_transform_status WHERE table_name = %s",
            table,
        )[0][0]
    )


def test_a_table_that_is_gone_is_kept_marked_and_told_once_until_it_returns(gone, places, settings):
    """Case S4."""
    run(settings)
    assert (marked(places, gone), told(places, gone)) == (True, ["table gone"])
    assert oracle.postgres_rows(places.warehouse, "public", gone).total() == 20
    assert gone in look(settings).gone
    create(places, gone)
    ask(places.source, f"ALTER TABLE {gone} ADD COLUMN More int")
    run(settings)
    assert (marked(places, gone), told(places, gone)) == (
        False,
        ["table gone", "table returned", "column added"],
    )
    assert oracle.unequal(places, [gone]) == {}


def test_a_table_that_is_gone_from_the_replica_too_is_still_told(gone, places, settings):
    ask(places.replica, f"DROP TABLE {gone}")
    ask(places.replica, "DELETE FROM etl_extract_status WHERE table_name = %s", gone)
    assert gone in look(settings).gone
    drop_gone.drop(settings, gone)
    assert gone not in look(settings).gone


def test_dropping_leaves_nothing_of_a_table_and_a_later_one_of_its_name_is_new(
    gone, places, settings
):
    assert drop_gone.resolve(settings, [f"{gone[:9]}*"]) == (gone,)
    drop_gone.drop(settings, gone)
    assert traces(places, gone) == [0, 0, 0, 0]
    assert told(places, gone) == ["table gone", "table dropped on request"]
    create(places, gone)
    run(settings)
    assert oracle.unequal(places, [gone]) == {}


DEPENDENTS = {
    "view": (
        'CREATE VIEW public.mine AS SELECT "Name" FROM raw.{t}',
        "DROP VIEW public.mine",
        "public.mine",
    ),
    "foreign key": (
        "CREATE TABLE public.mine (id int CONSTRAINT mine_key REFERENCES public.{t})",
        "DROP TABLE public.mine",
        "constraint mine_key on table public.mine",
    ),
}


@pytest.mark.parametrize("dependent", DEPENDENTS)
def test_what_depends_on_a_table_is_named_and_nothing_of_the_table_is_dropped(
    dependent, gone, places, settings
):
    make, drop, words = DEPENDENTS[dependent]
    ask(places.warehouse, make.format(t=gone))
    before = traces(places, gone)
    with pytest.raises(TableError, match=f"cannot be dropped, as {words} depends on it"):
        drop_gone.drop(settings, gone)
    assert traces(places, gone) == before
    ask(places.warehouse, drop)
    drop_gone.drop(settings, gone)
    assert traces(places, gone) == [0, 0, 0, 0]


def test_a_table_that_the_source_has_is_not_dropped(gone, places, settings):
    with pytest.raises(UnknownTable, match="the source still has it; nothing was dropped"):
        drop_gone.resolve(settings, [gone, "a*"])
    ask(places.source, f"CREATE TABLE {gone} ({COLUMNS})")
    with pytest.raises(TableError, match="is in the source again"):
        drop_gone.drop(settings, gone)
    assert traces(places, gone)[0] == 2


def test_another_source_is_not_taken_for_one_whose_tables_are_gone(gone, places, settings):
    ask(
        places.replica,
        "UPDATE etl_extract_status SET source_identity = CONCAT('else/', source_identity)",
    )
    with pytest.raises(UnknownTable, match="nothing in the replica was read from this source"):
        drop_gone.resolve(settings, [gone])
    ask(
        places.replica, "UPDATE etl_extract_status SET source_identity = SUBSTR(source_identity, 6)"
    )
    assert drop_gone.resolve(settings, [gone]) == (gone,)


def test_a_drop_that_is_killed_is_done_by_repeating_it(places, settings):
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["transfer.journey.drop_gone"])
    create(places, "keeps")
    names = [f"k{secrets.token_hex(6)}" for _ in range(12)]
    for name in names:
        create(places, name)
    run(settings)
    for name in names:
        ask(places.source, f"DROP TABLE {name}")
    run(limited(settings, gone_tables=len(names)))
    endings = []
    for commits, name in enumerate(names, 1):
        child = context.Process(target=drop_and_die, args=(settings, name, commits))
        child.start()
        child.join(60)
        endings.append(child.exitcode)
        drop_gone.drop(settings, name)
        assert traces(places, name) == [0, 0, 0, 0]
        assert told(places, name) == ["table gone", "table dropped on request"]
        if child.exitcode == 0:
            break
    assert endings[-1] == 0
    assert set(endings[:-1]) == {-signal.SIGKILL}
    assert len(endings) > 4


def test_the_command_line_tells_schema_changes_and_drops_what_is_gone(
    command: Command, in_environment: Any, capsys: Any, source: Any, warehouse: Any, tmp_path: Path
):
    for name in ("patient", "recall", "etlold"):
        source.run(f"CREATE TABLE {name} ({COLUMNS}) ENGINE=MyISAM")
        source.run(f"INSERT INTO {name} VALUES (1, 'x')")
    assert "schema change" not in command("--no-dbt").out
    source.run("ALTER TABLE patient ADD COLUMN IsMirrored smallint")
    source.run("CREATE TABLE appointment (Id int PRIMARY KEY)")
    source.run("DROP TABLE recall, etlold")
    lines = [
        "schema change: appointment: table appeared",
        "schema change: etlold: table gone",
        "schema change: patient: column IsMirrored added (smallint(6))",
        "schema change: recall: table gone",
    ]
    ended = command("--no-dbt")
    assert ended.code == 0
    out = ended.out.replace("(smallint)", "(smallint(6))")
    assert [line for line in out.splitlines() if line.startswith("schema change")] == lines
    assert "no longer in the source, kept as they are: etlold, recall" in out
    log = (tmp_path / "logs/elt_pipeline.log").read_text().replace("(smallint)", "(smallint(6))")
    assert all(f"INFO {line}" in log for line in lines)
    assert main(["--drop-gone", "recall", "--plan", "--json"]) == 2
    assert capsys.readouterr() == (
        "",
        "--drop-gone does nothing else: leave --plan, --json out. Nothing was dropped.\n",
    )
    assert main(["--status", "recall"]) == 0
    status = capsys.readouterr().out
    assert "no longer in the source, kept as they are: recall" in status
    assert len(re.findall(r"schema change: ", status)) == 1
    assert main(["--status"]) == 0
    assert (
        len(
            re.findall(
                r"^20\d\d-\d\d-\d\d \d\d:\d\d schema change: ",
                capsys.readouterr().out,
                re.MULTILINE,
            )
        )
        == 4
    )
    assert main(["--drop-gone", "recall", "--drop-gone", "patient"]) == 2
    assert capsys.readouterr() == (
        "",
        "--drop-gone patient: the source still has it; nothing was dropped.\n",
    )
    warehouse.run("CREATE VIEW public.mine AS SELECT name FROM public.recall")
    assert main(["--drop-gone", "*"]) == 1
    dropped = capsys.readouterr()
    assert dropped.out == "etlold: dropped from replica, raw and public\n"
    assert "public.mine depends on it" in dropped.err
    assert warehouse.run("SELECT to_regclass('public.etlold'), to_regclass('raw.etlold')") == [
        (None, None)
    ]
