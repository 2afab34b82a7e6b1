"""The values that travel between the parts: what a table is, what is known of it, what happened to
it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from transfer.values.reasons import HopName, Method, State


@dataclass(frozen=True, slots=True)
class Column:
    """A column as `information_schema` describes it; `type` is COLUMN_TYPE without server comments.

    `octets` is the most that a text or binary value can have.
    """

    name: str
    type: str
    kind: str
    nullable: bool = True
    charset: str | None = None
    generated: bool = False
    precision: int | None = None
    scale: int | None = None
    octets: int | None = None

    @property
    def unsigned(self) -> bool:
        """True for an unsigned number."""
        return "unsigned" in self.type


@dataclass(frozen=True, slots=True)
class Table:
    """A table's structure; `key` is its primary key in order, empty without one.

    `versioned` if MariaDB keeps its history, `prefixed` if the key's index has only the beginnings
    of a column. The server sets the columns `stamps` to the time of a row's last change. Without
    `signed_zeros` a server, the source's or the replica's, takes -0 for 0, and so do the hashes of
    rows. `definition_digest` covers the rest of its definition, such as
    defaults and comments: their change leaves no trace in a MyISAM table's times.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    versioned: bool = False
    prefixed: bool = False
    stamps: tuple[str, ...] = ()
    signed_zeros: bool = True
    definition_digest: str = ""

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The primary key's columns in the key's order."""
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in self.key)

    @property
    def stamp_columns(self) -> tuple[Column, ...]:
        """The columns that tell when a row was last changed."""
        return tuple(column for column in self.columns if column.name in self.stamps)

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that can be written, generated ones left out."""
        return tuple(column for column in self.columns if not column.generated)

    @property
    def fingerprint(self) -> str:
        """A digest of the structure: equal for equal columns and key."""
        columns = [repr(column) for column in self.columns]
        return digest(self.name, *columns, repr(self.key), self.versioned, self.definition_digest)


