"""Whatever a role, a database or the environment sets for PostgreSQL's sessions, values arrive exactly, or it is named."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path as File

import adbc_driver_postgresql
import hostile
import private
import psycopg2
import psycopg2.errors
import pytest
from conftest import EVERYTHING, PARSED
from flow_runs import write_dbt
from hostile import Path, alone, together
from oracle import ask

from tasks import build_models, dbt_project
from transfer.drivers.postgres_sessions import LIBPQ, POSTGRES, POSTGRES_REQUIRED
from transfer.errors import PreflightError, TableError
from transfer.journey import preflight
from transfer.postgres import opening

# What a stranger sets for the pipeline's role, or for the database.
SETTINGS = """
client_encoding = LATIN1 | SQL_ASCII | WIN1252
timezone = 'America/St_Johns' | 'Pacific/Apia'
datestyle = 'SQL, DMY' | 'German'
intervalstyle = sql_standard | iso_8601
extra_float_digits = -15 | 3
bytea_output = escape
standard_conforming_strings = off
backslash_quote = off
array_nulls = off
transform_null_equals = on
quote_all_identifiers = on
search_path = elsewhere, pg_catalog | ''
row_security = on
default_transaction_isolation = serializable | 'repeatable read'
default_transaction_read_only = on
default_transaction_deferrable = on
statement_timeout = 1
lock_timeout = 1
idle_in_transaction_session_timeout = 1
idle_session_timeout = '1s'
transaction_timeout = 100
exit_on_error = on
default_tablespace = nowhere
temp_tablespaces = nowhere
default_table_access_method = nothing
default_toast_compression = pglz
gin_fuzzy_search_limit = 1
lc_monetary = 'C.UTF-8'
lc_numeric = 'C.UTF-8'
lc_time = 'C.UTF-8'
xmlbinary = hex
xmloption = document
restrict_nonsystem_relation_kind = 'view,foreign-table'
client_min_messages = error | debug5
escape_string_warning = off
check_function_bodies = off
default_text_search_config = 'pg_catalog.simple'
synchronous_commit = off
synchronize_seqscans = off
enable_indexscan = off
enable_sort = off
force_parallel_mode = on
debug_parallel_query = on
jit = on
work_mem = 64
timezone_abbreviations = 'Australia'
plpgsql.variable_conflict = use_column
plpgsql.extra_errors = 'all'
lc_messages = 'C.UTF-8'
zero_damaged_pages = on
ignore_checksum_failure = on
session_replication_role = replica
elt.session = theirs
"""
REFUSED = (
    "zero_damaged_pages = on",
    "ignore_checksum_failure = on",
    "session_replication_role = replica",
)

# Names of no setting, values that this server does not take.
LACKING = (psycopg2.errors.UndefinedObject, psycopg2.errors.InvalidParameterValue)


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    arguments = {name: [] for name in ("source", "replica", "postgres")}
    with (
        private.home("gucs") as folder,
        private.started(folder, arguments) as servers,
        hostile.opened(servers) as path,
    ):
        yield path


@contextmanager
def altered(path: Path, whose: str, settings: Sequence[str]) -> Iterator[None]:
    """Settings of the pipeline's role or of its database, those that the server has."""
    warehouse = path.settings.warehouse
    owner = {"ROLE": f'ROLE "{warehouse.user}"', "DATABASE": f'DATABASE "{warehouse.db}"'}[whose]
    made = [
        each
        for each in settings
        if _takes(path, f"ALTER {owner} SET {each.replace(' = ', ' TO ', 1)}")
    ]
    if not made:
        pytest.skip(f"this server cannot have {'; '.join(settings)}")
    try:
        yield
    finally:
        ask(path.places.warehouse, f"ALTER {owner} RESET ALL")
        hostile.renew()


def _takes(path: Path, statement: str) -> bool:
    try:
        ask(path.places.warehouse, statement)
    except LACKING:
        return False
    return True


