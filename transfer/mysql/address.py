"""The address by which ConnectorX finds a MySQL server."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from transfer.settings import MySQLServer

# Without a cache of statements the driver prepares a query again once the session is ours, so
# that it means what it does there. It would ask a server on loopback for its socket, which at the
# end of a tunnel is another server's.
DRIVER = "&stmt_cache_size=0&prefer_socket=false"


@lru_cache(maxsize=64)
def address(server: MySQLServer) -> str:
    """Return the ConnectorX address, password included: never log it."""
    password = server.password.get_secret_value()
    login = f"{quote(server.user, safe='')}:{quote(password, safe='')}"
    tls = "?ssl-mode=VERIFY_IDENTITY" if server.verified_tls else "?ssl-mode=DISABLED"
    if server.verified_tls and server.tls_ca:
        tls += f"&ssl-ca={quote(server.tls_ca, safe='/')}"
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"mysql://{login}@{host}:{server.port}/{quote(server.db, safe='')}{tls}{DRIVER}"
