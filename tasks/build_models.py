"""Runs dbt over what changed, inside this process, keeping what dbt would write or say about rows to itself."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

import yaml
from prefect import task

from tasks import files
from tasks.caching import proven_key
from transfer.drivers.postgres_sessions import POOLER, postgres_proof, startup, unlike
from transfer.drivers.sessions import DOUBLE, MOMENT, TEXT
from transfer.errors import DatabaseFault, EltError
from transfer.postgres import client as postgres
from transfer.running.stopping import stoppable
from transfer.settings import ROOT, Limits, Settings, Warehouse, settings
from transfer.values.table import digest
from transfer.warehouse import positions
from transfer.warehouse.positions import Built

log = logging.getLogger("elt")

PROJECT = ROOT / "dbt"
TARGET = ROOT / ".local" / "dbt"
# Tests of what follows from the models' SQL, which runs with the whole project, so whenever that has changed: the keys of
# views (those of base tables and marts are PostgreSQL's own), and that models keep what others have.
OF_THE_MODELS = ("test_name:primary_key", "path:tests/models")

# What dbt says of a failed node, which may quote a row, and our words for it; the first match wins. PostgreSQL's own sentence
# begins a line, so that a value which is quoted further on decides nothing.
REASONS = (
    (r"^Got 1 result, configured to (fail|warn)", "1 row fails"),
    (r"^Got (\d+) results, configured to (fail|warn)", r"\1 rows fail"),
    (r"^Compilation Error", "it does not compile"),
    (r"^Parsing Error", "it does not parse"),
    (r"(?m)^\s*column .+ does not exist", "a column that it reads does not exist"),
    (r"(?m)^\s*(relation|schema) .+ does not exist", "a table that it reads does not exist"),
    (
        r"(?m)^\s*(function|operator|type) .+ does not exist",
        "a function or type that it uses does not exist",
    ),
    (r"(?m)^\s*syntax error at", "its SQL has a syntax error"),
    (r"(?m)^\s*(permission denied|must be owner)", "the warehouse's user lacks a privilege"),
    (r"(?m)^\s*division by zero", "it divides by zero"),
    (
        r"(?m)^\s*invalid (input syntax|value)",
        "a value cannot be read as the type that it is cast to",
    ),
    (r"(?m)^\s*(numeric field overflow|.*out of range)", "a value is out of its type's range"),
    (r"(?m)^\s*(duplicate key|could not create unique index)", "a unique key would be doubled"),
    (r"(?m)^\s*deadlock detected", "a deadlock was resolved against it"),
    (
        r"(?m)^\s*(canceling statement due to lock timeout|could not obtain lock)",
        "a lock was held too long by somebody else",
    ),
    (r"(?m)^\s*canceling statement", "it was cancelled"),
    (
        r"(?m)^\s*cannot drop .+ because other objects depend on it",
        "other objects depend on what it replaces",
    ),
    (
        r"(?m)^\s*(terminating connection|server closed the connection|connection to server)",
        "the connection was lost",
    ),
    (r"(?m)^\s*could not (extend|write) ", "the warehouse's disk is full"),
    (r"^Database Error", "refused by PostgreSQL"),
)


@dataclass(frozen=True, slots=True)
class ModelsPlan:
    """Which base tables' descendants are to be built (all models when `whole`), why, and the state this leads to.

    On a new day so are those of the day's date. Views of base tables stand unless one is `new`. What reads a base table
    that is `missing`, as after a first run with --table, waits for it.
    """

    reason: str
    whole: bool
    changed: tuple[str, ...]
    new: tuple[str, ...]
    new_day: bool
    project: str
    numbers: dict[str, int]
    proof: str | None
    missing: tuple[str, ...] = ()

    @property
    def has_work(self) -> bool:
        """True when a model is out of date."""
        return bool(self.reason)


@dataclass(frozen=True, slots=True)
class ModelsResult:
    """The verdict of one build: nodes by outcome, which of them failed or warned and why, and the base tables that it lacked."""

    reason: str
    passed: int = 0
    warned: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: int = 0
    seconds: float = 0.0
    missing: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """False when a model or test failed."""
        return not self.failed

    @property
    def sentence(self) -> str:
        """The build in one line."""
        counts = f"{self.passed} passed, {len(self.warned)} warned, {len(self.failed)} failed, {self.skipped} skipped"
        return f"{counts} in {self.seconds:.1f} s"

    @property
    def waiting(self) -> str:
        """What was not built for want of base tables, in one line."""
        return f"models wait for base tables that are not there: {', '.join(self.missing)}"


class BuildFailed(EltError):
    """Some model or test is red, or dbt could not even begin; `result` tells which."""

    def __init__(self, result: ModelsResult) -> None:
        """Keep the verdict and say it in one line."""
        super().__init__(f"dbt failed: {', '.join(result.failed[:10])}")
        self.result = result


def project_hash(time_zone: str) -> str:
    """Return a digest of the project's files and of the time zone, which a view's SQL has in it."""
    left_out = {"target", "logs", "dbt_packages"}
    files = sorted(
        path
        for path in PROJECT.rglob("*")
        if path.is_file()
        and not left_out & set(path.relative_to(PROJECT).parts)
        and not path.name.startswith(".")
    )
    return digest(
        time_zone,
        *(f"{path.relative_to(PROJECT)}\x00{digest(path.read_bytes())}" for path in files),
    )


def sources() -> frozenset[str]:
    """Return the base tables that the project declares as sources.

    Raises:
        BuildFailed: a file of the project cannot be read.

    """
    declared: set[str] = set()
    for path in (PROJECT / "models").rglob("*.yml"):
        try:
            for group in files.described(path).get("sources", []):
                declared |= {str(table["name"]) for table in group.get("tables", [])}
        except (yaml.YAMLError, OSError, AttributeError, KeyError, TypeError):
            raise BuildFailed(
                ModelsResult("", failed=(f"{path.relative_to(ROOT)}, which cannot be read",))
            ) from None
    return frozenset(declared)


def plan(settings: Settings) -> ModelsPlan:
    """Decide what to build: the descendants of what changed since the last good build, or everything."""
    numbers, project = (
        positions.base_tables(settings.warehouse),
        project_hash(settings.limits.time_zone),
    )
    built = positions.last_build(settings.warehouse, settings.limits.time_zone)
    declared = sources()
    numbers = {name: number for name, number in numbers.items() if name in declared}
    if not numbers:
        return ModelsPlan("", False, (), (), False, project, numbers, None)
    whole = why_whole(project, built)
    changed = tuple(
        sorted(
            name
            for name, number in numbers.items()
            if built is None or built.positions.get(name) != number
        )
    )
    new_day = built is not None and built.before_today
    told = [f"{len(changed)} base tables changed"] * bool(changed) + ["a new day"] * new_day
    # The proof is of an unchanged day: what a day's build made is no answer for the next day's.
    proof = (
        digest(project, sorted(numbers.items()))
        if built is None or (built.complete and not new_day)
        else None
    )
    return ModelsPlan(
        reason=whole or ", ".join(told),
        whole=bool(whole),
        changed=changed,
        new=tuple(name for name in changed if built is None or name not in built.positions),
        new_day=new_day,
        project=project,
        numbers=numbers,
        proof=proof,
        missing=tuple(sorted(declared - set(numbers))),
    )


def why_whole(project: str, built: Built | None) -> str:
    """Return why all models must be built, empty when what the last good build made still stands."""
    if built is None:
        return "never built"
    if built.project != project or built.overtaken:
        return "the dbt project or its variables changed"
    return "" if built.complete else "a model's relation is missing"


@task(
    name="build_models",
    cache_key_fn=proven_key,
    cache_expiration=timedelta(days=1),
    persist_result=True,
    refresh_cache=False,
    retries=0,
)
def build_models(plan: ModelsPlan, run_id: str) -> ModelsResult:
    """Build and test the models that the plan names, and what changed since it was made."""
    log.info("dbt: %s", plan.reason)
    return build(settings(), run_id)


def build(settings: Settings, run_id: str) -> ModelsResult:
    """Run `dbt build` and write down its outcome; a failed build leaves its work to the next run.

    Raises:
        BuildFailed: a model or test is red, or the project does not parse.

    """
    started = monotonic()
    with positions.one_builder(settings.warehouse, settings.limits):
        planned = plan(settings)
        if not planned.has_work:
            return ModelsResult("built by another run meanwhile")
        begun = positions.note_begun(settings.warehouse, run_id, planned.project)
        nodes = _invoke(settings, planned)
        result = _result(planned, nodes, monotonic() - started)
        positions.note_built(
            settings.warehouse,
            begun,
            good=result.good,
            numbers=planned.numbers,
            relations=[name for name in map(_relation, nodes) if name],
            selected=len(nodes),
            seconds=result.seconds,
        )
    log.info("dbt: %s", result.sentence)
    for each in result.warned:
        log.warning("dbt warns: %s", each)
    if result.missing:
        log.warning("dbt: %s", result.waiting)
    if not result.good:
        raise BuildFailed(result)
    return result


def _invoke(settings: Settings, planned: ModelsPlan) -> list[Any]:
    selection = [] if planned.whole else ["--select", *_selected(planned)]
    left_out = [*_descendants(planned.missing), *([] if planned.whole else OF_THE_MODELS)]
    selection += ["--exclude", *left_out] if left_out else []
    # A database's message, which dbt would print and write to run_results.json and dbt.log, may quote a row.
    quiet = [
        "--quiet",
        "--log-level",
        "none",
        "--log-level-file",
        "none",
        "--no-write-json",
        "--no-use-colors",
    ]
    with (
        environment(settings.warehouse, settings.limits),
        stoppable(_cancel),
        postgres.others_watched(settings.warehouse, "building the models", "dbt"),
    ):
        _prove(settings.warehouse)
        from dbt.artifacts.schemas.run import (
            RunExecutionResult,
        )  # 3 s, only where there is something to build
        from dbt.cli.main import dbtRunner

        outcome = dbtRunner().invoke(
            [
                "build",
                # They test the models' SQL on given rows, which `make test` does.
                "--exclude-resource-type",
                "unit_test",
                "--project-dir",
                str(PROJECT),
                "--profiles-dir",
                str(PROJECT),
                "--target-path",
                str(TARGET),
                "--log-path",
                str(TARGET),
                *quiet,
                *selection,
            ]
        )
    if outcome.exception and not isinstance(
        outcome.exception, Exception
    ):  # Ctrl-C, which dbt keeps to itself
        raise outcome.exception
    if not isinstance(outcome.result, RunExecutionResult):
        why = f"the project itself: {reason_of(str(outcome.exception))} (`make dbt ARGS=build` says more)"
        raise BuildFailed(ModelsResult(planned.reason, failed=(why,)))
    return list(outcome.result.results)


# dbt waits for locks as long as they are held, as it does by PostgreSQL's default.
DBTS_OWN = {"lock_timeout": "0"}


def _prove(warehouse: Warehouse) -> None:
    """See that the sessions of dbt's driver are ours, that values come through them as they are, and to whom they lead.

    A pooler gives every client a number of its own for the server's process.

    Raises:
        ChannelFault: something of it is not so.

    """
    import psycopg2

    login: dict[str, Any] = {
        "host": warehouse.host,
        "port": warehouse.port,
        "connect_timeout": warehouse.connect_seconds,
    }
    login |= {
        "user": warehouse.user,
        "password": warehouse.password.get_secret_value(),
        "dbname": warehouse.db,
    }
    tls = (
        {"sslmode": "verify-full", "sslrootcert": warehouse.tls_ca or "system"}
        if warehouse.verified_tls
        else {}
    )
    query = postgres_proof(DBTS_OWN, ("%s::text", "%s", "%s::timestamp"))
    try:
        with (
            closing(psycopg2.connect(**login, **(tls or OFF))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                f"SELECT pg_backend_pid(), proof.* FROM ({query}) AS proof", (TEXT, DOUBLE, MOMENT)
            )
            ((process, *found),) = cursor.fetchall()
            pooled = process != connection.info.backend_pid
    except psycopg2.Error as error:
        raise DatabaseFault("warehouse", "opening a session for dbt", error.pgcode or "") from None
    postgres.refuse(
        f"{warehouse.host}:{warehouse.port}", POOLER if pooled else unlike(found, DBTS_OWN)
    )


OFF = {"sslmode": "disable"}


def _cancel() -> None:
    """Cancel dbt's statements from another thread."""
    from dbt.adapters.factory import get_adapter_by_type

    adapter = get_adapter_by_type("postgres")  # type: ignore[no-untyped-call]
    with adapter.connection_named("stopping"):
        adapter.cancel_open_connections()


