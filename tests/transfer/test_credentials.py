"""Logins: any password works through every driver, and a wrong one costs a single attempt and no time."""

import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from conftest import in_the_suite, settings_for
from hypothesis import given, strategies
from hypothesis import settings as hypothesis
from leftovers import close_idle
from pydantic import SecretStr
from relays import relay
from runs import in_time, limited

from deployments.databases import Databases
from deployments.processes import PrivateProcess
from deployments.servers import Servers
from transfer.errors import DatabaseFault, PreflightError
from transfer.journey import preflight
from transfer.mysql import pool, reading
from transfer.postgres.pool import connect
from transfer.settings import MySQLServer, Server, Settings

HOSTILE = [
    "@:/#?%&+ ",
    " leading and trailing ",
    "'\"`\\'\\\"",
    "%41%00%zz%",
    "user:pw@host:1/db?ssl-mode=DISABLED#x",
    "$(id)${HOME}{{ x }}{%s}%(s)s",
    "ñ漢é e\u0301 Ω",
    "😀🔑",
    "\t\n\r\x01\x7f",
    "x" * 64,
    "-" * 200,
    "[::1]",
    "p=w;d&x=y",
]
PLACES = {
    "source": "SOURCE_MYSQL_",
    "replica": "REPLICATION_MYSQL_",
    "warehouse": "ANALYTICS_POSTGRES_",
}


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return limited(settings_for(module_databases), statement_seconds=5)


@contextmanager
def accounts(servers: Servers, settings: Settings, password: str) -> Iterator[Settings]:
    """The settings with accounts of this password on the source and the warehouse."""
    user = f"u{secrets.token_hex(6)}"
    database = settings.warehouse.db
    with (
        closing(servers.source.connect()) as source,
        source.cursor() as mysqls,
        closing(servers.postgres.connect()) as warehouse,
        warehouse.cursor() as postgress,
    ):
        mysqls.execute(f"CREATE USER '{user}'@'%%' IDENTIFIED BY %s", (password,))
        mysqls.execute(f"GRANT SELECT ON `{settings.source.db}`.* TO '{user}'@'%'")
        postgress.execute(f"CREATE ROLE {user} LOGIN PASSWORD %s", (password,))
        postgress.execute(f'GRANT CONNECT ON DATABASE "{database}" TO {user}')
        try:
            yield with_login(
                settings, "source", "warehouse", user=user, password=SecretStr(password)
            )
        finally:
            mysqls.execute(f"DROP USER '{user}'@'%'")
            postgress.execute(f'REVOKE ALL ON DATABASE "{database}" FROM {user}')
            postgress.execute(f"DROP ROLE {user}")


def with_login(settings: Settings, *places: str, **changes: object) -> Settings:
    groups = {place: getattr(settings, place).model_copy(update=changes) for place in places}
    return settings.model_copy(update=groups)


def assert_all_drivers_log_in(settings: Settings) -> None:
    who = "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AS who"
    with pool.connect(settings.source, settings.limits) as connection:
        assert connection.rows("asking", who) == [(settings.source.user,)]
    assert reading.read(settings.source, settings.limits, "asking", who).column(
        "who"
    ).to_pylist() == [settings.source.user]
    with connect(settings.warehouse) as warehouse:
        assert warehouse.rows("asking", "SELECT current_user::text") == [(settings.warehouse.user,)]


@pytest.mark.parametrize("password", HOSTILE)
def test_every_driver_logs_in_with_a_hostile_password(password, servers, settings):
    with accounts(servers, settings, password) as changed:
        assert_all_drivers_log_in(changed)


@hypothesis(max_examples=20, deadline=None)
@given(
    password=strategies.text(
        strategies.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        min_size=1,
        max_size=80,
    )
)
def test_every_driver_logs_in_with_any_password(password, servers, settings):
    with accounts(servers, settings, password) as changed:
        assert_all_drivers_log_in(changed)


def refused(servers: Servers, settings: Settings) -> dict[str, int]:
    """How many logins each server has refused so far; PostgreSQL tells only in its log, and of whom."""
    counters = {"MySQL": "Aborted_connects", "MariaDB": "Access_denied_errors"}
    found = {}
    for name in ("source", "replica"):
        server = getattr(servers, name)
        with closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"SHOW GLOBAL STATUS LIKE '{counters[server.product]}'")
            found[name] = int(cursor.fetchone()[1])
    process = servers.postgres.process
    assert isinstance(process, PrivateProcess)
    words = f'password authentication failed for user "{settings.warehouse.user}"'
    found["warehouse"] = process.log.read_text(errors="replace").count(words)
    return found


def test_wrong_passwords_are_found_in_two_seconds_by_one_login_each(servers: Servers, settings):
    if not isinstance(servers.postgres.process, PrivateProcess):
        pytest.skip("the log of a server that is not ours is not at hand")
    before = refused(servers, settings)
    started = time.monotonic()
    with pytest.raises(PreflightError) as error:
        preflight.check(with_login(settings, *PLACES, password=SecretStr("wrong")))
    seconds = time.monotonic() - started
    assert [sentence.split(" or ")[0] for sentence in str(error.value).splitlines()] == [
        f"{prefix}USER" for prefix in PLACES.values()
    ]
    assert in_time(seconds, 2)
    assert refused(servers, settings) == {place: count + 1 for place, count in before.items()}


@pytest.mark.parametrize("place", in_the_suite("source", of=PLACES))
def test_a_server_behind_a_slow_line_is_waited_for_as_long_as_its_setting_says(place, settings):
    server = getattr(settings, place)
    with relay(server.port, latency=3) as (port, _):
        slow = server.model_copy(update={"port": port})
        opened(settings, slow)
        with pytest.raises(DatabaseFault):
            opened(settings, slow.model_copy(update={"connect_seconds": 2}))
        close_idle()


def opened(settings: Settings, server: Server) -> None:
    """Open a connection of the pipeline's, and close it."""
    if isinstance(server, MySQLServer):
        with pool.connect(server, settings.limits, kept=False):
            return
    with connect(server):
        return
