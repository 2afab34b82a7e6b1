"""The graph that Prefect draws of a run: from the survey to the tables, from them to the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import State, allow_failure
from prefect.client.schemas.objects import RunInput, TaskRunResult
from prefect.futures import PrefectFuture
from prefect.utilities.annotations import quote

Arrows = dict[str, set[RunInput]]


def untracked(**parameters: object) -> dict[str, Any]:
    """Keep Prefect from looking in a task's parameters for what other tasks have returned.

    A string that two tables share would be an arrow between their tasks. To look through every
    table's plan for each table takes the longer the more there are.
    """
    return {name: quote(value) for name, value in parameters.items()}


def arrow_from(state: State[Any], parameter: str) -> Arrows:
    """Return what draws the arrow from a task that has ended to one with this parameter."""
    number = state.state_details.task_run_id
    return {parameter: {TaskRunResult(id=number)}} if number else {}


def ended(tasks: Sequence[PrefectFuture[Any]]) -> allow_failure:
    """Return the tasks for which a flow waits though they are red; one that crashed has no end."""
    return allow_failure(
        [task for task in tasks if task.state.is_completed() or task.state.is_failed()]
    )