def _selected(planned: ModelsPlan) -> list[str]:
    chosen = [*_descendants(planned.changed), *(["int_as_of_date+"] if planned.new_day else [])]
    # dbt replaces a table together with the views that read it.
    kinds = ("config.materialized:table+", "resource_type:test")
    return chosen if planned.new else [f"{each},{kind}" for each in chosen for kind in kinds]


def _descendants(names: Sequence[str]) -> list[str]:
    return [f"source:opendental.{name}+" for name in names]


@contextmanager
def environment(warehouse: Warehouse, limits: Limits, **more: str) -> Iterator[None]:
    """Give dbt's profiles.yml the warehouse's address for the time of a build, and dbt what else is set and nothing more.

    Of dbt's variables in the environment, some change what is built without a word; DBT_ENV_… are the models' own.
    """
    values = {
        "HOST": warehouse.host,
        "PORT": str(warehouse.port),
        "DB": warehouse.db,
        "BASE_SCHEMA": warehouse.base_schema,
        "USER": warehouse.user,
        "PASSWORD": warehouse.password.get_secret_value(),
        "THREADS": str(limits.dbt_threads),
        "SSLMODE": "verify-full" if warehouse.verified_tls else "disable",
        "SSLROOTCERT": warehouse.tls_ca or "",
    }
    hidden = dict.fromkeys(name for name in os.environ if DBTS_VARIABLE.match(name))
    names: dict[str, str | None] = (
        hidden
        | {f"ANALYTICS_POSTGRES_{name}": value for name, value in values.items()}
        | {
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "PGOPTIONS": startup(DBTS_OWN, _known(warehouse)),
            "ELT_TIME_ZONE": limits.time_zone,
            **more,
        }
    )
    postgres.forget_libpqs_variables()
    before = {name: os.environ.get(name) for name in names}
    _set(names)
    try:
        yield
    finally:
        _set(before)


