"""A server that hangs holds nothing for ever: the wait is given up in one sentence, and the next run is good once it is back."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Any

import oracle
import pytest
from conftest import PARSED, in_the_suite, numbers, settings_for
from flow_runs import write_dbt
from oracle import Places, ask, connected
from relays import Way, way
from runs import HANGING_SECONDS, in_time, prepare, run, wait_for

from deployments.databases import Databases
from tasks import build_models, dbt_project
from transfer.errors import DatabaseFault, ServerHangs
from transfer.mysql import pool, reading, session
from transfer.postgres import opening
from transfer.postgres.locks import wait_for_locks
from transfer.postgres.pool import connect
from transfer.replica.lock import lock_table
from transfer.running import watching
from transfer.settings import Settings
from transfer.warehouse import positions

pytest_plugins = ["prefect_server"]

HANG_SECONDS = 2
PLACES = ("source", "replica", "warehouse")


@pytest.fixture(scope="module")
def direct(module_databases: Databases) -> Settings:
    found = settings_for(module_databases)
    prepare(found)
    return found


@pytest.fixture
def impatient(direct: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """The settings of a run that comes to one server by a way, and waits for none of them for long."""
    monkeypatch.setattr(watching, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 1)

    def settings(place: str, to: Way, seconds: float = HANG_SECONDS) -> Settings:
        servers = {
            name: getattr(direct, name).model_copy(
                update={
                    "hang_seconds": seconds,
                    "connect_seconds": 1 if name == "warehouse" else 0.5,
                }
            )
            for name in PLACES
        }
        servers[place] = servers[place].model_copy(update={"port": to.port})
        return direct.model_copy(update=servers)

    return settings


@pytest.fixture
def table(places: Places) -> str:
    name = f"h{secrets.token_hex(5)}"
    ask(
        places.source,
        f"CREATE TABLE {name} (Id bigint PRIMARY KEY, Note varchar(200) NOT NULL) ENGINE=MyISAM",
    )
    ask(
        places.source,
        f"INSERT INTO {name} SELECT seq, REPEAT(SHA2(seq, 256), 3) FROM {numbers(2_000)}",
    )
    return name


def asking_mysql(chosen: Settings, place: str, seconds: float) -> list[Any]:
    with pool.connect(getattr(chosen, place), chosen.limits) as connection:
        return connection.rows("reading", f"SELECT SLEEP({seconds})")


def asking_postgres(chosen: Settings, seconds: float) -> list[Any]:
    with connect(chosen.warehouse) as connection:
        return connection.rows("reading", f"SELECT 1 FROM pg_sleep({seconds})")


# What waits for each of them without end while nobody tells it that the server is gone.
ASKING: dict[str, Callable[[Settings, float], Any]] = {
    "source": lambda chosen, seconds: asking_mysql(chosen, "source", seconds),
    "source by its reader": lambda chosen, seconds: reading.read(
        chosen.source, chosen.limits, "reading", f"SELECT SLEEP({seconds}) AS slept"
    ),
    "replica": lambda chosen, seconds: asking_mysql(chosen, "replica", seconds),
    "warehouse": asking_postgres,
}


def at_once(do: Callable[[Any], None], cases: Iterable[Any]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(do, cases))


@pytest.mark.parametrize("fate", ["hanging", "trickling", "lost"])
def test_a_wait_for_a_server_ends_with_its_name(fate, direct, impatient):
    def wait(case: str) -> None:
        place = case.split(maxsplit=1)[0]
        with way(getattr(direct, place).port) as to, ThreadPoolExecutor(1) as pool:
            chosen = impatient(place, to)
            assert len(ASKING[case](chosen, 0)) == 1
            waiting = pool.submit(ASKING[case], chosen, 0.6)
            time.sleep(0.3)
            getattr(to, fate).set()
            started = time.monotonic()
            with pytest.raises(DatabaseFault, match=f"^{place}: reading ") as fault:
                waiting.result(HANGING_SECONDS)
            seconds = time.monotonic() - started
        print(f"{seconds:.1f} s: {fault.value}")
        assert in_time(seconds, HANG_SECONDS + 3)
        assert isinstance(fault.value, ServerHangs) == (fate != "lost")
        if fate != "lost":
            assert f"the server at 127.0.0.1:{to.port} hangs" in str(fault.value)

    at_once(wait, ASKING)


def test_what_a_server_works_on_may_take_longer(direct, impatient):
    def wait(case: str) -> None:
        place = case.split(maxsplit=1)[0]
        with way(getattr(direct, place).port) as to:
            assert len(ASKING[case](impatient(place, to), 2 * HANG_SECONDS)) == 1

    at_once(wait, ASKING)


def test_a_slow_way_is_no_hanging_server(direct, impatient, table):
    """As 3 s are to the defaults."""
    with way(direct.source.port, delay=0.03) as to:
        chosen = impatient("source", to, seconds=4)
        assert run(chosen, table)[table].rows == 2_000


@pytest.mark.thorough
def test_a_source_that_answers_after_3_seconds_is_read_with_the_defaults(direct, table):
    with way(direct.source.port, delay=1.5) as to:  # there and back
        chosen = direct.model_copy(
            update={"source": direct.source.model_copy(update={"port": to.port})}
        )
        assert run(chosen, table)[table].rows == 2_000


IDLE_SECONDS = 2


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that soon take a silent session's holder for gone."""
    monkeypatch.setattr(watching, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.5)
    monkeypatch.setattr(session, "IDLE_SECONDS", IDLE_SECONDS)
    monkeypatch.setattr(
        opening, "OWN", opening.OWN | {"idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s"}
    )


