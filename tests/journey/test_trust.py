"""What the pipeline does not take on trust: evidence a server does not keep, others' tables and locks, a user's files."""

import secrets
import threading
import time

import oracle
import pytest
from conftest import numbers, settings_for
from oracle import Places, ask
from runs import limited, plan, run, settle

from deployments.databases import Databases
from transfer.errors import DatabaseFault, PreflightError, TableError
from transfer.journey import preflight
from transfer.journey.plan import look
from transfer.journey.sync import sync
from transfer.mysql import pool
from transfer.mysql.page_size import next_count
from transfer.settings import Limits, Settings, Warehouse
from transfer.source import rows
from transfer.source import survey as source

COLUMNS = "Id int NOT NULL PRIMARY KEY, Name varchar(40)"


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


def filled(places: Places, options: str = "", columns: str = COLUMNS) -> str:
    name = f"t{secrets.token_hex(6)}"
    ask(places.source, f"CREATE TABLE {name} ({columns}) {options}")
    ask(places.source, f"INSERT INTO {name} SELECT seq, CONCAT('name ', seq) FROM {numbers(50)}")
    return name


ARIA = pytest.param("Aria", marks=pytest.mark.needs("source", "Aria"))


@pytest.mark.parametrize("engine", ["InnoDB", ARIA])
def test_only_myisam_tells_of_writes(engine, places, settings):
    name = filled(places, f"ENGINE = {engine}")
    settle(places.source)
    run(settings, name)
    assert plan(settings, name).reason == "the server does not tell when it was last written"


def test_a_limit_of_the_server_does_not_cut_a_table(places, settings):
    name = filled(places, columns="Id int, Name varchar(40)")
    ask(places.source, "SET GLOBAL sql_select_limit = 10")
    try:
        run(settings, name)
    finally:
        ask(places.source, "SET GLOBAL sql_select_limit = DEFAULT")
    assert oracle.unequal(places, [name]) == {}


@pytest.mark.needs("source", "history")
def test_the_current_rows_of_a_system_versioned_table_arrive(places, settings):
    """ConnectorX prepares the SELECT before the session has its time zone, which reads as no rows."""
    name = filled(places, "WITH SYSTEM VERSIONING")
    run(settings, name)
    ask(places.source, f"DELETE FROM {name} WHERE Id < 5")
    run(settings, name)
    assert oracle.unequal(places, [name]) == {}


@pytest.mark.needs("source", "limit of examined rows")
@pytest.mark.parametrize("engine", ["MyISAM", "InnoDB"])
def test_texts_that_grow_make_no_page_long(engine, places, settings):
    """Old rows are often empty where new ones have text, and the number of a page's rows follows from the page before."""
    name, few = f"t{secrets.token_hex(6)}", limited(settings, page_bytes=2**18)
    ask(
        places.source,
        f"CREATE TABLE {name} (Id int PRIMARY KEY, A text, B text) ENGINE={engine} CHARSET utf8mb4",
    )
    ask(places.source, f"INSERT INTO {name} SELECT seq, NULL, '' FROM {numbers(3_000)}")
    long = "REPEAT('x', 20000), REPEAT('é', 10000)"
    ask(places.source, f"INSERT INTO {name} SELECT 3000 + seq, {long} FROM {numbers(100)}")
    (each,) = source.survey(settings.source, settings.limits, [name]).tables
    pages = [page.rows for page in rows.pages(few.source, few.limits, each)]
    assert sum(page.num_rows for page in pages) == 3_100
    assert max(page.nbytes for page in pages) < 2**18 + 50_000
    run(few, name)
    assert oracle.unequal(places, [name]) == {}


@pytest.mark.parametrize("seconds", [0.05, 1, 60])
def test_a_slow_way_to_the_server_makes_no_page_short(seconds):
    assert next_count(Limits(_env_file=None), 2_000, 100_000, seconds) >= 1_000


def test_bytes_make_a_page_short():
    assert next_count(Limits(_env_file=None), 1_000, 160 * 2**20, 0.0) == 100


def test_another_configuration_does_not_take_over_raw(places, settings):
    name = filled(places)
    run(settings, name)
    other = settings.model_copy(
        update={"warehouse": settings.warehouse.model_copy(update={"base_schema": "clinic2"})}
    )
    with pytest.raises(TableError, match="ANALYTICS_POSTGRES_BASE_SCHEMA=clinic2"):
        run(other, name)
    assert oracle.unequal(places, [name]) == {}


def warehouse_of(**schemas):
    return Warehouse(_env_file=None, host="h", db="d", user="u", password="p", **schemas)


@pytest.mark.parametrize("name", ["ANALYTICS_POSTGRES_SCHEMA", "ANALYTICS_POSTGRES_BASE_SCHEMA"])
@pytest.mark.parametrize("schema", ["pg_catalog", "information_schema", "x" * 64])
def test_schemas_that_belong_to_others_are_refused(name, schema):
    with pytest.raises(ValueError, match=name):
        warehouse_of(**{name: schema})


