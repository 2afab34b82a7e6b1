"""Schema changes at the source are reported; what stands on tables in PostgreSQL survives."""

import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from random import Random
from typing import Any

import oracle
import pymysql
import pytest
from conftest import numbers, settings_for
from oracle import Places, ask
from runs import HANGING_SECONDS, limited, run, wait_for

from deployments.databases import Databases
from transfer.errors import TableError
from transfer.settings import Settings

COLUMNS = "Id int PRIMARY KEY, Code int, Name varchar(20), Fee decimal(8,2)"


@pytest.fixture(scope="module")
def settings(module_databases: Databases) -> Settings:
    return settings_for(module_databases)


@pytest.fixture
def table(places: Places, settings: Settings) -> str:
    """A table that has come everywhere, to be changed by the test."""
    name = f"t{secrets.token_hex(6)}"
    ask(places.source, f"CREATE TABLE {name} ({COLUMNS}) ENGINE=MyISAM")
    ask(
        places.source,
        f"INSERT INTO {name} SELECT seq, seq, CONCAT(seq), seq / 4 FROM {numbers(20)}",
    )
    run(settings, name)
    return name


def change(places: Places, settings: Settings, table: str, *actions: str) -> None:
    for action in actions:
        ask(places.source, f"ALTER TABLE {table} {action}")
    run(settings, table)


@contextmanager
def as_the_pipeline(places: Places, settings: Settings) -> Iterator[None]:
    """What is made in the block belongs to the pipeline's own role, as dbt's views do."""
    ask(places.warehouse, f'SET ROLE "{settings.warehouse.user}"')
    try:
        yield
    finally:
        ask(places.warehouse, "RESET ROLE")


def make(places: Places, settings: Settings, *statements: str) -> None:
    with as_the_pipeline(places, settings):
        for statement in statements:
            ask(places.warehouse, statement)


def described(connection: Any, *views: str) -> list[tuple[Any, ...]]:
    """Everything that is known of views but their numbers."""
    return ask(
        connection,
        "SELECT relname::text, pg_get_viewdef(oid), relowner::regrole::text, reloptions::text, obj_description(oid),"
        " (SELECT string_agg(each::text, ' ' ORDER BY each::text) FROM unnest(coalesce(relacl, acldefault('r', relowner))) AS each),"
        " (SELECT string_agg(concat_ws(' ', attname, attacl::text, col_description(oid, attnum)), ' ' ORDER BY attnum)"
        " FROM pg_attribute WHERE attrelid = oid AND attnum > 0),"
        " (SELECT string_agg(rulename, ' ' ORDER BY rulename) FROM pg_rewrite WHERE ev_class = pg_class.oid),"
        " (SELECT string_agg(tgname, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = pg_class.oid)"
        " FROM pg_class WHERE oid = ANY(%s::regclass[]) ORDER BY relname",
        list(views),
    )


@pytest.fixture
def reader(servers: Any, places: Places) -> Any:
    """A role that may be given rights."""
    name = f"reader_{secrets.token_hex(4)}"
    ask(places.warehouse, f"CREATE ROLE {name}")
    ask(places.warehouse, f"GRANT {name} TO analytics_user")
    yield name
    ask(places.warehouse, f"DROP OWNED BY {name}")
    ask(places.warehouse, f"DROP ROLE {name}")


RETYPINGS = (
    "MODIFY Code bigint, MODIFY Fee decimal(12,2)",
    "MODIFY Fee decimal(12,4), ADD COLUMN More int FIRST",
    "MODIFY Name int",
    "MODIFY Id bigint NOT NULL",
)