DBTS_VARIABLE = re.compile(r"DBT_(?!ENV_)")


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _known(warehouse: Warehouse) -> frozenset[str]:
    """Return which settings of newer servers this one knows; what is wrong with one that does not answer dbt says better."""
    with suppress(DatabaseFault), postgres.connect(warehouse) as connection:
        return postgres.known_settings(connection)
    return frozenset()


def _relation(node: Any) -> str:
    return (
        str(node.node.relation_name or "") if node.node.resource_type in ("model", "seed") else ""
    )


def _result(planned: ModelsPlan, nodes: list[Any], seconds: float) -> ModelsResult:
    count = Counter(str(node.status) for node in nodes)
    return ModelsResult(
        planned.reason,
        passed=count["pass"] + count["success"],
        warned=_told(nodes, "warn"),
        failed=_told(nodes, "error", "fail", "runtime error"),
        skipped=count["skipped"],
        seconds=seconds,
        missing=planned.missing,
    )


def _told(nodes: list[Any], *statuses: str) -> tuple[str, ...]:
    return tuple(
        f"{node.node.resource_type} {node.node.name}: {reason_of(node.message or '')}{_keys_in(node.node)}"
        for node in nodes
        if str(node.status) in statuses
    )


def _keys_in(node: Any) -> str:
    """Say where a test keeps the keys of what it found."""
    kept = node.resource_type == "test" and node.relation_name
    return f", their keys are in {node.schema}.{node.alias}" if kept else ""