@pytest.mark.parametrize(
    "schemas",
    [
        {"ANALYTICS_POSTGRES_SCHEMA": "public"},
        {"ANALYTICS_POSTGRES_BASE_SCHEMA": "raw"},
        {"ANALYTICS_POSTGRES_SCHEMA": "clinic", "ANALYTICS_POSTGRES_BASE_SCHEMA": "clinic"},
    ],
)
def test_one_schema_for_landing_and_base_tables_is_refused_with_the_mend(schemas):
    with pytest.raises(
        ValueError,
        match="say ANALYTICS_POSTGRES_SCHEMA=raw, or give the base tables another schema",
    ):
        warehouse_of(**schemas)


def test_landing_and_base_tables_stand_where_the_settings_say(places, databases, servers):
    schemas = {"raw_schema": 'Landing, "1"', "base_schema": "clinic"}
    settings = settings_for(databases)
    settings = settings.model_copy(
        update={"warehouse": settings.warehouse.model_copy(update=schemas)}
    )
    with oracle.connected(servers, databases) as own:
        name = filled(own)
        for _ in range(2):
            preflight.check(settings)
            assert [result.error for result in run(settings, name, verify=True).values()] == [""]
            ask(own.source, f"DELETE FROM {name} LIMIT 1")
        for schema in ('"Landing, ""1"""', "clinic"):
            ((left,),) = ask(own.source, f"SELECT count(*) FROM {name}")
            assert ask(own.warehouse, f"SELECT count(*) FROM {schema}.{name}") == [(left + 1,)]
        assert ask(
            own.warehouse,
            "SELECT to_regnamespace('raw'), to_regclass('public.etl_transform_status')",
        ) == [(None, None)]


def test_base_tables_follow_whichever_landing_schema_a_run_has(places, databases, servers):
    """And an edit by hand in one that the source makes too, later."""
    settings = settings_for(databases)
    other = settings.model_copy(
        update={"warehouse": settings.warehouse.model_copy(update={"raw_schema": "landing"})}
    )
    with oracle.connected(servers, databases) as own:
        name = filled(own)
        for text, chosen in (("v0", settings), ("v1", other), ("v0", settings)):
            ask(own.source, f"UPDATE {name} SET Name = %s WHERE Id = 7", text)
            run(chosen, name)
            assert ask(own.warehouse, f"SELECT name FROM public.{name} WHERE id = 7") == [(text,)]
        ask(own.warehouse, f"""UPDATE raw.{name} SET "Name" = 'q1' WHERE "Id" = 8""")
        ask(own.source, f"UPDATE {name} SET Name = 'q1' WHERE Id = 8")
        run(settings, name)
        assert oracle.unequal(own, [name]) == {}


def test_a_remark_of_the_users_on_a_table_stays_and_hinders_nothing(places, settings):
    name = filled(places)
    run(settings, name)
    for schema in ("raw", "public"):
        ask(places.warehouse, f"COMMENT ON TABLE {schema}.{name} IS 'our notes'")
    ask(places.source, f"DELETE FROM {name} WHERE Id = 3")
    run(settings, name)
    assert oracle.unequal(places, [name]) == {}
    remarks = ask(
        places.warehouse,
        f"SELECT obj_description('raw.{name}'::regclass), obj_description('public.{name}'::regclass)",
    )
    assert remarks == [("our notes", "our notes")]


def test_an_installation_whose_base_tables_stand_in_the_landing_schema_is_told_what_to_say(
    places, settings
):
    run(settings, filled(places))
    other = {"raw_schema": "public", "base_schema": "clinic"}
    with pytest.raises(
        PreflightError,
        match="say ANALYTICS_POSTGRES_SCHEMA=raw and ANALYTICS_POSTGRES_BASE_SCHEMA=public",
    ):
        preflight.check(
            settings.model_copy(update={"warehouse": settings.warehouse.model_copy(update=other)})
        )


def test_a_table_that_somebody_holds_does_not_hold_the_others(
    places, settings, servers, module_databases
):
    held, free = filled(places), filled(places)
    settle(places.source)
    run(settings, held, free)
    holder = servers.postgres.connect(module_databases.warehouse.name)
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute(f'LOCK TABLE raw."{held}" IN ACCESS EXCLUSIVE MODE')
    impatient = limited(settings, lock_seconds=1)
    plans = {each.table: each for each in look(impatient, [held, free]).plans}
    assert not plans[free].has_work
    with pytest.raises(DatabaseFault, match="a lock was held too long"):
        sync(impatient, plans[held], "held")
    holder.rollback()
    holder.close()
    run(settings, held)
    assert oracle.unequal(places, [held, free]) == {}


