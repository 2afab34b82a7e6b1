"""Accounts of a test's own, with few rights or a strange password."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from deployments.databases import Database
from deployments.servers import Servers


@contextmanager
def account(servers: Servers, name: str, *grants: str) -> Iterator[str]:
    """A MySQL account of this name on the replica's server or the source's, with these rights and the password `pw`."""
    server = getattr(servers, name)
    user = f"{name[:3]}{id(grants) % 10**9}"
    server.execute(
        f"CREATE USER '{user}'@'%' IDENTIFIED BY 'pw'",
        *(f"GRANT {each} TO '{user}'@'%'" for each in grants),
    )
    try:
        yield user
    finally:
        server.execute(f"DROP USER '{user}'@'%'")


@contextmanager
def role(servers: Servers, database: Database, password: str, rights: str) -> Iterator[str]:
    """A PostgreSQL role with these rights on the database."""
    user = f"role_{database.name}"
    literal = password.replace("'", "''")
    servers.postgres.execute(
        f"CREATE ROLE {user} LOGIN PASSWORD '{literal}'",
        f'GRANT {rights} ON DATABASE "{database.name}" TO {user}',
    )
    try:
        yield user
    finally:
        with (
            closing(servers.postgres.connect(database.name)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"DROP OWNED BY {user} CASCADE")
        servers.postgres.execute(f"DROP ROLE {user}")
