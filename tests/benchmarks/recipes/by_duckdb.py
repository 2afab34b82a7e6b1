"""Copies one table with DuckDB; runs in the tools' environment."""

import sys
from importlib.metadata import files

import duckdb


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def extension(name: str) -> str:
    return next(
        str(file.locate())
        for file in files(f"duckdb_extension_{name}") or ()
        if file.match("*.duckdb_extension")
    )


# Rows in any order, as DuckDB's guide advises for large tables; all else, binary COPY included, is its default.
connection = duckdb.connect(
    config={
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
)
name = quote(sys.argv[1])
for statement in (
    f"LOAD '{extension('mysql_scanner')}'",
    f"LOAD '{extension('postgres_scanner')}'",
    # Both take the address from the variables that their servers' own clients know.
    "ATTACH '' AS replica (TYPE mysql, READ_ONLY)",
    "ATTACH '' AS warehouse (TYPE postgres)",
    "CREATE SCHEMA IF NOT EXISTS warehouse.bench_duckdb",
    f"DROP TABLE IF EXISTS warehouse.bench_duckdb.{name}",
    f"CREATE TABLE warehouse.bench_duckdb.{name} AS FROM replica.{name}",
):
    connection.execute(statement)
