"""What not every server can do: a test that needs it is skipped where the server refuses."""

import os
from contextlib import closing
from functools import cache
from typing import Any

import pymysql
import pytest

from deployments import editions
from deployments.servers import Servers

# What only a server with the ability takes, as the last statement.
ABILITIES = {
    "Aria": ("CREATE TABLE asked (a int) ENGINE=Aria TRANSACTIONAL=0",),
    # MySQL 8 has that choice only when its data directory is made.
    "choice of the case of names at each start": ("SELECT 1 /*!80000 , */",),
    "limit of examined rows": ("SELECT 1 FROM (SELECT 1) AS one LIMIT ROWS EXAMINED 5",),
    "time limit for statements": (
        "SELECT /*M! @@max_statement_time */ /*!50708 @@max_execution_time */",
    ),
    "defaults that are expressions": ("CREATE TABLE asked (a int DEFAULT (1 + 2))",),
    "checks": ("SELECT 1 FROM information_schema.CHECK_CONSTRAINTS LIMIT 1",),
    # MySQL 5.6 counts those of its text protocol only.
    "count of the rows it sent": ("SELECT /*M! 1 */ /*!80000 1 */",),
    "functional keys": ("CREATE TABLE asked (a int, KEY ((a + 1))) ENGINE=InnoDB",),
    "generated columns": ("CREATE TABLE asked (a int, b int AS (a) VIRTUAL)",),
    "history": ("CREATE TABLE asked (a int) WITH SYSTEM VERSIONING",),
    "invisible columns": ("CREATE TABLE asked (a int, b int INVISIBLE)",),
    "JSON": ("CREATE TABLE asked (a json)",),
    "renaming of columns": ("CREATE TABLE asked (a int)", "ALTER TABLE asked RENAME COLUMN a TO b"),
    "texts of bytes that are no characters": (
        "CREATE TABLE asked (a varchar(9))",
        "INSERT INTO asked VALUES (_utf8 x'EDA080')",
    ),
    "TLS of today": ("SELECT @@tls_version",),
    "times of MariaDB 5.3": ("SELECT @@mysql56_temporal_format",),
    "vectors": ("CREATE TABLE asked (a vector(3))",),
}


CHOSEN = any(os.environ.get(variable) for variable in editions.VARIABLES.values())


def take(connection: Any, place: str, *statements: str) -> None:
    """Run statements that not every server knows; this machine's own servers must know them."""
    with connection.cursor() as cursor:
        for statement in statements:
            try:
                cursor.execute(statement)
            except pymysql.Error as error:
                if not CHOSEN:
                    raise
                pytest.skip(f"the {place} does not know this: {error.args[-1]}")


@cache
def lack(servers: Servers, place: str, ability: str) -> str:
    """Say which ability the `source` or `replica` lacks; empty if it has it."""
    server, database = getattr(servers, place), getattr(servers.databases, place).name
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS asked")
        try:
            for statement in ABILITIES[ability]:
                cursor.execute(statement)
        except pymysql.Error:
            return f"the {place}, {server.product} {server.version}, has no {ability}"
        finally:
            cursor.execute("DROP TABLE IF EXISTS asked")
    return ""