def test_views_outlive_columns_that_are_retyped(table, reader, places, settings):
    """Case S3."""
    warehouse, schema = places.warehouse, f"reports{table}"
    one, two, three = f"public.one{table}", f'{schema}."Two views"', f"{schema}.three"
    make(
        places,
        settings,
        f"CREATE SCHEMA {schema}",
        f"CREATE VIEW {one} (number, code, title, fee, never) WITH (security_barrier, check_option = local) AS"
        f" SELECT id, code, name, fee, NULL::text FROM public.{table} WHERE code > 2 AND fee > 1",
        f'CREATE VIEW {two} AS SELECT o.number AS "the ""number""", r."Fee" FROM {one} AS o JOIN raw.{table} AS r ON r."Id" = o.number',
        f'CREATE VIEW {three} AS SELECT count(*) AS "elt_at", max(o.fee) AS m FROM {two} JOIN {one} AS o ON o.number = "the ""number"""',
        f"COMMENT ON VIEW {one} IS 'it''s mine'",
        f"COMMENT ON COLUMN {one}.title IS 'a $title$'",
        f"GRANT SELECT ON {one} TO {reader} WITH GRANT OPTION",
        f"GRANT UPDATE (title) ON {one} TO PUBLIC",
        f"ALTER VIEW {one} ALTER fee SET DEFAULT 3",
        f"CREATE RULE ignoring AS ON DELETE TO {three} DO INSTEAD NOTHING",
        f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {reader}",
        f"GRANT SELECT ON {one}, {two} TO {reader}",
        f"ALTER VIEW {three} OWNER TO {reader}",
    )
    before = described(warehouse, one, two, three)
    rows = (
        ask(warehouse, f"SELECT number::text, title FROM {one} ORDER BY number"),
        ask(warehouse, f"TABLE {three}"),
    )
    for retyping in RETYPINGS:
        change(places, settings, table, retyping)
        assert oracle.unequal(places, [table]) == {}
        assert described(warehouse, one, two, three) == before
        assert (
            ask(warehouse, f"SELECT number::text, title::text FROM {one} ORDER BY number")
            == rows[0]
        )
        assert ask(warehouse, f"TABLE {three}") == rows[1]


def test_indexes_constraints_and_rights_on_a_table_outlive_its_columns_new_types(
    table, reader, places, settings
):
    warehouse, base, mine = places.warehouse, f"public.{table}", f"public.mine{table}"
    make(
        places,
        settings,
        f"CREATE INDEX by_code{table} ON {base} (code DESC, name) WHERE fee > 0",
        f"ALTER TABLE {base} ADD CONSTRAINT positive{table} CHECK (code > 0), ADD CONSTRAINT code{table} UNIQUE (code)",
        f"CREATE TABLE {mine} (id int REFERENCES {base} ON DELETE CASCADE, code int REFERENCES {base} (code) DEFERRABLE)",
        f"INSERT INTO {mine} VALUES (3, 4), (5, NULL)",
        f"COMMENT ON COLUMN {base}.code IS 'of the code'",
        f"GRANT SELECT (code), UPDATE (fee) ON {base} TO {reader}",
        f"CREATE TABLE {mine}_told (code bigint)",
        f"CREATE RULE told AS ON UPDATE TO {base} WHERE old.code < 0 DO ALSO INSERT INTO {mine}_told VALUES (old.code)",
        f"CREATE VIEW {mine}_keys AS SELECT id, fee FROM {base} GROUP BY id",
    )
    before = standing(warehouse, table)
    assert len(before) == 12
    change(
        places,
        settings,
        table,
        "MODIFY Id bigint NOT NULL, MODIFY Code bigint, MODIFY Fee decimal(10,3)",
    )
    assert oracle.unequal(places, [table]) == {}
    assert standing(warehouse, table) == before
    assert ask(warehouse, f"SELECT id, code FROM {mine} ORDER BY id") == [(3, 4), (5, None)]


def standing(connection: Any, table: str) -> list[tuple[str]]:
    """What stands on a base table, in the words of the server."""
    base, mine = f"public.{table}", f"public.mine{table}"
    return ask(
        connection,
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass"
        " UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ANY(%s::regclass[])"
        " UNION ALL SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = %s::regclass"
        " UNION ALL SELECT concat_ws(' ', attname, attacl::text, col_description(attrelid, attnum)) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND NOT attisdropped AND (attacl IS NOT NULL OR col_description(attrelid, attnum) IS NOT NULL)"
        " UNION ALL SELECT pg_get_viewdef(%s::regclass) ORDER BY 1",
        base,
        [base, mine],
        base,
        base,
        f"{mine}_keys",
    )


