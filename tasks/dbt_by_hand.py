"""Runs dbt by hand, as `make dbt` does, with the pipeline's own settings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from tasks import dbt_project
from tasks.dbt_environment import environment
from transfer.errors import DatabaseFault, EltError
from transfer.settings import Limits, Warehouse
from transfer.warehouse import builds


def main(given: Sequence[str]) -> int:
    """Run dbt; its own words go to the user's terminal, and no further."""
    try:
        warehouse, limits = Warehouse.read(), Limits.read()
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    _note_build(warehouse, limits, given)
    # Variables, as an option of that name in `given` wins over them, and not every command of dbt
    # knows each option.
    with environment(
        warehouse,
        limits,
        DBT_PROJECT_DIR=str(dbt_project.PROJECT),
        DBT_PROFILES_DIR=str(dbt_project.PROJECT),
        DBT_TARGET_PATH=str(dbt_project.TARGET),
        DBT_LOG_PATH=str(dbt_project.TARGET),
        DBT_LOG_LEVEL_FILE="none",
        DBT_WRITE_JSON="false",
    ):
        from dbt.cli.main import cli  # 3 s

        return int(cli.main(list(given), prog_name="dbt"))


def _note_build(warehouse: Warehouse, limits: Limits, given: Sequence[str]) -> None:
    """Make the next run build everything if the models or their variables differ from its own."""
    if not {"build", "run", "seed"} & set(given):
        return
    if any(option.partition("=")[0] == "--vars" for option in given):
        project = "with variables given by hand"
    else:
        project = dbt_project.project_hash(limits.time_zone)
    # Without etl_dbt_status nothing was built yet; what is wrong with a server dbt says better.
    with suppress(DatabaseFault):
        builds.note_begun(warehouse, "by hand", project)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