@pytest.mark.parametrize("settings", together(SETTINGS, REFUSED), ids="; ".join)
def test_values_arrive_under_any_setting_of_the_role_or_it_is_named(settings, path):
    with altered(path, "ROLE", settings):
        name = settings[0].partition(" = ")[0]
        if name in POSTGRES_REQUIRED:
            hostile.renew()
            with pytest.raises(
                PreflightError,
                match=f"ANALYTICS_POSTGRES_HOST: .* {name} is not {POSTGRES_REQUIRED[name]} there",
            ):
                preflight.check(path.settings)
        else:
            path.exact()


@pytest.mark.parametrize(
    "setting",
    [
        "client_encoding = LATIN1",
        "quote_all_identifiers = on",
        "default_transaction_read_only = on",
    ],
)
def test_values_arrive_under_any_setting_of_the_database(setting, path):
    with altered(path, "DATABASE", [setting]):
        path.exact()


def test_every_setting_that_is_made_is_one_that_a_stranger_makes_here():
    strangers = {case.partition(" = ")[0].lower() for case in alone(SETTINGS)}
    assert {each.name.lower() for each in POSTGRES} | set(POSTGRES_REQUIRED) <= strangers


# What libpq would take from the environment: another host, another encoding, a password of somebody else.
ENVIRONMENT = {
    "PGCLIENTENCODING": "LATIN1",
    "PGHOSTADDR": "127.0.0.9",
    "PGHOST": "nowhere.invalid",
    "PGPORT": "1",
    "PGOPTIONS": "-c client_encoding=LATIN1 -c quote_all_identifiers=on -c default_transaction_read_only=on -c elt.session=theirs",
    "PGTZ": "Pacific/Apia",
    "PGDATESTYLE": "SQL, DMY",
    "PGGEQO": "off",
    "PGSERVICE": "nowhere",
    "PGSERVICEFILE": "/nowhere",
    "PGSYSCONFDIR": "/nowhere",
    "PGPASSFILE": "/nowhere",
    "PGREQUIREAUTH": "none",
    "PGCHANNELBINDING": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/nowhere",
    "PGSSLCERT": "/nowhere",
    "PGREQUIREPEER": "nobody",
    "PGGSSENCMODE": "require",
    "PGLOADBALANCEHOSTS": "random",
    "PGMAXPROTOCOLVERSION": "3.0",
    "PGCONNECT_TIMEOUT": "1",
    "PGAPPNAME": "theirs",
    "PGUSER": "nobody",
    "PGPASSWORD": "theirs",
    "PGDATABASE": "nowhere",
}


@pytest.mark.parametrize(
    "names",
    [[name] for name in ENVIRONMENT] if EVERYTHING else [list(ENVIRONMENT)],
    ids=" ".join,
)
def test_libpqs_variables_change_nothing(names, path, monkeypatch):
    for name in names:
        monkeypatch.setenv(name, ENVIRONMENT[name])
    path.exact()
    monkeypatch.undo()


def test_the_variables_that_are_forgotten_are_all_that_libpq_reads():
    """They stand in its program as text, those of the newest versions, too."""
    libraries = [
        File(adbc_driver_postgresql.__file__).parent,
        File(psycopg2.__file__).parent.parent / "psycopg2_binary.libs",
    ]
    programs = [
        file.read_bytes()
        for folder in libraries
        for file in folder.glob("*.so*")
        if "adbc" in file.name or "libpq" in file.name
    ]
    assert programs
    read = {
        name.decode()
        for each in programs
        for name in re.findall(rb"\x00(PG[A-Z_]{2,24})(?=\x00)", each)
    }
    assert "PGHOSTADDR" in read
    assert {
        name
        for name in read
        if not re.match("PG(RES|CONN|EVT|ASYNC|QUERY|TRANS|COPY|COMM|DIAG|_|INVALID)", name)
    } <= LIBPQ | {"PGOPTIONS"}


