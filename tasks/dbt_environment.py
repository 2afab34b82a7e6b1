"""What dbt finds in its environment, and what its driver's sessions are like."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

from transfer.drivers.postgres_sessions import POOLER, postgres_proof, startup, unlike
from transfer.drivers.sessions import DOUBLE, MOMENT, TEXT
from transfer.errors import DatabaseFault
from transfer.postgres import opening
from transfer.postgres.pool import connect
from transfer.settings import Limits, Warehouse

# dbt waits for locks as long as they are held, as it does by PostgreSQL's default. It sorts and
# joins millions of rows; compiling a query costs more here than it saves. Rows that changed are
# found by their key, for which the default's price is that of a disk with a moving head.
DBTS_OWN = {"lock_timeout": "0", "work_mem": "64MB", "jit": "off", "random_page_cost": "1.1"}
# DBT_ENV_… are the models' own.
DBTS_VARIABLE = re.compile(r"DBT_(?!ENV_)")


def prove(warehouse: Warehouse) -> None:
    """Check that the sessions of dbt's driver are ours and pass values as they are.

    A pooler gives every client a number of its own for the server's process.

    Raises:
        ChannelFault: the session is not as it must be.

    """
    import psycopg2

    query = postgres_proof(DBTS_OWN, ("%s::text", "%s", "%s::timestamp"))
    asking = f"SELECT pg_backend_pid(), proof.* FROM ({query}) AS proof"
    try:
        with (
            closing(psycopg2.connect(**_login(warehouse))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(asking, (TEXT, DOUBLE, MOMENT))
            ((process, *found),) = cursor.fetchall()
            pooled = process != connection.info.backend_pid
    except psycopg2.Error as error:
        raise DatabaseFault("warehouse", "opening a session for dbt", error.pgcode or "") from None
    differs = POOLER if pooled else unlike(found, DBTS_OWN)
    opening.refuse(f"{warehouse.host}:{warehouse.port}", differs)


def _login(warehouse: Warehouse) -> dict[str, Any]:
    verified = {"sslmode": "verify-full", "sslrootcert": warehouse.tls_ca or "system"}
    return {
        "host": warehouse.host,
        "port": warehouse.port,
        "connect_timeout": warehouse.connect_seconds,
        "user": warehouse.user,
        "password": warehouse.password.get_secret_value(),
        "dbname": warehouse.db,
        **(verified if warehouse.verified_tls else {"sslmode": "disable"}),
    }


@contextmanager
def environment(warehouse: Warehouse, limits: Limits, **more: str) -> Iterator[None]:
    """Give dbt its variables in the block, and none of its own that the user has set.

    Some of those change what is built without a word.
    """
    hidden = dict.fromkeys(name for name in os.environ if DBTS_VARIABLE.match(name))
    names: dict[str, str | None] = {
        **hidden,
        **_address(warehouse),
        "ANALYTICS_POSTGRES_THREADS": str(limits.dbt_threads),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PGOPTIONS": startup(DBTS_OWN, _known_settings(warehouse)),
        "ELT_TIME_ZONE": limits.time_zone,
        **more,
    }
    opening.forget_libpqs_variables()
    before = {name: os.environ.get(name) for name in names}
    _set(names)
    try:
        yield
    finally:
        _set(before)


def _address(warehouse: Warehouse) -> dict[str, str]:
    """Return the variables by which profiles.yml knows the warehouse."""
    values = {
        "HOST": warehouse.host,
        "PORT": str(warehouse.port),
        "DB": warehouse.db,
        "BASE_SCHEMA": warehouse.base_schema,
        "USER": warehouse.user,
        "PASSWORD": warehouse.password.get_secret_value(),
        "SSLMODE": "verify-full" if warehouse.verified_tls else "disable",
        "SSLROOTCERT": warehouse.tls_ca or "",
    }
    return {f"ANALYTICS_POSTGRES_{name}": value for name, value in values.items()}


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _known_settings(warehouse: Warehouse) -> frozenset[str]:
    """Return which settings of newer servers this one knows.

    What is wrong with a server that does not answer, dbt says better.
    """
    with suppress(DatabaseFault), connect(warehouse) as connection:
        return opening.known_settings(connection)
    return frozenset()
