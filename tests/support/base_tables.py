"""The warehouse's base tables without the pipeline, as the dbt project's sources document them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg2
from psycopg2.extras import execute_values

from deployments.databases import Database
from tasks import dbt_project, files
from tasks.dbt_environment import environment
from transfer.settings import ROOT, Settings

PROJECT = ROOT / "dbt"
SOURCE_TABLES: list[dict[str, Any]] = [
    table
    for path in sorted(PROJECT.glob("models/staging/opendental/*sources.yml"))
    for table in files.described(path)["sources"][0]["tables"]
]
DEFAULTS = {
    "text": "''",
    "date": "NULL",
    "timestamp": "NULL",
    "timestamp without time zone": "NULL",
    "interval": "'0'",
    "timestamptz": "now()",
    "timestamp with time zone": "now()",
}
FAILED = ("error", "fail")
SILENT = ("--quiet", "--log-level", "none", "--log-level-file", "none", "--no-use-colors")


def connect(database: Database) -> Any:
    connection = psycopg2.connect(
        host=database.host,
        port=database.port,
        dbname=database.name,
        user=database.user,
        password=database.password,
    )
    connection.autocommit = True
    return connection


def ask(connection: Any, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def create(connection: Any) -> None:
    for table in SOURCE_TABLES:
        columns = [
            f"{each['name']} {each['data_type']} DEFAULT {DEFAULTS.get(each['data_type'], '0')}"
            for each in table["columns"]
        ]
        ask(
            connection,
            f"CREATE TABLE {table['name']} ({', '.join(columns)}, PRIMARY KEY ({table['columns'][0]['name']}))",
        )


def fill(connection: Any, table: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Replace the table's rows; all have the columns of the first."""
    found = list(rows)
    ask(connection, f"DELETE FROM {table}")
    if found:
        columns = list(found[0])
        with connection.cursor() as cursor:
            execute_values(
                cursor,
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES %s",
                [[row[name] for name in columns] for row in found],
                page_size=1000,
            )


def dbt(settings: Settings, *arguments: str) -> list[Any]:
    """Run dbt on the warehouse, quietly and in this process; return its result of each node.

    Raises:
        AssertionError: dbt failed, or some node did.

    """
    from dbt.cli.main import dbtRunner

    where = ("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT))
    kept = ("--target-path", str(dbt_project.TARGET), "--log-path", str(dbt_project.TARGET))
    with environment(settings.warehouse, settings.limits):
        outcome = dbtRunner().invoke([*arguments, *SILENT, *where, *kept])
    results = list(getattr(outcome.result, "results", []))
    bad = [f"{each.node.name}: {each.message}" for each in results if each.status in FAILED]
    assert outcome.success, (outcome.exception, bad)
    return results
