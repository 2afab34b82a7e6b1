"""Random histories, each between two servers of any versions whose settings strangers have chosen.

ELT_TEST_STRANGERS is their number (`make strangers`), other ones each time; ELT_TEST_STRANGERS_SEED, which is printed,
chooses the same servers and settings again.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import hostile
import oracle
import private
import pytest
import test_mysql_settings as mysqls
import test_postgres_settings as postgreses
from conftest import _fresh, settings_for
from histories import Played, play, staged
from oracle import Places, ask
from runs import limited, prepare

from deployments import editions
from deployments.databases import Databases
from deployments.matrix import MYSQLS
from deployments.server import MariaDB
from deployments.servers import Servers

NUMBER = int(os.environ.get("ELT_TEST_STRANGERS", "0"))
SEED = int(os.environ.get("ELT_TEST_STRANGERS_SEED", secrets.randbelow(10**9)))
STEPS = 24
# The first that hypothesis plays is the least that there is.
EXAMPLES = 2
MOST = 4  # settings of each server

OF_MYSQL = sorted(
    set(hostile.alone(mysqls.SETTINGS)) - mysqls.REFUSED.keys() - mysqls.OF_MYSQL.keys()
)
OF_POSTGRES = sorted(set(hostile.alone(postgreses.SETTINGS)) - set(postgreses.REFUSED))


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Servers]]:
    """A source and a replica of every version."""
    with ExitStack() as until:
        yield {name: until.enter_context(_started(name)) for name in MYSQLS}


@contextmanager
def _started(name: str) -> Iterator[Servers]:
    with private.home(name) as folder, pytest.MonkeyPatch.context() as environment:
        for server in ("source", "replica"):
            environment.setenv(editions.VARIABLES[server], name)
        with private.started(folder, {"source": [], "replica": []}) as servers:
            environment.undo()
            yield servers


@pytest.mark.skipif(not NUMBER, reason="`make strangers` plays them, on servers of every version")
@pytest.mark.parametrize("number", range(NUMBER))
def test_a_history_between_any_servers_as_strangers_set_them_ends_with_all_places_equal(
    number: int, running: dict[str, Servers], servers: Servers, tmp_path: Path
) -> None:
    chance = random.Random(f"{SEED} {number}")  # noqa: S311 - no secret
    one, other = (running[chance.choice(MYSQLS)] for _ in range(2))
    accounts = Databases(one.databases.source, other.databases.replica, servers.databases.warehouse)
    pair = replace(servers, source=one.source, replica=other.replica, databases=accounts)
    with (
        _fresh(pair) as databases,
        oracle.connected(pair, databases) as places,
        ExitStack() as until,
    ):
        chosen = [
            *_set(until, chance, pair.source, places.source),
            *_set(until, chance, pair.replica, places.replica),
        ]
        chosen += _set_role(until, chance, databases, places)
        print(
            f"ELT_TEST_STRANGERS_SEED={SEED}, {number}: {pair.source.version} to {pair.replica.version}, {chosen}"
        )
        until.callback(hostile.renew)
        hostile.renew()
        settings = limited(settings_for(databases), reload_rows=0, shrink_share=1, page_rows=9)
        prepare(settings)
        with staged(pair, databases.source.name, places, settings, tmp_path, Played()) as stage:
            play(stage, EXAMPLES, STEPS, repeated=False)


def _set(until: ExitStack, chance: random.Random, server: MariaDB, place: object) -> Sequence[str]:
    """Set a server's variables for all new sessions; return the statements, of those that it has."""
    settings = chance.sample(OF_MYSQL, chance.randint(0, MOST))
    return until.enter_context(mysqls.given(server, place, settings))


def _set_role(
    until: ExitStack, chance: random.Random, databases: Databases, places: Places
) -> list[str]:
    role, done = f'ROLE "{databases.warehouse.user}"', []
    until.callback(ask, places.warehouse, f"ALTER {role} RESET ALL")
    for setting in chance.sample(OF_POSTGRES, chance.randint(0, MOST)):
        try:
            ask(places.warehouse, f"ALTER {role} SET {setting.replace(' = ', ' TO ', 1)}")
        except postgreses.LACKING:
            continue
        done.append(setting)
    return done
