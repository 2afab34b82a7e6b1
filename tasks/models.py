"""What a build of the models is to do and what it did: values that Prefect may store."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.errors import EltError


@dataclass(frozen=True, slots=True)
class ModelsPlan:
    """What is to be built and why, and the state this leads to.

    That is all models when `whole`, else the descendants of the base tables that `changed`, and on
    a `new_day` those of the day's date. Views of base tables stand unless one is `new`. What reads
    a base table that is `missing`, as after a first run with --table, waits for it. `numbers` are
    those of the base tables that models read, `before` those of the last good build, `standing`
    those of all base tables.
    """

    reason: str
    whole: bool
    changed: tuple[str, ...]
    new: tuple[str, ...]
    new_day: bool
    project: str
    numbers: dict[str, int]
    standing: dict[str, int]
    before: dict[str, int]
    proof: str | None
    missing: tuple[str, ...] = ()

    @property
    def has_work(self) -> bool:
        """True when a model is out of date."""
        return bool(self.reason)

    @property
    def brief(self) -> ModelsBrief:
        """What Prefect is told of it."""
        return ModelsBrief(self.reason, self.proof)


@dataclass(frozen=True, slots=True)
class ModelsBrief:
    """Why models are to be built, and the digest that proves the same build; None without one."""

    reason: str
    proof: str | None


@dataclass(frozen=True, slots=True)
class NodeRun:
    """A model or test that dbt ran: its kind, how it ended in dbt's word, and its seconds."""

    name: str
    kind: str
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ModelsResult:
    """The verdict of one build: its nodes by outcome, and the base tables that it lacked.

    Of the nodes that failed or warned it tells which and why. `nodes` are the slowest first.
    """

    reason: str
    passed: int = 0
    warned: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: int = 0
    seconds: float = 0.0
    missing: tuple[str, ...] = ()
    nodes: tuple[NodeRun, ...] = ()

    @property
    def good(self) -> bool:
        """False when a model or test failed."""
        return not self.failed

    @property
    def sentence(self) -> str:
        """The build in one line."""
        return (
            f"{self.passed} passed, {len(self.warned)} warned, {len(self.failed)} failed,"
            f" {self.skipped} skipped in {self.seconds:.1f} s"
        )

    @property
    def waiting(self) -> str:
        """What was not built for want of base tables, in one line."""
        return f"models wait for base tables that are not there: {', '.join(self.missing)}"


class BuildFailed(EltError):
    """A model or test is red, or dbt could not even begin; `result` tells which."""

    def __init__(self, result: ModelsResult) -> None:
        """Keep the verdict and say it in one line."""
        super().__init__(f"dbt failed: {', '.join(result.failed[:10])}")
        self.result = result