@pytest.fixture
def small_dbt(tmp_path: File, monkeypatch: pytest.MonkeyPatch, path: Path) -> Iterator[None]:
    """A dbt project of one model over a base table with a hostile name."""
    home = write_dbt(tmp_path / "small")
    for file in (home / "models").glob("*"):
        file.unlink()
    for file in (home / "tests").glob("*"):
        file.unlink()
    (home / "models/sources.yml").write_text(
        "sources: [{name: opendental, schema: public, tables: [{name: patient}]}]"
    )
    (home / "models/people.sql").write_text(
        "select pat_num, l_name, 'ñ\\😀' as words, 0.1::float8 + 0.2 as total, cast(now() as text) ~ '[+]00$' as in_utc"
        " from {{ source('opendental', 'patient') }}"
    )
    monkeypatch.setattr(dbt_project, "PROJECT", home)
    monkeypatch.setattr(dbt_project, "TARGET", PARSED / "small")
    source = path.places.source
    ask(
        source,
        "CREATE TABLE patient (PatNum bigint PRIMARY KEY, LName varchar(99)) DEFAULT CHARSET=utf8mb4 COLLATE utf8mb4_general_ci",
    )
    ask(source, "INSERT INTO patient VALUES (1, 'Ångström 😀')")
    yield
    ask(source, "DROP TABLE patient")


@pytest.mark.filterwarnings("default")  # dbt's own
def test_dbts_sessions_are_the_same_whatever_the_role_and_the_environment_say(
    path, small_dbt, monkeypatch
):
    warehouse = path.settings.warehouse
    role = f'ALTER ROLE "{warehouse.user}" SET'
    for setting in ("client_encoding TO LATIN1", "timezone TO 'Pacific/Apia'", "quote_all_identifiers TO on", "statement_timeout TO 1",
                    "standard_conforming_strings TO off", "extra_float_digits TO -15", "default_transaction_read_only TO on"):  # fmt: skip
        ask(path.places.warehouse, f"{role} {setting}")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    hostile.renew()
    try:
        hostile.run(path.settings, "patient")
        result = build_models.build(path.settings, "run")
    finally:
        ask(path.places.warehouse, f'ALTER ROLE "{warehouse.user}" RESET ALL')
        hostile.renew()
        for name in ENVIRONMENT:
            monkeypatch.delenv(name, raising=False)
    assert result.good, result
    rows = ask(
        path.places.warehouse, "SELECT pat_num, l_name, words, total, in_utc FROM public.people"
    )
    assert rows == [(1, "Ångström 😀", "ñ\\😀", 0.30000000000000004, True)]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("-c extra_float_digits=0", "extra_float_digits is not 1 there"),
        ("-c TimeZone=Pacific/Apia", "TimeZone is not UTC there"),
        ("-c elt.session=", "a connection pooler answers there"),
    ],
)
def test_a_session_that_is_altered_on_its_way_is_refused(option, said, path, monkeypatch):
    """What no setting can do, as each is overruled, a proxy can: it changes what the startup packet says."""
    ours = opening.startup
    monkeypatch.setattr(opening, "startup", lambda own: f"{ours(own)} {option}")
    with pytest.raises(PreflightError, match=said):
        preflight.check(path.settings)


def test_verification_looks_past_the_driver(path, monkeypatch):
    """Texts that were loaded and are read back through the same wrong encoding come back as they went, and are found all the same."""
    tables = path.tables()
    address = opening.address
    monkeypatch.setattr(
        opening, "address", lambda warehouse: address(warehouse).replace("UTF8", "LATIN1")
    )
    monkeypatch.setattr(opening, "_prove", lambda *_: None)
    hostile.renew()
    hostile.run(path.settings, *tables)
    with pytest.raises(
        TableError,
        match=f"{tables[0]} does not come into raw as it is in the replica: .* changed in raw, column Kind",
    ):
        hostile.run(path.settings, tables[0], verify=True)
    hostile.renew()
    ask(path.places.source, f"DROP TABLE {', '.join(tables)}")


def test_what_libpq_is_given_wins(path):
    """The address has all of it, so that nothing is left to the environment."""
    given = set(re.findall(r"[?&](\w+)=", opening.address(path.settings.warehouse)))
    assert given >= {"client_encoding", "options", "sslmode", "connect_timeout", "application_name"}
    assert not {name for name in os.environ if name in LIBPQ}
    with closing(path.servers.postgres.connect()) as connection:
        assert connection.encoding == "UTF8"
