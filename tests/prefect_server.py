"""A Prefect server that the tests share, and flow runs on it; a test file takes them by `pytest_plugins`."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import TEST_SERVERS, Client

import tasks  # noqa: F401, I001 - keeps Prefect offline, so it comes before Prefect
from deployments import prefect_server
from deployments.databases import Databases
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOCAL_STORAGE_PATH, temporary_settings
from transfer.settings import ROOT, Limits, Replica, Source, Warehouse


@pytest.fixture(scope="session")
def prefect_api() -> str:
    return prefect_server.start(TEST_SERVERS)


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs leave their results; the server has its own folder."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project without a user's `.env`, whose logs and dbt files are its own."""
    return copy_project(tmp_path_factory.mktemp("project"))


def copy_project(target: Path) -> Path:
    for name in ("flows", "tasks", "transfer", "dbt"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "target", "logs"))
    return target


@pytest.fixture
def prefect(prefect_api: str, prefect_home: Path) -> Iterator[SyncPrefectClient]:
    """Makes this process report to the server, and asks it what it knows."""
    chosen = {
        PREFECT_API_URL: prefect_api,
        PREFECT_HOME: prefect_home,
        PREFECT_LOCAL_STORAGE_PATH: prefect_home / "storage",
    }
    with temporary_settings(chosen), get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def in_environment(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Lets the pipeline in this process find the test's databases, and nothing of a user's `.env`."""
    for name, value in databases.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ELT_LOG_DIR", str(tmp_path / "logs"))
    for group in (Source, Replica, Warehouse, Limits):
        monkeypatch.setitem(group.model_config, "env_file", None)
    return monkeypatch


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


@pytest.fixture
def command(
    databases: Databases, project: Path, prefect_api: str, prefect_home: Path, tmp_path: Path
) -> Callable[..., Ended]:
    """Runs `python flows/elt.py` of the project's copy on this test's databases."""
    variables = databases.variables() | {
        "PREFECT_API_URL": prefect_api,
        "PREFECT_HOME": str(prefect_home),
        "ELT_LOG_DIR": str(tmp_path / "logs"),
        "ELT_RETRY_SECONDS": "0.2",
    }

    def run(*arguments: str, home: Path = project, timeout: float = 120, **changed: str | None) -> Ended:
        return elt(home, variables | changed, *arguments, timeout=timeout)

    return run


def elt(home: Path, variables: Mapping[str, str | None], *arguments: str, timeout: float = 120) -> Ended:
    """A variable of None is not set at all."""
    known = {name: value for name, value in variables.items() if value is not None}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(home / "flows/elt.py"), *arguments],
        env=inherited | {"PYTHONPATH": str(home)} | known,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def settle(source: Client) -> None:
    """Wait until the last write is old enough to be told from one that follows the read."""
    pause = "SELECT SLEEP(GREATEST(0, 3.1 - COALESCE(TIMESTAMPDIFF(MICROSECOND, MAX(UPDATE_TIME), NOW(6)) / 1e6, 9)))"
    source.run(f"{pause} FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