HINDRANCES = {
    "a view of a column that is gone": (
        "CREATE VIEW public.v{t} AS SELECT fee, upper(name) AS loud FROM public.{t}",
        "DROP COLUMN Name, MODIFY Fee int",
        r'public"?\."?{t}"? must lose or retype name, but public.v{t} depends on it: drop what reads it',
    ),
    "a view that does not fit the new type": (
        "CREATE VIEW public.v{t} AS SELECT upper(name) AS loud FROM public.{t}",
        "MODIFY Name int",
        r"public.v{t} cannot be made again over them \(a function or comparison does not exist",
    ),
    "a materialized view on a view": (
        "CREATE MATERIALIZED VIEW public.v{t} AS SELECT * FROM (SELECT code + 1 AS more FROM public.{t}) AS all_of_them",
        "MODIFY Code bigint",
        "must lose or retype code, but public.v{t} depends on it",
    ),
    "a function that gives a view's rows": (
        """CREATE VIEW public.v{t} AS SELECT code FROM public.{t};
        CREATE FUNCTION public.f{t}() RETURNS SETOF public.v{t} LANGUAGE sql AS 'SELECT 1'""",
        "MODIFY Code bigint",
        r"must lose or retype code, but public.v{t} depends on it",
    ),
    "a foreign key to a key that is gone": (
        "CREATE TABLE public.v{t} (id int CONSTRAINT mine{t} REFERENCES public.{t})",
        "DROP PRIMARY KEY",
        "constraint mine{t} on public.v{t} cannot be made again",
    ),
    "a view of somebody else": (
        "CREATE VIEW public.v{t} AS SELECT code FROM public.{t}; RESET ROLE; ALTER VIEW public.v{t} OWNER TO CURRENT_USER",
        "MODIFY Code bigint",
        r"public.v{t} cannot be made again over them \(the user lacks a privilege",
    ),
    "a view that needs the key": (
        "CREATE VIEW public.v{t} AS SELECT id, fee FROM public.{t} GROUP BY id",
        "DROP PRIMARY KEY",
        "public.v{t} cannot be made again",
    ),
}


@pytest.mark.parametrize("hindrance", HINDRANCES)
def test_what_cannot_outlive_a_change_makes_the_table_red_and_stays(
    hindrance, table, places, settings
):
    mine, action, words = HINDRANCES[hindrance]
    make(places, settings, mine.format(t=table))
    rows = oracle.postgres_rows(places.warehouse, "public", table)
    with pytest.raises(TableError, match=words.format(t=table)):
        change(places, settings, table, action)
    assert oracle.postgres_rows(places.warehouse, "public", table) == rows
    assert ask(places.warehouse, "SELECT to_regclass(%s) IS NOT NULL", f"public.v{table}") == [
        (True,)
    ]
    ask(places.warehouse, f"DROP FUNCTION IF EXISTS public.f{table}")
    ask(
        places.warehouse,
        re.sub(
            r"CREATE ((MATERIALIZED )?VIEW|TABLE) (\S+) .*",
            r"DROP \1 \3",
            mine.format(t=table),
            flags=re.DOTALL,
        ),
    )
    run(settings, table)
    assert oracle.unequal(places, [table]) == {}


