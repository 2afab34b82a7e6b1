"""What dbt has built in the warehouse: a row of etl_dbt_status for each build."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep

from transfer.errors import TableBusy
from transfer.postgres.literals import Place
from transfer.postgres.pool import connect
from transfer.settings import Limits, Warehouse


@dataclass(frozen=True, slots=True)
class Built:
    """The last good build of the models, and whether its relations still stand.

    `positions` are the base tables that it was made from, each with its number.
    It is `overtaken` when a build of another project was begun since, which may have replaced its
    relations.
    """

    project: str
    positions: dict[str, int]
    before_today: bool
    complete: bool
    overtaken: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a build ended, from which base tables it was made, and which relations it made."""

    good: bool
    positions: Mapping[str, int]
    relations: Sequence[str]
    selected: int
    seconds: float


def last_build(warehouse: Warehouse, time_zone: str) -> Built | None:
    """Return the last good build, None before the first; the time zone tells when a day begins."""
    builds = _builds(warehouse)
    with connect(warehouse) as connection:
        found = connection.rows(
            "reading etl_dbt_status",
            "SELECT project_hash, positions, relations,"
            " (built_at AT TIME ZONE $1)::date < (now() AT TIME ZONE $1)::date,"
            f" EXISTS (SELECT FROM {builds} AS later"
            " WHERE later.id > last.id AND later.project_hash <> last.project_hash)"
            f" FROM {builds} AS last WHERE good ORDER BY id DESC LIMIT 1",
            (time_zone,),
        )
        if not found:
            return None
        project, positions, relations, before_today, overtaken = found[0]
        ((missing,),) = connection.rows(
            "looking for the models",
            "SELECT count(*) FROM json_array_elements_text($1::text::json) AS relation"
            " WHERE to_regclass(relation) IS NULL",
            (relations,),
        )
    return Built(
        project=str(project),
        positions=json.loads(positions),
        before_today=bool(before_today),
        complete=not missing,
        overtaken=bool(overtaken),
    )


def note_begun(warehouse: Warehouse, run_id: str, project: str) -> int:
    """Record that a build begins, and return its number; until it ends, it counts as failed."""
    with connect(warehouse) as connection:
        ((build,),) = connection.rows(
            "writing etl_dbt_status",
            f"INSERT INTO {_builds(warehouse)}"
            " (run_id, good, project_hash, positions, relations, selected, seconds)"
            " VALUES ($1, false, $2, '{}', '[]', 0, 0) RETURNING id",
            (run_id, project),
        )
        connection.commit()
    return int(build)


def note_built(warehouse: Warehouse, build: int, outcome: Outcome) -> None:
    """Record how a build ended; a partial one keeps the relations of those before."""
    builds = _builds(warehouse)
    with connect(warehouse) as connection:
        connection.run(
            "writing etl_dbt_status",
            f"UPDATE {builds} AS build"
            " SET good = $2, positions = $3, selected = $5, seconds = $6, relations ="
            " coalesce((SELECT json_agg(DISTINCT relation) FROM ("
            "SELECT json_array_elements_text($4::text::json)"
            " UNION SELECT json_array_elements_text(relations::json) FROM (SELECT relations"
            f" FROM {builds} AS last WHERE last.good AND last.project_hash = build.project_hash"
            " ORDER BY id DESC LIMIT 1) AS last) AS all_of_them (relation)), '[]')::text"
            " WHERE id = $1",
            (
                build,
                outcome.good,
                json.dumps(dict(outcome.positions)),
                json.dumps(list(outcome.relations)),
                outcome.selected,
                outcome.seconds,
            ),
        )
        connection.commit()


def _builds(warehouse: Warehouse) -> Place:
    return Place(warehouse.base_schema, "etl_dbt_status")


@contextmanager
def one_builder(warehouse: Warehouse, limits: Limits) -> Iterator[None]:
    """Keep other runs from building the models at the same time.

    Raises:
        TableBusy: another run built for longer than `ELT_LOCK_SECONDS`.

    """
    until, locking = monotonic() + limits.lock_seconds, "waiting to build the models"
    trying = "SELECT pg_try_advisory_lock(hashtext('elt dbt build'))"
    with connect(warehouse) as connection:
        while not connection.rows(locking, trying)[0][0]:
            if monotonic() > until:
                raise TableBusy(
                    f"another run has been building the models for over {limits.lock_seconds} s"
                    " (ELT_LOCK_SECONDS)."
                )
            sleep(1)
        connection.commit()
        yield
        connection.rows("building the models", "SELECT pg_advisory_unlock_all()::text")
