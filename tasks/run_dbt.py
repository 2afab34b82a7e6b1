"""Runs dbt inside this process, and keeps to itself what dbt would write or say about rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks import dbt_project
from tasks.dbt_environment import environment, prove
from tasks.dbt_messages import reason_of
from tasks.models import BuildFailed, ModelsPlan, ModelsResult
from transfer.postgres import opening
from transfer.running.stopping import stoppable
from transfer.settings import Settings

# Tests of what follows from the models' SQL: the keys of views (those of base tables and marts are
# PostgreSQL's own), the words that it gives a column, and that models keep what others have. They
# run with the whole project, so whenever the SQL has changed.
OF_THE_MODELS = ("test_name:primary_key", "test_name:accepted_values", "path:tests/models")
VIEWS = "config.materialized:view"
# A database's message may quote a row. dbt would print it, and write it to dbt.log and to
# run_results.json.
QUIET = (
    "--quiet",
    "--log-level",
    "none",
    "--log-level-file",
    "none",
    "--no-write-json",
    "--no-use-colors",
)


def run_dbt(settings: Settings, planned: ModelsPlan, build: int) -> list[Any]:
    """Run `dbt build` over what is planned; return dbt's result of each node.

    Raises:
        BuildFailed: the project does not parse.
        ChannelFault: the sessions of dbt's driver are not as they must be.

    """
    told = {"ELT_CHANGES": _changes(planned), "ELT_BUILD": str(build)}
    with (
        environment(settings.warehouse, settings.limits, **told),
        stoppable(_cancel),
        opening.others_watched(settings.warehouse, "building the models", "dbt"),
    ):
        prove(settings.warehouse)
        # They take 3 s, only where there is something to build.
        from dbt.artifacts.schemas.run import RunExecutionResult
        from dbt.cli.main import dbtRunner

        outcome = dbtRunner().invoke(["build", *_options(), *QUIET, *_selection(planned)])
    error = outcome.exception
    if error and not isinstance(error, Exception):  # Ctrl-C, which dbt keeps to itself
        raise error
    if not isinstance(outcome.result, RunExecutionResult):
        why = f"the project itself: {reason_of(str(error))} (`make dbt ARGS=build` says more)"
        raise BuildFailed(ModelsResult(planned.reason, failed=(why,)))
    return list(outcome.result.results)


def _changes(planned: ModelsPlan) -> str:
    """Return what the project's macros are told: whether a model may be made of changed rows."""
    if planned.whole or planned.new:
        return ""
    return "on a new day" if planned.new_day else "known"


def _options() -> list[str]:
    project, target = str(dbt_project.PROJECT), str(dbt_project.TARGET)
    # Unit tests test the models' SQL on given rows, which `make test` does.
    leaving_out = ["--exclude-resource-type", "unit_test", "--exclude-resource-type", "exposure"]
    # A test descends from what it tests, so it need not be looked for.
    leaving_out += ["--indirect-selection", "empty"]
    where = ["--project-dir", project, "--profiles-dir", project]
    return [*leaving_out, *where, "--target-path", target, "--log-path", target]


def _selection(planned: ModelsPlan) -> list[str]:
    selected = [] if planned.whole else ["--select", *_selected(planned)]
    standing = [] if planned.whole or planned.new else [VIEWS]
    waiting, of_models = _descendants(planned.missing), [] if planned.whole else OF_THE_MODELS
    left_out = [*standing, *waiting, *of_models]
    return [*selected, *(["--exclude", *left_out] if left_out else [])]


def _selected(planned: ModelsPlan) -> list[str]:
    of_the_day = ["int_as_of_date+"] if planned.new_day else []
    return [*_descendants(planned.changed), *of_the_day]


def _descendants(names: Sequence[str]) -> list[str]:
    return [f"source:opendental.{name}+" for name in names]


def _cancel() -> None:
    """Cancel dbt's statements from another thread."""
    from dbt.adapters.factory import get_adapter_by_type

    adapter = get_adapter_by_type("postgres")  # type: ignore[no-untyped-call]
    with adapter.connection_named("stopping"):
        adapter.cancel_open_connections()
