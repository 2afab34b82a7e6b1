"""Whether the replica's server can hold the names and collations of the source's tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from transfer.mysql import reading
from transfer.mysql.definition import utf8mb3
from transfer.settings import Limits, MySQLServer, Replica, Settings, charset_of


def handshake(server: MySQLServer, limits: Limits, foreign: frozenset[str]) -> str:
    """Say so if the server misreads the names outside ASCII that the driver sends at first."""
    if not foreign or reading.honours_client_charset(server, limits):
        return ""
    return (
        f"{server.prefix}HOST: the server at {server.host}:{server.port} runs with"
        " skip-character-set-client-handshake, so that no"
        f" driver reads names outside ASCII, which {len(foreign)} tables have, {min(foreign)} the"
        " first; start it without that"
        " option, or leave the tables out by ELT_EXCLUDE."
    )


def names(replica: Replica, tables: Collection[str], *, lowers: bool) -> str:
    """Say so if the replica's server would change names of the source's tables."""
    changed = sorted(name for name in tables if name != name.lower()) if lowers else []
    if not changed:
        return ""
    return (
        f"REPLICATION_MYSQL_HOST: the server at {replica.host}:{replica.port} turns names of tables"
        " into lower case, which would"
        f" change {len(changed)} of the source's, {changed[0]} the first; take a server with"
        " lower_case_table_names=0."
    )


def collations(settings: Settings, used: Mapping[str, int], known: frozenset[str]) -> str:
    """Say so if the replica's server lacks a collation, and propose what may stand for it."""
    mapped = dict(settings.limits.collations)
    strange = [name for name in mapped.values() if utf8mb3(name) not in known]
    if strange:
        return f"ELT_COLLATIONS: the replica's server does not know {strange[0]}."
    unknown = sorted(name for name in used if utf8mb3(mapped.get(name, name)) not in known)
    if not unknown:
        return ""
    tables = ", ".join(f"{name} ({used[name]} table{'s' * (used[name] > 1)})" for name in unknown)
    stand_ins = {name: other for name in unknown if (other := _stand_in(name, known))}
    pairs = ",".join(f"{name}={other}" for name, other in (mapped | stand_ins).items())
    mapping = f", or let others stand for them, say ELT_COLLATIONS={pairs}" if stand_ins else ""
    return (
        f"REPLICATION_MYSQL_HOST: the server at {settings.replica.host}:{settings.replica.port}"
        " does not know these collations"
        f" of the source: {tables}; take a server that knows them, leave the tables out by"
        f" ELT_EXCLUDE{mapping}."
    )


def _stand_in(name: str, known: frozenset[str]) -> str:
    """Propose a collation of the same character set, empty if the server knows none."""
    proposed = (f"{charset_of(name)}_{kind}" for kind in ("unicode_520_ci", "general_ci", "bin"))
    return next((other for other in proposed if other in known), "")
