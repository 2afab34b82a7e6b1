"""A Prefect server that the tests share, and flow runs on it; files take it by `pytest_plugins`."""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import PARSED
from flow_runs import Ended, copy_project, elt, write_dbt
from prefect._internal.concurrency import threads
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_LOCAL_STORAGE_PATH,
    temporary_settings,
)
from runs import HANGING_SECONDS

from deployments import prefect_server
from deployments.databases import Databases
from deployments.installation import LOCAL
from tasks import dbt_project
from transfer.settings import GROUPS

PREFECT = LOCAL / "test"


@pytest.fixture(scope="session")
def prefect_api() -> str:
    """Return the address of one server for all test processes; each takes a tenth of a core."""
    PREFECT.mkdir(parents=True, exist_ok=True)
    with (PREFECT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return prefect_server.start(PREFECT)


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where runs leave their results; the server has its own folder."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project without a user's `.env`, with logs and dbt files of its own."""
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def prefect(prefect_api: str, prefect_home: Path) -> Iterator[SyncPrefectClient]:
    """Let this process report to the server, and ask the server what it knows."""
    chosen = {
        PREFECT_API_URL: prefect_api,
        PREFECT_HOME: prefect_home,
        PREFECT_LOCAL_STORAGE_PATH: prefect_home / "storage",
    }
    with temporary_settings(chosen), get_client(sync_client=True) as client:
        yield client
        _end_prefects_threads()


def _end_prefects_threads() -> None:
    """Let Prefect send what it still has, and end the threads that it keeps for its next run.

    A connection to the server for events draws from the global random generator every 20 seconds,
    for its pings.
    """
    for loop in (threads._global_loop, threads._run_sync_loop):
        if loop and loop.thread.is_alive():
            loop.shutdown()
            loop.thread.join(30)


@pytest.fixture
def in_environment(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """Let the pipeline in this process find the test's databases, and no user's `.env`."""
    for name, value in databases.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ELT_LOG_DIR", str(tmp_path / "logs"))
    for group in GROUPS.values():
        monkeypatch.setitem(group.model_config, "env_file", None)
    return monkeypatch


@pytest.fixture
def small_dbt(tmp_path: Path, in_environment: pytest.MonkeyPatch) -> Path:
    """A dbt project of three models, as the real one takes its time."""
    home = write_dbt(tmp_path / "small")
    in_environment.setattr(dbt_project, "PROJECT", home)
    in_environment.setattr(dbt_project, "TARGET", PARSED / "small")
    return home


@pytest.fixture
def command(
    databases: Databases, project: Path, prefect_api: str, prefect_home: Path, tmp_path: Path
) -> Callable[..., Ended]:
    """Return how to run the copy's `python flows/elt.py` on this test's databases."""
    variables = databases.variables() | {
        "PREFECT_API_URL": prefect_api,
        "PREFECT_HOME": str(prefect_home),
        "ELT_LOG_DIR": str(tmp_path / "logs"),
        "ELT_RETRY_SECONDS": "0.2",
    }

    def run(
        *arguments: str,
        home: Path = project,
        timeout: float = HANGING_SECONDS,
        **changed: str | None,
    ) -> Ended:
        return elt(home, variables | changed, *arguments, timeout=timeout)

    return run


@pytest.fixture
def run_here(here: Callable[..., Ended], prefect: SyncPrefectClient) -> Callable[..., Ended]:
    """Does the same with runs, which report to the tests' Prefect server."""
    return here


@pytest.fixture
def here(
    in_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Does what `python flows/elt.py` does, in this process: for what ends before Prefect is asked.

    To start the program takes twenty times as long.
    """
    from flows.elt import perform  # here, as it takes its time
    from flows.terminal.command_line import arguments

    # Prefect's handler keeps the standard error that pytest had when it was made, closed by now.
    in_environment.setattr(logging, "raiseExceptions", False)

    def run(*given: str, **changed: str | None) -> Ended:
        with in_environment.context() as environment:
            for name, value in changed.items():
                if value is None:
                    environment.delenv(name)
                else:
                    environment.setenv(name, value)
            capsys.readouterr()
            started = time.monotonic()
            code = perform(arguments(list(given)))
            told = capsys.readouterr()
            return Ended(code, told.out, told.err, time.monotonic() - started)

    return run