def digest(*parts: object) -> str:
    """Return a short stable digest of texts and numbers."""
    return hashlib.sha256("\x00".join(map(str, parts)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What `information_schema` says of a table's state; times are the server's, in UTC. `rows` is
    None if estimated.
    """

    identity: str
    engine: str
    fingerprint: str
    created: datetime | None
    updated: datetime | None
    auto_increment: int | None
    rows: int | None

    @property
    def watermark(self) -> str:
        """A digest that changes when the table changes, as far as the server tells."""
        return digest(
            self.identity,
            self.engine,
            self.fingerprint,
            self.created,
            self.updated,
            self.auto_increment,
            self.rows,
        )

    @property
    def shown(self) -> str:
        """What decides whether the table must be read again, for people to read."""
        written = (
            f"written {self.updated:%Y-%m-%d %H:%M:%S}"
            if self.updated
            else "time of the last write unknown"
        )
        rows = [] if self.rows is None else [f"{self.rows} rows"]
        key = [] if self.auto_increment is None else [f"next key {self.auto_increment}"]
        return ", ".join([written, *rows, *key])

    @property
    def tells_of_writes(self) -> bool:
        """True when every write leaves a trace here."""
        return self.updated is not None


@dataclass(frozen=True, slots=True)
class Size:
    """A table's size as the server tells it, 0 where it does not; `exact` if it was counted."""

    rows: int
    bytes: int
    exact: bool

    @property
    def row_bytes(self) -> int:
        """The bytes of a row on the average."""
        return self.bytes // max(self.rows, 1)


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table of the source with its state and the size that `information_schema` estimates."""

    table: Table
    evidence: Evidence
    estimated_rows: int
    estimated_bytes: int

    @property
    def size(self) -> Size:
        """The size of its rows."""
        return Size(self.estimated_rows, self.estimated_bytes, exact=self.evidence.rows is not None)


@dataclass(frozen=True, slots=True)
class Totals:
    """What a server counts of a table: its rows, each column's values that are not NULL, and exact
    sums of its numbers.

    A sum is None for a column that has none; `unmapped` are texts with characters that Unicode has
    not.
    """

    rows: int
    values: tuple[int, ...]
    sums: tuple[Decimal | None, ...]
    unmapped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AlteredValue:
    """The place of a value that `raw` holds altered: its row's key, its column, and how."""

    key: tuple[int, ...]
    column: str
    kind: str


@dataclass(frozen=True, slots=True)
class Extracted:
    """The newest complete extract of a table, as the replica recorded it, and what the replica
    holds now.

    `changed_id` is the newest one that changed a row; `read_from` the source's clock (UTC) when its
    read began.
    """

    id: int
    changed_id: int
    run_id: str
    evidence: Evidence
    clean: bool
    rows: int
    replica_created: datetime | None
    replica_created_now: datetime | None
    replica_engine: str
    replica_rows_now: int | None
    read_from: datetime | None = None

    @property
    def intact(self) -> bool:
        """True while the replica's table is the one that was recorded and has its rows."""
        return (
            self.replica_created_now == self.replica_created and self.replica_rows_now == self.rows
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table's position in PostgreSQL as recorded there, and what `raw` and `public` hold now.

    `rows` are those that `raw` was given. The days are those since it was loaded first and since
    it was verified, None if it never was; `verify_seconds` is what that took. `marks` are those of
    its two tables, as far as they were counted just now.
    """

    fence: int = 0
    generation: str = ""
    extract_id: int = 0
    load_id: int = 0
    standardized_id: int = 0
    rules: str = ""
    public_id: int = 0
    raw_name: str = ""
    raw_intact: bool = False
    public_intact: bool = False
    extract_run: str = ""
    rows: int = 0
    loaded_days: float = 0.0
    verified_days: float | None = None
    verify_seconds: float | None = None
    marks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a table stands in the replica and in PostgreSQL; `generation` names the copy that the
    replica is.
    """

    generation: str
    extracted: Extracted | None
    loaded: Loaded | None


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What a run is to do with a table and why; small, frozen and free of values, so that Prefect
    may store it.

    `reason` is why there is work, `because` why its source is read so. `verify` is why it is to be
    verified, empty if it is not, and `verify_seconds` what that is expected to take;
    `estimated_seconds`, of all its work, are known when somebody asks for them. It is `quiet` where
    nobody waits for the source.
    """

    table: str
    method: Method
    reason: str
    hops: tuple[HopName, ...]
    because: str = ""
    estimated_rows: int = 0
    estimated_bytes: int = 0
    keyed: bool = True
    forced: bool = False
    verify: str = ""
    verify_seconds: float = 0.0
    estimated_seconds: float = 0.0
    version: str | None = None
    accept_shrink: bool = False
    quiet: bool = False
    proof: str | None = None

    @property
    def has_work(self) -> bool:
        """True when a hop has something to do, or the table is to be verified."""
        return bool(self.hops or self.verify)


@dataclass(frozen=True, slots=True)
class Hop:
    """What one hop did: rows, and bytes of Arrow, read from its origin, and rows changed in its
    target.

    `replaced` if the target was exchanged as a whole: then all rows that were read are inserted
    ones.
    """

    name: HopName
    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    seconds: float = 0.0
    replaced: bool = False
    bytes: int = 0

    @property
    def changed(self) -> int:
        """Rows that differ from before."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class Finding:
    """Rows that a verification found changed, missing or extra in a place; `column` is empty for
    whole rows.
    """

    place: str
    kind: str
    column: str
    count: int

    def __str__(self) -> str:
        """Say it without a value."""
        where = f"{self.place}, column {self.column}" if self.column else self.place
        return f"{self.count:,} {self.kind} in {where}"


@dataclass(frozen=True, slots=True)
class TableResult:
    """The verdict of one table in one run; the watermarks are the source's evidence of the reads
    before and after it.
    """

    table: str
    method: Method
    reason: str
    state: State
    hops: tuple[Hop, ...] = ()
    rows: int = 0
    clean: bool = True
    altered: dict[str, dict[str, int]] = field(default_factory=dict)
    found: tuple[Finding, ...] = ()
    verified: bool = False
    note: str = ""
    error: str = ""
    seconds: float = 0.0
    watermark_before: str = ""
    watermark_after: str = ""

    @property
    def changed(self) -> int:
        """Rows changed in the replica, or, where extract had nothing to do, in the last hop that
        did.
        """
        return next((hop.changed for hop in self.hops if hop.changed), 0)

    @property
    def sentence(self) -> str:
        """The verdict for a log; counts only."""
        if self.state in {State.FAILED, State.VANISHED}:
            return f"{self.table}: {self.state}: {self.note}"
        hops = "; ".join(
            f"{hop.name} {hop.read:,} rows (+{hop.inserted:,} ~{hop.updated:,} -{hop.deleted:,}) in"
            f" {hop.seconds:.2f} s"
            for hop in self.hops
        )
        counted = "; ".join(
            f"{column}: {count:,} with {kind.replace('_', ' ')}"
            for column, kinds in self.altered.items()
            for kind, count in kinds.items()
        )
        verified = "; verified" if self.verified else ""
        if self.found:
            verified = f"; VERIFICATION FOUND AND REPAIRED {', '.join(map(str, self.found))}"
        note = f"; {self.note}" if self.note else ""
        unclean = "" if self.clean else "; not proven unwritten meanwhile, the next run looks again"
        return f"{self.table}: {hops or 'nothing to do'}{verified}{note}{unclean}" + (
            f"; not held: {counted}" if counted else ""
        )

    @property
    def good(self) -> bool:
        """False when the table is red, or was until a verification repaired it."""
        return self.state not in {State.FAILED, State.REPAIRED}