@contextmanager
def in_replica(chosen: Settings, table: str) -> Iterator[Callable[[str], object]]:
    with (
        lock_table(chosen.replica, chosen.limits, table) as lock,
        lock.transaction() as connection,
    ):
        yield partial(connection.run, "working")


@contextmanager
def in_warehouse(chosen: Settings, table: str) -> Iterator[Callable[[str], object]]:
    with connect(chosen.warehouse) as connection:
        wait_for_locks(connection, chosen.limits.lock_seconds)
        positions.take(connection, chosen.warehouse, table, 1)
        yield partial(connection.run, "working")


HOLDING = {
    "replica": (in_replica, "SELECT SLEEP(60)"),
    "warehouse": (in_warehouse, "SELECT pg_sleep({})"),
}


def test_what_somebody_holds_stays_his_while_he_gives_signs_of_life(direct, strict):
    def hold(place: str) -> None:
        holding, _ = HOLDING[place]
        with holding(direct, "held") as do:
            time.sleep(2.5 * IDLE_SECONDS)
            do("SELECT 1")

    at_once(hold, HOLDING)


def test_what_is_held_by_a_connection_that_is_cut_is_free_soon(direct, impatient, strict):
    def take_over(case: tuple[str, bool]) -> None:
        place, working = case
        (holding, long), table = HOLDING[place], f"gone{secrets.token_hex(4)}"
        held, free = Event(), Event()

        def hold(to: Way) -> None:
            with holding(impatient(place, to), table) as do:
                held.set()
                if not working:
                    free.wait(HANGING_SECONDS)
                do(long.format(IDLE_SECONDS))

        with way(getattr(direct, place).port) as to, ThreadPoolExecutor(1) as pool:
            holder = pool.submit(hold, to)
            held.wait(HANGING_SECONDS)
            time.sleep(0.3)
            to.lost.set()
            started = time.monotonic()
            with holding(direct, table):
                seconds = time.monotonic() - started
            free.set()
            with pytest.raises(DatabaseFault):
                holder.result(HANGING_SECONDS)
        print(f"{place}, {'at work' if working else 'idle'}: {seconds:.1f} s")
        assert in_time(seconds, 2 * IDLE_SECONDS + 3)

    at_once(take_over, [(place, working) for place in HOLDING for working in (False, True)])


