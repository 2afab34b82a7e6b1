"""What a run that finds nothing to do takes, next to an empty flow: with a Prefect server that is
named, and without one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from statistics import median
from tempfile import TemporaryDirectory

from conftest import settings_for
from lab import FOLDER, servers, write_result
from runs import run, settle

from deployments import prefect_server
from deployments.clinic import create
from transfer.settings import ROOT

EMPTY_FLOW = "import prefect; prefect.flow(lambda: None, name='empty')()"
UNCHANGED = "all tables, nothing changed"
ALONE = f"{UNCHANGED}, no server named"
COMMANDS = {
    "an empty flow": ["-c", EMPTY_FLOW],
    UNCHANGED: ["flows/elt.py", "--no-dbt"],
    "--table appointment, not changed": ["flows/elt.py", "--no-dbt", "--table", "appointment"],
}


def main() -> None:
    """Print the medians of some turns, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=50, help="size of the clinic (%(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="of all commands in turns (%(default)s)"
    )
    options = parser.parse_args()
    with servers() as found, TemporaryDirectory() as scratch:
        databases = found.create_databases(source="un_source", replica="un_replica", warehouse="un")
        try:
            with closing(found.source.connect("un_source")) as connection:
                create(connection, options.patients, 1, None)
                settle(connection)
            run(settings_for(databases))
            variables = {
                **databases.variables(),
                "PREFECT_API_URL": prefect_server.start(FOLDER),
                "PREFECT_HOME": scratch,
                "PREFECT_LOGGING_LEVEL": "CRITICAL",
                "ELT_LOG_DIR": scratch,
                "PYTHONPATH": str(ROOT),
                "PATH": os.environ["PATH"],
            }
            alone = {name: variables[name] for name in variables if "PREFECT" not in name}
            alone["HOME"] = scratch
            calls = [(name, arguments, variables) for name, arguments in COMMANDS.items()]
            calls += [(ALONE, COMMANDS[UNCHANGED], alone)]
            turns = [
                {name: seconds(arguments, given) for name, arguments, given in calls}
                for _ in range(1 + options.rounds)
            ][1:]  # the first one warms up
        finally:
            found.drop_databases(databases)
    middle = {name: median(turn[name] for turn in turns) for name in turns[0]}
    empty = middle["an empty flow"]
    print("\n| command | seconds | beyond an empty flow |\n|---|---|---|")
    for name, took in middle.items():
        print(f"| {name} | {took:.2f} | {took - empty:.2f} |")
    write_result("unchanged", {"turns": turns})


def seconds(arguments: Sequence[str], variables: dict[str, str]) -> float:
    """Return what a command takes."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, *arguments], env=variables, cwd=ROOT, check=True, capture_output=True
    )
    return time.monotonic() - started


if __name__ == "__main__":
    main()
