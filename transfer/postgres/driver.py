"""The driver through which PostgreSQL is spoken to: the one installed with the pipeline, or the
library that `ELT_ADBC_DRIVER` names, once it is proven.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import adbc_driver_postgresql.dbapi as installed
import pyarrow as pa
from adbc_driver_manager import AdbcDatabase, dbapi

from transfer.errors import DatabaseFault, SettingsError
from transfer.postgres.connection import Connection, schema
from transfer.postgres.literals import Place, quote
from transfer.rules.layout import Field
from transfer.server_codes import GONE
from transfer.settings import Warehouse

log = logging.getLogger("elt.connection")

PACKAGE = "adbc-driver-postgresql"
WITHOUT = "or leave it empty for the driver that was installed with the pipeline"
# Where the driver manager looks for the manifest of a name.
SEARCHED = (
    "ADBC_DRIVER_PATH",
    f"{sys.prefix}/etc/adbc/drivers",
    "~/.config/adbc/drivers",
    "/etc/adbc/drivers",
)


def connect(warehouse: Warehouse, address: str) -> dbapi.Connection:
    """Open a handle of the driver.

    Raises:
        SettingsError: `ELT_ADBC_DRIVER` names what is no driver for PostgreSQL.

    """
    named = warehouse.adbc_driver
    if not named:
        handle: dbapi.Connection = installed.connect(address, autocommit=True)
        log.info("warehouse: driver %s, version %s", PACKAGE, version(PACKAGE))
        return handle
    refuse(wrong_with(named))
    handle = dbapi.connect(driver=named, uri=address, autocommit=True)
    log.info("warehouse: driver %s, version %s", named, _version(named, handle))
    return handle


def refuse(sentence: str) -> None:
    """Raise what is wrong with `ELT_ADBC_DRIVER`, if anything is.

    Raises:
        SettingsError: something is.

    """
    if sentence:
        raise SettingsError(f"ELT_ADBC_DRIVER: {sentence}.")


def wrong_with(named: str) -> str:
    """Load a driver without an address; return why it cannot be used, empty if it can."""
    if is_path(named) and not Path(named).is_file():
        return f"there is no file {named}; name the library of ADBC's PostgreSQL driver, {WITHOUT}"
    try:
        AdbcDatabase(driver=named).close()
    except dbapi.Error as error:
        told = str(error)
        if "[Driver Manager]" in told:
            return _unloaded(named, told)
        if "[libpq]" in told:  # which misses the address
            return ""
    return f"{named} is a driver, but not ADBC's for PostgreSQL; name that one, {WITHOUT}"


def is_path(named: str) -> bool:
    """Tell whether a driver is named by its file; otherwise the driver manager looks for it."""
    return "/" in named or "\\" in named


def _unloaded(named: str, told: str) -> str:
    """Say why the driver manager could not load a driver."""
    if "dlsym" in told:
        return f"{named} is a library, but no ADBC driver; name one, {WITHOUT}"
    if "manifest" in told.partition("\n")[0].lower():
        return f"the manifest of {named} cannot be used; mend it, {WITHOUT}"
    if not is_path(named):
        return (
            f"the driver manager finds no driver {named}, or not the library in its manifest;"
            f" it looks in {', '.join(SEARCHED)}; install it there, {WITHOUT}"
        )
    reason = re.search(r"dlopen\(\) failed: (?:.*?: )?(.+)", told)
    why = f" ({reason[1]})" if reason else ""
    return f"{named} is no library that can be loaded{why}; name another one, {WITHOUT}"


def _version(named: str, handle: dbapi.Connection) -> str:
    """Return the version of a driver: its own word, or that in the name of its file."""
    own = str(handle.adbc_get_info().get("driver_version", "unknown"))
    in_name = re.search(r"\.so\.(\d)(\d\d)\.(\d+)", Path(named).resolve().name)
    return ".".join(in_name.groups()) if own == "unknown" and in_name else own


LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 - the source has no zone
# For each type that rows are copied into: a value, and how PostgreSQL writes it.
PROOF: Final[tuple[tuple[str, Any, str], ...]] = (
    ("smallint", -32_768, "-32768"),
    ("integer", -(2**31), "-2147483648"),
    ("bigint", 2**63 - 1, "9223372036854775807"),
    ("real", 1.1, "1.1"),
    ("double precision", 0.1 + 0.2, "0.30000000000000004"),
    ("double precision", -5e-324, "-5e-324"),
    ("numeric(18,3)", Decimal("-100000010000.010"), "-100000010000.010"),
    ("numeric(20,4)", Decimal("200000000.0000"), "200000000.0000"),
    ("numeric(38,10)", Decimal("0.0000000001"), "0.0000000001"),
    ("numeric(65,30)", Decimal("9" * 35 + ".5" + "0" * 29), "9" * 35 + ".5" + "0" * 29),
    ("date", date(1, 1, 1), "0001-01-01"),
    ("timestamp", LAST, "9999-12-31 23:59:59.999999"),
    ("timestamptz", LAST.replace(year=1969, tzinfo=UTC), "1969-12-31 23:59:59.999999+00"),
    ("interval", timedelta(hours=-838, microseconds=-1), "-838:00:00.000001"),
    ("text", "ñ 漢 😀", "ñ 漢 😀"),
    ("bytea", bytes((0, 127, 255)), "\\x007fff"),
)  # fmt: skip


def prove(connection: Connection) -> None:
    """Check that a driver that the user names writes values as they are, and NULL and nothing too.

    The installed one is held by our tests.

    Raises:
        SettingsError: it does not.

    """
    fields = [Field(f"c{number}", kind) for number, (kind, *_) in enumerate(PROOF)]
    columns = ", ".join(f"{quote(field.name)} {field.type}" for field in fields)
    connection.run("proving the driver", f"CREATE TEMPORARY TABLE elt_proof ({columns})")
    arrow = schema(fields)
    page = pa.table(
        [
            pa.array([value, None], kind)
            for (_, value, _), kind in zip(PROOF, arrow.types, strict=True)
        ],
        schema=arrow,
    )
    try:
        connection.copy("proving the driver", Place("", "elt_proof"), fields, page)
    except DatabaseFault as fault:
        if fault.code in GONE:
            raise
        refuse(_wrong(connection, sorted({kind for kind, *_ in PROOF})))
    texts = ", ".join(f"{quote(field.name)}::text" for field in fields)
    asking = f"SELECT {texts} FROM elt_proof ORDER BY c0"
    written, empty = connection.rows("proving the driver", asking)
    wrong = sorted(
        {
            kind
            for (kind, _, text), found, nothing in zip(PROOF, written, empty, strict=True)
            if (found, nothing) != (text, None)
        }
    )
    if wrong:
        refuse(_wrong(connection, wrong))


def _wrong(connection: Connection, kinds: Sequence[str]) -> str:
    return (
        f"{connection.warehouse.adbc_driver} does not write values as they are"
        f" ({', '.join(kinds)}); build it from version 1.13 or newer, {WITHOUT}"
    )