@pytest.mark.filterwarnings("default")  # dbt's own
@pytest.mark.parametrize("fate", in_the_suite("hanging", of=["hanging", "trickling", "lost"]))
def test_a_build_of_models_ends_when_its_server_hangs(
    fate, direct, places, impatient, in_environment, tmp_path
):
    home = write_dbt(tmp_path / "small")
    (home / "models/people.sql").write_text(
        "select pat_num, l_name, pg_sleep(1)::text as slept from {{ source('opendental', 'patient') }}"
    )
    in_environment.setattr(dbt_project, "PROJECT", home)
    in_environment.setattr(dbt_project, "TARGET", PARSED / "small")
    for table in (
        "patient (PatNum bigint PRIMARY KEY, LName text)",
        "appointment (AptNum bigint PRIMARY KEY)",
        "recall (RecallNum bigint PRIMARY KEY, PatNum bigint)",
    ):
        ask(places.source, f"CREATE TABLE IF NOT EXISTS {table} ENGINE=MyISAM")
    ask(places.source, f"REPLACE INTO patient VALUES (1, '{fate}')")
    run(direct, "patient", "appointment", "recall")
    with way(direct.warehouse.port) as to, ThreadPoolExecutor(1) as pool:
        building = pool.submit(build_models.build, impatient("warehouse", to, seconds=4), "run")
        sleeping = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(1)%' AND pid <> pg_backend_pid()"
        wait_for(lambda: ask(places.warehouse, sleeping), 60)
        getattr(to, fate).set()
        started = time.monotonic()
        with pytest.raises(DatabaseFault) as fault:
            building.result(HANGING_SECONDS)
        seconds = time.monotonic() - started
    print(f"{seconds:.1f} s: {fault.value}")
    assert str(fault.value).startswith("warehouse: building the models ")
    assert isinstance(fault.value, ServerHangs) == (fate != "lost")
    assert in_time(seconds, 12)
    started = time.monotonic()
    assert build_models.build(direct, "next").good
    print(f"good {time.monotonic() - started:.1f} s later")


PREFIXES = {
    "source": "SOURCE_MYSQL",
    "replica": "REPLICATION_MYSQL",
    "warehouse": "ANALYTICS_POSTGRES",
}


@pytest.mark.thorough
@pytest.mark.parametrize("place", PLACES)
def test_a_run_ends_by_itself_when_a_server_hangs_and_the_next_one_is_good(
    place, command, servers, databases
):
    """Of many tables the first wait for the bound, the others fail at once; nothing is tried again in vain."""
    tables = [f"t{number}" for number in range(12)]
    prefix = PREFIXES[place]
    slow = {f"{prefix}_CONNECT_SECONDS": "1", "ELT_HANG_SECONDS": "3", "ELT_RETRY_SECONDS": "5,30"}
    with connected(servers, databases) as places:
        for table in tables:
            ask(places.source, f"CREATE TABLE {table} (Id bigint PRIMARY KEY) ENGINE=MyISAM")
            ask(places.source, f"INSERT INTO {table} VALUES (1), (2)")
        with way(getattr(databases, place).port) as to, ThreadPoolExecutor(1) as pool:
            running = pool.submit(command, "--no-dbt", **{f"{prefix}_PORT": str(to.port)}, **slow)
            wait_for(lambda: ask(places.replica, "SHOW TABLES LIKE 't%'"), 60)
            to.hanging.set()
            started = time.monotonic()
            ended = running.result(HANGING_SECONDS)
            seconds = time.monotonic() - started
        print(f"{place} {seconds:.1f} s, exit {ended.code}: {ended.out} {ended.err}")
        # Without its history, which the warehouse has, a run has no summary to show.
        assert ended.code == (2 if place == "warehouse" else 1)
        assert f"the server at 127.0.0.1:{to.port} hangs" in (
            ended.err if place == "warehouse" else ended.out
        )
        assert "Traceback" not in ended.err
        assert in_time(seconds, 20)
        started = time.monotonic()
        assert command("--no-dbt").code == 0
        print(f"good after {time.monotonic() - started:.1f} s")
        assert oracle.unequal(places, tables) == {}
