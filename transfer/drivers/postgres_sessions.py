"""What a PostgreSQL session sets, and how it proves that values cross it unchanged."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from transfer.drivers.sessions import DOUBLE, MEANT, MOMENT, TEXT, Setting

# PostgreSQL's own defaults, unless a reason says otherwise, from pg_settings (contexts user and
# superuser) of 13, 15 and 18. What only costs time or memory or is for logs is left out. So are
# role and session_authorization: the user decides who owns what is made.
POSTGRES: tuple[Setting, ...] = (
    Setting("client_encoding", "UTF8", "in another encoding texts would be converted twice"),
    Setting("TimeZone", "UTC", "timestamptz is written as text, and turned into a date, in it"),
    Setting("DateStyle", "ISO,MDY", "dates as text would be written and read in another order"),
    Setting("IntervalStyle", "postgres", "intervals as text would be written and read otherwise"),
    Setting("extra_float_digits", "1", "doubles as text would lose digits"),
    Setting("bytea_output", "hex", "bytes as text would be escaped"),
    Setting("standard_conforming_strings", "on", "a backslash in a literal would vanish"),
    Setting("backslash_quote", "safe_encoding", "the same"),
    Setting("array_nulls", "on", "NULL in an array would be a text"),
    Setting("transform_null_equals", "off", "`= NULL` would be true"),
    Setting("quote_all_identifiers", "off", "the driver knows no types by names in quotes"),
    Setting("search_path", '"$user",public', "a table or function could be another schema's"),
    Setting("row_security", "off", "rows would be hidden by a policy; so it is an error"),
    Setting("default_transaction_isolation", "read committed", "two tables at once would collide"),
    Setting("default_transaction_read_only", "off", "nothing could be written"),
    Setting("default_transaction_deferrable", "off", "a transaction could wait for others"),
    Setting("statement_timeout", "0", "large tables take their time"),
    Setting("idle_in_transaction_session_timeout", "0", "a transaction waits while a page is read"),
    Setting("exit_on_error", "off", "an expected error would end the session"),
    Setting("default_tablespace", "", "tables would be made elsewhere, or refused"),
    Setting("temp_tablespaces", "", "the same of temporary ones"),
    Setting("default_table_access_method", "heap", "another may know no DELETE"),
    Setting("gin_fuzzy_search_limit", "0", "an index would find a part of the rows"),
    Setting("lc_monetary", "C", "amounts as text would be written otherwise"),
    Setting("lc_numeric", "C", "numbers as text would be written otherwise"),
    Setting("lc_time", "C", "names of days and months would be in another language"),
    Setting("xmlbinary", "base64", "bytes in XML would be written otherwise"),
    Setting("default_toast_compression", "pglz", "not every server has another", "14"),
    Setting("idle_session_timeout", "0", "connections are kept for the next table", "14"),
    Setting("restrict_nonsystem_relation_kind", "", "views could not be read", "17"),
    Setting("transaction_timeout", "0", "large tables take their time", "17"),
)  # fmt: skip

# What only a superuser may set: some of it hides rows.
POSTGRES_REQUIRED: Mapping[str, str] = {
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "session_replication_role": "origin",
}

# With these the server notices within half a minute that the other machine is gone, and frees what
# it held. They are not proven, as a Unix socket has none of them.
LINE = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}

# A pooler that drops the options leaves it out.
SENTINEL = Setting(
    "elt.session", "ours", "a session without it is one whose options were dropped on the way"
)


def startup(more: Mapping[str, str], known: Iterable[str] = ()) -> str:
    """Return the options of a PostgreSQL session's startup packet.

    They win over those of roles and databases. Options that not every server has are included if
    they are `known`.
    """
    has = frozenset(known)
    settings = {
        setting.name: setting.value
        for setting in (*POSTGRES, SENTINEL)
        if not setting.since or setting.name in has
    }
    return " ".join(
        f"-c {name}={_escaped(value)}" for name, value in (LINE | settings | dict(more)).items()
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


NEWER = tuple(setting for setting in POSTGRES if setting.since)


def _late() -> str:
    """Return the SELECT list that sets what not every server has, where it is known."""
    return ", ".join(
        f"CASE WHEN current_setting('{setting.name}', true) IS NOT NULL"
        f" THEN set_config('{setting.name}', '{setting.value}', false) END"
        for setting in NEWER
    )


# What libpq would take from the environment in place of what it is given, or beside it: PGHOSTADDR
# even leads to another server. PGOPTIONS is not among them, as we always give that ourselves.
LIBPQ = frozenset(
    """
    PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGPASSFILE PGREQUIREAUTH
    PGCHANNELBINDING PGSERVICE PGSERVICEFILE PGAPPNAME PGSSLMODE PGREQUIRESSL
    PGSSLNEGOTIATION PGSSLCOMPRESSION PGSSLCERT PGSSLKEY PGSSLCERTMODE PGSSLROOTCERT
    PGSSLCRL PGSSLCRLDIR PGSSLSNI PGSSLKEYLOGFILE PGREQUIREPEER PGREQUIRESSL
    PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION PGGSSENCMODE PGKRBSRVNAME PGGSSLIB
    PGGSSDELEGATION PGREALM PGTTY PGCONNECT_TIMEOUT PGCLIENTENCODING PGTARGETSESSIONATTRS
    PGLOADBALANCEHOSTS PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION PGOAUTHDEBUG PGOAUTHCAFILE
    PGDATESTYLE PGTZ PGGEQO PGSYSCONFDIR PGLOCALEDIR
    """.split()
)

POOLER = "a connection pooler answers there, which passes no settings on"
NOT_POOLED = "name the server itself, by its host and its own port"

# How a server shows what is written otherwise above.
SHOWN = {"DateStyle": "ISO, MDY"}


def _wanted(more: Mapping[str, str]) -> dict[str, str]:
    """Return what a PostgreSQL session's settings have to be.

    Those of newer servers are left out, as the session has just set them.
    """
    settings = {
        setting.name: setting.value for setting in (SENTINEL, *POSTGRES) if not setting.since
    }
    return {**settings, **SHOWN, **more, **POSTGRES_REQUIRED}


def postgres_proof(more: Mapping[str, str], values: Sequence[str] = ("$1", "$2", "$3")) -> str:
    """Return the query whose row `unlike` judges.

    The row has TEXT, DOUBLE and MOMENT as they came, and the settings in their order.
    """
    text, double, moment = values
    names = ", ".join(f"'{name}'" for name in _wanted(more))
    return (
        f"SELECT current_setting('server_encoding'), encode(convert_to({text}, 'UTF8'), 'hex'),"
        f" encode(float8send({double}), 'hex'), encode(timestamp_send({moment}), 'hex'),"
        " convert_from('\\x" + TEXT.encode().hex() + "'::bytea, 'UTF8'),"
        f" {DOUBLE!r}::float8, '{MOMENT}'::timestamp, '\\',"
        " (SELECT string_agg(coalesce(current_setting(name, true), ''), '|' ORDER BY at)"
        f" FROM unnest(ARRAY[{names}]) WITH ORDINALITY AS wanted (name, at)), {_late()}"
    )


SECONDS_SINCE_2000 = int((MOMENT - datetime(2000, 1, 1)).total_seconds())  # noqa: DTZ001
SINCE_2000 = SECONDS_SINCE_2000 * 1_000_000 + MOMENT.microsecond
POSTGRES_PROVEN: Sequence[tuple[object, str]] = (
    (TEXT.encode().hex(), MEANT["sent"]),
    (struct.pack(">d", DOUBLE).hex(), MEANT["exact"]),
    (struct.pack(">q", SINCE_2000).hex(), "times reach it as others than were sent"),
    (TEXT, MEANT["received"]),
    (DOUBLE, MEANT["number"]),
    (MOMENT, MEANT["moment"]),
    ("\\", "a backslash in a literal is lost"),
)


def unlike(found: Sequence[object], more: Mapping[str, str]) -> str:
    """Return in what a row of `postgres_proof` is wrong, empty if in nothing."""
    _, *values = found[: len(POSTGRES_PROVEN) + 1]
    wanted, has = _wanted(more), str(found[len(POSTGRES_PROVEN) + 1]).split("|")
    other = [
        (name, value)
        for (name, value), got in zip(wanted.items(), has, strict=True)
        if got != value
    ]
    if other and other[0][0] == SENTINEL.name:
        return POOLER
    if other:
        return f"{other[0][0]} is not {other[0][1] or 'empty'} there"
    return next(
        (
            means
            for (value, means), got in zip(POSTGRES_PROVEN, values, strict=True)
            if got != value
        ),
        "",
    )
