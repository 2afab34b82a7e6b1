"""Whether the warehouse can be used as it is: each precondition with what was measured."""

from __future__ import annotations

from typing import Any

from transfer.journey.mysql_checks import Seen
from transfer.postgres import driver
from transfer.postgres.pool import connect
from transfer.settings import Warehouse
from transfer.values.checked import Checked

OLDEST = 15  # the oldest on which the whole is tested


def warehouse(warehouse: Warehouse) -> Seen:
    """Look at the warehouse: its version, its rights, and schemas of its own."""
    seen = Seen(_checks(warehouse))
    if not seen.sentence and warehouse.adbc_driver:
        with connect(warehouse) as connection:
            driver.prove(connection)
    return seen


def _checks(warehouse: Warehouse) -> tuple[Checked, ...]:
    schemas = (warehouse.raw_schema, warehouse.base_schema)
    with connect(warehouse) as connection:
        found = connection.rows(
            "asking for its privileges",
            "SELECT name, CASE WHEN to_regnamespace(quote_ident(name)) IS NULL"
            " THEN has_database_privilege(current_database(), 'CREATE')"
            " ELSE has_schema_privilege(name, 'CREATE') END FROM unnest(string_to_array($1,"
            " chr(1))) AS name",
            ("\x01".join(schemas),),
        )
        ((version, standby, only_read),) = connection.rows(
            "asking for its version",
            "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(),"
            " current_setting('transaction_read_only')",
        )
        ((holds_base_tables,),) = connection.rows(
            "looking for the status tables",
            "SELECT to_regclass(format('%I.etl_transform_status', $1)) IS NOT NULL",
            (warehouse.raw_schema,),
        )
        models = connection.rows(
            "asking for its privileges",
            "SELECT has_database_privilege(current_database(), 'CREATE')",
        )[0][0]
    read_only = bool(standby or only_read == "on")
    return (
        _new_enough(warehouse, version),
        _writable(warehouse, read_only=read_only),
        _schemas(warehouse, holds_base_tables=holds_base_tables),
        _right_to_create(warehouse, [name for name, may in found if not may], models),
    )


def _where(warehouse: Warehouse) -> str:
    return f"the server at {warehouse.host}:{warehouse.port}"


def _new_enough(warehouse: Warehouse, version: int) -> Checked:
    old = (
        f"ANALYTICS_POSTGRES_HOST: {_where(warehouse)} is PostgreSQL {version}; take one of version"
        f" {OLDEST} or newer."
    )
    sentence = old if version < OLDEST else ""
    return Checked(warehouse.place, "version", f"PostgreSQL {version}", sentence)


def _writable(warehouse: Warehouse, *, read_only: bool) -> Checked:
    follows = (
        f"ANALYTICS_POSTGRES_HOST: {_where(warehouse)} is only for reading; name the server that it"
        " follows."
    )
    measured = "only for reading" if read_only else "takes writes"
    return Checked(warehouse.place, "writing", measured, follows if read_only else "")


def _schemas(warehouse: Warehouse, *, holds_base_tables: bool) -> Checked:
    exchanged = (
        f"ANALYTICS_POSTGRES_SCHEMA: {warehouse.raw_schema} holds the base tables and the"
        " bookkeeping, and this setting names the"
        " schema of the landing tables; say ANALYTICS_POSTGRES_SCHEMA=raw and"
        f" ANALYTICS_POSTGRES_BASE_SCHEMA={warehouse.raw_schema}."
    )
    measured = f"{warehouse.raw_schema} and {warehouse.base_schema}"
    return Checked(warehouse.place, "schemas", measured, exchanged if holds_base_tables else "")


def _right_to_create(warehouse: Warehouse, lacking: list[Any], models: bool) -> Checked:
    what = f"create tables in the schema {lacking[0]}" if lacking else "create schemas"
    may_not = (
        f"ANALYTICS_POSTGRES_USER: {warehouse.user} may not {what} in the database"
        f" {warehouse.db};"
        " see deployments/grants/postgres.sql."
    )
    sentence = "" if models and not lacking else may_not
    measured = "creates tables and schemas" if not sentence else f"may not {what}"
    return Checked(warehouse.place, "right to create", measured, sentence)