def test_a_broken_table_of_the_replica_is_made_anew_and_the_others_are_left_alone(places, settings):
    broken, sound = filled(places), filled(places)
    settle(places.source)
    run(settings, broken, sound)
    ask(places.replica, f"DROP TABLE {broken}")
    ask(places.replica, f"CREATE TABLE gone{broken} (a int)")
    ask(places.replica, f"CREATE VIEW {broken} AS SELECT a FROM gone{broken}")
    ask(places.replica, f"DROP TABLE gone{broken}")
    assert not plan(settings, sound).has_work
    assert plan(settings, broken).reason == "the replica's table was lost, replaced or lacks rows"
    ask(places.replica, f"DROP VIEW {broken}")
    run(settings, broken)
    assert oracle.unequal(places, [broken, sound]) == {}


def test_a_new_column_waits_for_readers_in_turns(places, settings, servers, module_databases):
    name = filled(places)
    run(settings, name)
    ask(places.source, f"ALTER TABLE {name} ADD COLUMN More int NOT NULL DEFAULT 7")
    holder = servers.postgres.connect(module_databases.warehouse.name)
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM public.{name}")
    waiting = threading.Thread(target=run, args=(settings, name))
    waiting.start()
    slowest = 0.0
    for _ in range(20):
        began = time.monotonic()
        ask(places.warehouse, f"SELECT count(*) FROM public.{name}")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.1)
    holder.rollback()
    holder.close()
    waiting.join()
    assert slowest < 1.9  # a turn is one second
    assert ask(places.warehouse, f"SELECT DISTINCT more FROM public.{name}") == [(7,)]


def test_rows_are_updated_in_place_so_that_what_refers_to_them_stays(places, settings):
    name = filled(places)
    run(settings, name)
    ask(
        places.warehouse,
        f"CREATE TABLE public.mine{name} (id int REFERENCES public.{name} ON DELETE CASCADE)",
    )
    ask(places.warehouse, f"INSERT INTO public.mine{name} VALUES (3)")
    ask(places.source, f"UPDATE {name} SET Name = 'edited' WHERE Id = 3")
    result = run(settings, name)[name]
    assert [(hop.inserted, hop.updated, hop.deleted) for hop in result.hops] == [(0, 1, 0)] * 3
    assert ask(places.warehouse, f"SELECT id FROM public.mine{name}") == [(3,)]


OWN_SQL = {
    "writes": ("WITH gone AS (DELETE FROM raw.{t} RETURNING *) SELECT * FROM gone", "does not run"),
    "is not UTF-8": ("SELECT 'caf\xe9' AS name FROM raw.{t}", "cannot be read as UTF-8"),
    "doubles the key": (
        'SELECT "Id" AS id FROM raw.{t} UNION ALL SELECT "Id" FROM raw.{t}',
        "several rows",
    ),
}


@pytest.mark.parametrize("case", OWN_SQL)
def test_own_sql_that_cannot_be_used_makes_its_table_red_and_no_other(
    case, places, settings, tmp_path
):
    name, other = filled(places), filled(places)
    run(settings, name)
    sql, words = OWN_SQL[case]
    (tmp_path / f"{name}.sql").write_bytes(sql.format(t=name).encode("latin-1"))
    own = limited(settings, standardize_dir=tmp_path)
    with pytest.raises(TableError, match=words):
        run(own, name)
    run(own, other)
    assert oracle.unequal(places, [name, other]) == {}


def test_a_file_of_own_sql_that_fits_no_table_is_named(places, settings, tmp_path):
    (tmp_path / "nosuch.sql").write_text("SELECT 1 AS one")
    found = look(limited(settings, standardize_dir=tmp_path)).excluded
    assert [each.reason for each in found if each.table.endswith("nosuch.sql")] == [
        "it fits no table"
    ]


def test_an_excluded_table_that_was_copied_before_is_not_called_gone(places, settings):
    name = filled(places)
    run(settings, name)
    found = look(limited(settings, exclude=(name,)))
    assert name in {each.table for each in found.excluded}
    assert name not in found.gone


@pytest.mark.parametrize("ca", [None, "/nowhere/ca.pem"])
@pytest.mark.parametrize(
    ("server", "prefix"),
    [
        ("source", "SOURCE_MYSQL"),
        ("replica", "REPLICATION_MYSQL"),
        ("warehouse", "ANALYTICS_POSTGRES"),
    ],
)
def test_a_server_that_cannot_be_verified_is_refused_by_the_setting_that_asks_for_it(
    server, prefix, ca, places, settings
):
    filled(places)
    asked = getattr(settings, server).model_copy(update={"tls": "verify", "tls_ca": ca})
    with pytest.raises(PreflightError, match=f"^{prefix}_TLS: no verified TLS connection"):
        preflight.check(settings.model_copy(update={server: asked}))


def test_few_idle_connections_are_kept(settings, monkeypatch):
    monkeypatch.setattr(pool, "MOST_IDLE", 3)
    for seconds in range(100, 110):
        with pool.connect(settings.source, limited(settings, statement_seconds=seconds).limits):
            pass
    assert sum(map(len, pool._IDLE.values())) == 3
