"""Why a table has work, how it is read and how it ended; each value is what people read."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a hop has work."""

    FORCED = "forced"

    NEVER_LOADED = "never loaded"
    OTHER_SOURCE = "another source server or database"
    OTHER_COLUMNS = "columns or key changed"
    OTHER_ENGINE = "its engine changed"
    REPLICA_DAMAGED = "the replica's table was lost, replaced or lacks rows"
    WRITES_UNTOLD = "the server does not tell when it was last written"
    UNCLEAN = "written while it was last read"
    WRITTEN = "written since"
    OTHER_ROW_COUNT = "another number of rows"
    RECREATED = "recreated"
    COUNTER_MOVED = "AUTO_INCREMENT moved"
    DRIFTED = "verification found other rows than the source has"

    NOT_IN_RAW = "not yet in raw"
    OTHER_REPLICA = "another replica than the one raw was loaded from"
    RAW_AHEAD = "raw was loaded from a later extract than the replica has"
    OTHER_EXTRACT = "raw was loaded from another extract than the replica has"
    RAW_BEHIND = "the last run stopped before raw"
    RAW_ROW_COUNT = "raw has another number of rows than the replica"
    RAW_DAMAGED = "raw was lost, replaced or lacks rows"

    NOT_IN_PUBLIC = "not yet in public"
    OTHER_RULES = "the rules or the user's SQL changed"
    PUBLIC_BEHIND = "the last run stopped before public"
    PUBLIC_DAMAGED = "public was lost, replaced or lacks rows"

    @property
    def is_damage(self) -> bool:
        """True for damage to a target that a run notices without a verification."""
        return self in {Reason.REPLICA_DAMAGED, Reason.RAW_DAMAGED, Reason.PUBLIC_DAMAGED}


def is_damage(reason: Reason | None) -> bool:
    """Tell whether a hop's work, if it has any, repairs damage to its target."""
    return reason is None or reason.is_damage


class Method(StrEnum):
    """What is done with a table: how its source is read, or what else there is to do."""

    RELOAD = "reload"
    INCREMENTAL = "incremental"
    COMPARE = "compare"
    RESUME = "resume"
    VERIFY = "verify"
    SKIP = "skip"


READING_METHODS = (Method.RELOAD, Method.INCREMENTAL, Method.COMPARE)


class HopName(StrEnum):
    """A hop of a table's journey."""

    EXTRACT = "extract"
    LOAD = "load"
    STANDARDIZE = "standardize"


class State(StrEnum):
    """How a table stands at the end of a run."""

    FAILED = "failed"
    VANISHED = "vanished"
    REPAIRED = "repaired"
    SYNCED = "synced"
    VERIFIED = "verified"
    UNCHANGED = "unchanged"


def first_that_holds(reasons: dict[Reason, bool]) -> Reason | None:
    """Return the first reason that holds."""
    return next((reason for reason, holds in reasons.items() if holds), None)
