"""Random histories of tables end with all places equal; how they are played is in `histories`."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import settings_for
from histories import ENOUGH, FEW, HISTORIES, MANY, Played, play, staged
from killing import STATEMENTS
from oracle import Places
from runs import limited, prepare

from deployments.databases import Databases
from deployments.servers import Servers
from transfer.settings import Settings


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    found = limited(settings_for(module_databases), reload_rows=0, shrink_share=1, page_rows=9)
    prepare(found)
    return found


def test_any_history_ends_with_all_places_equal(
    servers: Servers,
    module_databases: Databases,
    places: Places,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    played = Played()
    try:
        with staged(
            servers, module_databases.source.name, places, settings, tmp_path, played
        ) as stage:
            play(stage, HISTORIES)
            while not FEW and played.histories < HISTORIES:  # some were shorter
                play(stage, HISTORIES - played.histories)
    finally:
        if not FEW:
            with capsys.disabled():
                print(f"\n{played.told()}")
    if HISTORIES >= ENOUGH:
        assert played.with_kill >= HISTORIES / 6
    if HISTORIES >= MANY:
        assert played.kills.keys() == STATEMENTS.keys()
