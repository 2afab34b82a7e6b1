"""Writes dbt's own documentation of the models and their lineage as a page without network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks import files
from tasks.dbt_environment import environment
from tasks.dbt_project import PROJECT
from transfer.errors import EltError
from transfer.journey.preflight import reach
from transfer.settings import ROOT, Limits, Warehouse

FILE = ROOT / "reports" / "dbt.html"

# dbt's page loads a tracker when the project allows it, which ours does not. This forbids the
# browser to load anything.
POLICY = (
    '<meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval';"
    " style-src 'unsafe-inline';"
    ' img-src data: blob:; font-src data:">'
)


def write(warehouse: Warehouse, limits: Limits, file: Path) -> bool:
    """Have dbt ask the warehouse for its columns and write the page; tell whether it could.

    The page has names, types, descriptions and SQL: no row, no password. What goes wrong dbt says
    on the terminal.
    """
    with TemporaryDirectory() as folder, environment(warehouse, limits):
        from dbt.cli.main import dbtRunner  # 3 s

        given = [
            "--project-dir",
            str(PROJECT),
            "--profiles-dir",
            str(PROJECT),
            "--target-path",
            folder,
            "--log-path",
            folder,
        ]
        quiet = ["--quiet", "--log-level-file", "none"]
        if not dbtRunner().invoke([*quiet, "docs", "generate", "--static", *given]).success:
            return False
        page = (Path(folder) / "static_index.html").read_text(encoding="utf-8")
    files.replace(file, page.replace("<head>", f"<head>{POLICY}", 1))
    return True


def main(given: Sequence[str]) -> int:
    """Write the page to the file that is named, or to reports/dbt.html."""
    file = Path(given[0]) if given else FILE
    try:
        warehouse = Warehouse.read()
        reach(warehouse)
        if not write(warehouse, Limits.read(), file):
            return 1
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{file}: open it in a browser; the round button in the corner shows the lineage")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
