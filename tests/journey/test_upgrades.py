"""While OpenDental changes its own database, nothing is read or replaced (S7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import oracle
import pytest
from conftest import numbers, settings_for
from oracle import Places, ask, connected
from runs import run

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.errors import PracticeUpgrading, PreflightError
from transfer.journey import preflight
from transfer.journey.plan import look
from transfer.journey.sync import sync
from transfer.settings import Settings
from transfer.source import survey as source

PRACTICE = {
    "DataBaseVersion": "24.3.10.0",
    "UpdateInProgressOnComputerName": "",
    "CorruptedDatabase": "0",
}


@pytest.fixture
def places(servers: Servers, databases: Databases) -> Iterator[Places]:
    with connected(servers, databases) as places:
        yield places


@pytest.fixture
def settings(databases: Databases) -> Settings:
    return settings_for(databases)


@pytest.fixture
def practice(places: Places, settings: Settings) -> Any:
    """A practice whose tables have come everywhere."""
    ask(
        places.source,
        "CREATE TABLE preference (PrefName varchar(255), ValueString text, Comments text)",
    )
    for name, value in PRACTICE.items():
        ask(places.source, "INSERT INTO preference VALUES (%s, %s, '')", name, value)
    ask(places.source, "CREATE TABLE patient (PatNum int PRIMARY KEY, LName varchar(99))")
    ask(places.source, f"INSERT INTO patient SELECT seq, 'n' FROM {numbers(50)}")
    run(settings)
    return places.source


def _set(connection: Any, name: str, value: str) -> None:
    ask(connection, "UPDATE preference SET ValueString = %s WHERE PrefName = %s", value, name)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("UpdateInProgressOnComputerName", "FRONTDESK", "OpenDental is being upgraded"),
        ("CorruptedDatabase", "1", "failed halfway"),
    ],
)
def test_a_run_during_an_upgrade_is_refused_in_one_sentence(
    name, value, said, practice, places, settings
):
    _set(practice, name, value)
    ask(practice, "RENAME TABLE patient TO patient_old")
    ask(practice, "CREATE TABLE patient LIKE patient_old")
    with pytest.raises(PreflightError, match=said) as refused:
        preflight.check(settings)
    assert "FRONTDESK" not in str(refused.value)
    with pytest.raises(PracticeUpgrading, match=said):
        look(settings)
    assert ask(places.replica, "SELECT COUNT(*) FROM patient") == [(50,)]


def test_an_upgrade_that_begins_during_the_run_stops_it_before_anything_is_replaced(
    practice, places, settings, monkeypatch
):
    (planned,) = look(settings, ["patient"], force_full=True).plans
    ask(practice, "DELETE FROM patient")
    count = source.count

    def begins(*given: Any) -> int:
        _set(practice, "UpdateInProgressOnComputerName", "FRONTDESK")
        return count(*given)

    monkeypatch.setattr(source, "count", begins)
    with pytest.raises(PracticeUpgrading):
        sync(settings, planned, "run")
    assert ask(places.replica, "SELECT COUNT(*) FROM patient") == [(50,)]


def test_an_upgrade_that_went_by_during_the_run_discards_what_was_read(practice, places, settings):
    (planned,) = look(settings, ["patient"], force_full=True).plans
    ask(practice, "DELETE FROM patient WHERE PatNum > 10")
    _set(practice, "DataBaseVersion", "24.4.1.0")
    with pytest.raises(PracticeUpgrading, match=r"upgraded from 24\.3\.10\.0 to 24\.4\.1\.0"):
        sync(settings, planned, "run")
    assert ask(places.replica, "SELECT COUNT(*) FROM patient") == [(50,)]
    run(settings)
    assert oracle.unequal(places, ["patient", "preference"]) == {}


def test_a_source_that_is_no_opendental_needs_no_preferences(places, settings):
    ask(places.source, "CREATE TABLE preference (Id int PRIMARY KEY)")
    preflight.check(settings)
    assert run(settings)["preference"].state == "synced"
