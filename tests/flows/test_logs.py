"""A log that cannot be written is reported once, and the copying goes on."""

from pathlib import Path

import pytest
from conftest import Client

pytest_plugins = ["prefect_server"]


@pytest.fixture
def practice(source: Client) -> Client:
    for name in ("patient", "recall"):
        source.run(f"CREATE TABLE {name} (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    return source


def test_a_full_disk_under_the_logs_is_told_once_and_the_run_goes_on(
    command, practice, tmp_path: Path, warehouse
):
    folder = tmp_path / "full"
    folder.mkdir()
    for name in ("elt_pipeline.log", "connection.log"):
        (folder / name).symlink_to("/dev/full")
    ended = command("--no-dbt", ELT_LOG_DIR=str(folder))
    assert ended.code == 0, ended
    told = f"ELT_LOG_DIR: {folder} cannot be written (No space left on device); the run goes on without its log files.\n"
    assert ended.err == told
    assert "2 synced" in ended.out
    assert warehouse.run("SELECT count(*) FROM raw.patient") == [(0,)]


def test_a_folder_for_logs_that_cannot_be_made_is_told_once(command, practice):
    ended = command("--plan", ELT_LOG_DIR="/dev/null/logs")
    assert (ended.code, len(ended.err.splitlines())) == (0, 1), ended
    assert "ELT_LOG_DIR: /dev/null/logs cannot be written" in ended.err