def reason_of(message: str) -> str:
    """Say in our own words what dbt's message means: the message itself may quote a row and is not for showing."""
    matches = ((re.search(pattern, message), words) for pattern, words in REASONS)
    return next((found.expand(words) for found, words in matches if found), "dbt gives up on it")


def _note_build_by_hand(warehouse: Warehouse, limits: Limits, given: Sequence[str]) -> None:
    """Let the next run build everything if the models or their variables are others than it has."""
    if not {"build", "run", "seed"} & set(given):
        return
    has_variables = any(each.partition("=")[0] == "--vars" for each in given)
    project = "with variables given by hand" if has_variables else project_hash(limits.time_zone)
    # Without etl_dbt_status nothing was built yet; what is wrong with a server dbt says better.
    with suppress(DatabaseFault):
        positions.note_begun(warehouse, "by hand", project)


def main(given: Sequence[str]) -> int:
    """Run dbt by hand with the pipeline's own settings; its own words go to the user's terminal, and no further."""
    try:
        warehouse, limits = Warehouse.read(), Limits.read()
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    _note_build_by_hand(warehouse, limits, given)
    # Variables, as an option of that name in `given` wins over them, and not every command of dbt knows each option.
    with environment(
        warehouse,
        limits,
        DBT_PROJECT_DIR=str(PROJECT),
        DBT_PROFILES_DIR=str(PROJECT),
        DBT_TARGET_PATH=str(TARGET),
        DBT_LOG_PATH=str(TARGET),
        DBT_LOG_LEVEL_FILE="none",
        DBT_WRITE_JSON="false",
    ):
        from dbt.cli.main import cli  # 3 s

        return int(cli.main(list(given), prog_name="dbt"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