def test_a_snapshot_from_before_a_new_type_still_sees_the_rows(
    table, places, settings, servers, module_databases
):
    change(places, settings, table, "MODIFY Name varchar(30)")
    with closing(servers.postgres.connect(module_databases.warehouse.name)) as reader:
        ask(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ")
        ask(reader, "SELECT 1")
        change(places, settings, table, "MODIFY Code bigint, MODIFY Fee decimal(20,2)")
        asked = "SELECT count(*), sum(fee), count(code) FROM public."
        assert ask(reader, asked + table) == [(20, Decimal("52.50"), 0)]
    assert ask(places.warehouse, asked + table) == [(20, Decimal("52.50"), 20)]


def test_a_view_that_is_made_anew_while_the_change_waits_for_readers_is_put_back_as_it_is_then(
    table, places, settings, servers, module_databases
):
    make(places, settings, f"CREATE VIEW public.v{table} AS SELECT code FROM public.{table}")
    ask(places.source, f"ALTER TABLE {table} MODIFY Code bigint")
    with (
        closing(servers.postgres.connect(module_databases.warehouse.name)) as reader,
        ThreadPoolExecutor(1) as pool,
    ):
        ask(reader, "BEGIN")
        ask(reader, f"SELECT count(*) FROM public.{table}")
        running = pool.submit(run, limited(settings, lock_seconds=20), table)
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        wait_for(lambda: ask(reader, waiting, f"public.{table}"))
        newer = f"CREATE VIEW public.v{table} AS SELECT code, fee FROM public.{table}"
        make(places, settings, f"DROP VIEW public.v{table}", newer)
        assert ask(reader, f"SELECT count(*) FROM public.v{table}") == [(20,)]
        ask(reader, "COMMIT")
        running.result(timeout=HANGING_SECONDS)
    assert ask(places.warehouse, f"SELECT max(code), max(fee) FROM public.v{table}") == [
        (20, Decimal(5))
    ]
    assert oracle.unequal(places, [table]) == {}


def told(places: Places, table: str) -> list[tuple[Any, ...]]:
    """What the history says of a table since it was last asked."""
    asked = "SELECT kind, column_name, before, after FROM etl_schema_change WHERE table_name = %s ORDER BY id"
    rows = ask(places.warehouse, asked, table)
    ask(places.warehouse, "DELETE FROM etl_schema_change WHERE table_name = %s", table)
    return rows


ALTERATIONS = {
    "ADD COLUMN IsMirrored tinyint NOT NULL": [
        ("column added", "IsMirrored", None, "tinyint NOT NULL")
    ],
    "DROP COLUMN Fee": [("column dropped", "Fee", "decimal(8,2)", None)],
    "CHANGE Fee Price decimal(8,2)": [("column renamed", "Fee", "Fee", "Price")],
    "CHANGE Fee Price decimal(9,2)": [
        ("column dropped", "Fee", "decimal(8,2)", None),
        ("column added", "Price", None, "decimal(9,2)"),
    ],
    "DROP COLUMN Fee, ADD COLUMN Price decimal(8,2) FIRST": [
        ("column dropped", "Fee", "decimal(8,2)", None),
        ("column added", "Price", None, "decimal(8,2)"),
    ],
    "MODIFY Code int NOT NULL, MODIFY Fee bigint": [
        ("column changed", "Code", "int", "int NOT NULL"),
        ("column changed", "Fee", "decimal(8,2)", "bigint"),
    ],
    "MODIFY Name varchar(20) CHARACTER SET ascii": [
        (
            "column changed",
            "Name",
            "varchar(20) CHARACTER SET latin1",
            "varchar(20) CHARACTER SET ascii",
        )
    ],
    "MODIFY Fee decimal(8,2) AFTER Id": [
        ("columns reordered", None, "Id, Code, Name, Fee", "Id, Fee, Code, Name")
    ],
    "DROP PRIMARY KEY, ADD PRIMARY KEY (Code, Id)": [
        ("column changed", "Code", "int", "int NOT NULL"),
        ("key changed", None, "Id", "Code, Id"),
    ],
    "CHANGE Id No int NOT NULL": [("column renamed", "Id", "Id", "No")],
    "ADD INDEX (Name), COMMENT 'another', ENGINE = InnoDB": [],
}


def test_each_change_of_a_structure_is_told_once(places, settings):
    names = {action: f"t{secrets.token_hex(6)}" for action in ALTERATIONS}
    for name in names.values():
        ask(places.source, f"CREATE TABLE {name} ({COLUMNS}) ENGINE=MyISAM CHARACTER SET latin1")
    run(settings, *names.values())
    assert [told(places, name) for name in names.values()] == [[]] * len(names)
    for action, name in names.items():
        ask(places.source, f"ALTER TABLE {name} {action}")
    run(settings, *names.values())
    without_widths = {
        action: [
            (kind, column, *(text and re.sub(r"int\(\d+\)", "int", text) for text in texts))
            for kind, column, *texts in told(places, name)
        ]
        for action, name in names.items()
    }
    assert without_widths == ALTERATIONS
    once = names["DROP COLUMN Fee"]
    run(settings, once, force_full=True)
    assert told(places, once) == []


def test_a_failed_load_tells_nothing_until_it_succeeds(table, places, settings):
    ask(places.warehouse, f"CREATE VIEW public.v{table} AS SELECT fee FROM public.{table}")
    ask(places.warehouse, f'CREATE VIEW raw.v{table} AS SELECT "Fee" FROM raw.{table}')
    with pytest.raises(TableError):
        change(places, settings, table, "DROP COLUMN Fee")
    assert told(places, table) == []
    ask(places.warehouse, f"DROP VIEW public.v{table}, raw.v{table}")
    run(settings, table)
    assert [row[:2] for row in told(places, table)] == [("column dropped", "Fee")]


TYPES = "tinyint|smallint|int|int unsigned|bigint|bigint unsigned|decimal(6,1)|decimal(9,1)|float|double|varchar(9)|text".split(
    "|"
)


def alteration(random: Random, columns: list[str], number: int) -> str:
    """Draw an ALTER of a table that has these columns beside its Id."""
    column, other = (random.choice(columns) for _ in range(2))
    place = random.choice(["", "FIRST", f"AFTER {other}"])
    actions = {
        "add": f"ADD COLUMN c{number} {random.choice(TYPES)} {place}",
        "drop": f"DROP COLUMN {column}",
        "rename": f"RENAME COLUMN {column} TO c{number}",
        "retype": f"MODIFY {column} {random.choice(TYPES)} {random.choice(['', 'NULL', place if other != column else ''])}",
        "widen the key": f"MODIFY Id {random.choice(['int', 'bigint', 'decimal(12,0)'])} NOT NULL",
        "change the key": f"DROP PRIMARY KEY, ADD PRIMARY KEY (Id{random.choice(['', f', {column}'])})",
    }
    return actions[random.choice([name for name in actions if len(columns) > 2 or name != "drop"])]


@pytest.mark.parametrize(("seed", "engine"), [(0, "MyISAM"), (1, "InnoDB")])
def test_random_alterations_arrive_and_the_history_leads_from_one_structure_to_the_next(
    seed, engine, places, settings
):
    """Cases S1, S2 and S5; a view stands by (S3)."""
    random, table = Random(seed), f"r{secrets.token_hex(6)}"  # noqa: S311 - to be drawn again
    ask(places.source, "SET sql_mode = ''")
    ask(
        places.source,
        f"CREATE TABLE {table} (Id int PRIMARY KEY, a int, b varchar(9), c decimal(6,1), d double) ENGINE={engine}",
    )
    ask(
        places.source,
        f"INSERT INTO {table} SELECT seq, seq, seq % 7, seq / 2, seq / 3 FROM {numbers(30)}",
    )
    run(settings, table)
    make(places, settings, f"CREATE VIEW public.v{table} AS SELECT id FROM public.{table}")
    for number in range(5):
        before = structure(places.source, table)
        for step in range(random.randint(1, 3)):
            columns = [name for name in structure(places.source, table)[0] if name != "Id"]
            action = alteration(random, columns, 10 * number + step)
            try:
                ask(places.source, f"ALTER TABLE {table} {action}")
            except pymysql.Error:  # a text of any length is no key
                continue
        run(settings, table)
        assert oracle.unequal(places, [table]) == {}
        columns, key = structure(places.source, table)
        held, told_key, order = replayed(*before, told(places, table))
        assert (held, told_key, order) == (
            columns,
            key,
            [name for name in columns if name in order],
        )
        assert ask(places.warehouse, f"SELECT count(*) FROM public.v{table}") == [(30,)]


def structure(connection: Any, table: str) -> tuple[dict[str, str], list[str]]:
    """The columns of a table of the source in order with what is said of them, and its key."""
    columns = ask(
        connection,
        "SELECT COLUMN_NAME, CONCAT(COLUMN_TYPE, COALESCE(CONCAT(' CHARACTER SET ', CHARACTER_SET_NAME), ''),"
        " IF(IS_NULLABLE = 'NO', ' NOT NULL', '')) FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        table,
    )
    key = ask(connection, f"SHOW KEYS FROM {table} WHERE Key_name = 'PRIMARY'")
    return {str(name): str(said) for name, said in columns}, [row[4] for row in key]


def replayed(
    columns: dict[str, str], key: list[str], changes: list[tuple[Any, ...]]
) -> tuple[dict[str, str], list[str], list[str]]:
    """What told changes make of a structure: its columns, its key, and the order of the columns that were there before."""
    held, names = dict(columns), {name: name for name in columns}
    reordered = None
    for kind, column, before, after in changes:
        match kind:
            case "column added":
                held[column] = after
            case "column dropped":
                assert held.pop(column) == before
                del names[column]
            case "column renamed":
                assert column == before
                held = {after if name == column else name: said for name, said in held.items()}
                names[column] = after
                key = [after if name == column else name for name in key]
            case "column changed":
                assert held[names[column]] == before
                held[names[column]] = after
            case "columns reordered":
                assert before.split(", ") == list(names.values())
                reordered = after.split(", ")
            case "key changed":
                key = after.split(", ") if after else []
    return held, key, reordered or list(names.values())
