"""Runs the tests with servers of other versions than this machine's: see `editions`.

Each pair of source and replica has its turn.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from deployments import editions, servers
from deployments.installation import LOCAL, MATRIX, PROJECT, make_private
from deployments.packages import Program
from deployments.processes import ServerError

IN_PARALLEL = ("--numprocesses=4", "--dist=loadfile", "--no-loadscope-reorder")

# PAIRED depends on which two servers meet, SET on the settings of one, MODELLED on the warehouse.
# The whole suite runs where the source is a version that practices have and the replica the one
# that most machines have.
PAIRED = ("tests/types", "tests/cases", "tests/pairs")
SET = "tests/settings"
MODELLED = tuple(
    f"tests/{name}.py"
    for name in (
        "journey/test_path",
        "models/test_models",
        "models/test_dbt_project",
        "models/test_reconciliation",
    )
)
WHOLE = [("mysql-5.6", "mariadb-10.11"), ("mariadb-10.5", "mariadb-10.11")]


@dataclass(frozen=True, slots=True)
class Combination:
    """The editions of source, replica and warehouse; an empty one is this machine's."""

    source: str
    replica: str
    postgres: str = ""

    @classmethod
    def parse(cls, text: str) -> "Combination":
        names = text.split(":")
        unknown = [name for name in names if name and name not in editions.EDITIONS]
        if unknown or not 2 <= len(names) <= 3:
            raise ServerError(
                f"{text} is no combination: say source:replica or source:replica:warehouse, "
                f"of {', '.join(editions.EDITIONS)}."
            )
        return cls(*names)

    @property
    def names(self) -> dict[str, str]:
        return {"source": self.source, "replica": self.replica, "postgres": self.postgres}

    @property
    def tests(self) -> Sequence[str]:
        if self.postgres:
            return MODELLED
        if (self.source, self.replica) in WHOLE:
            return ()
        return (*PAIRED, SET) if self.source == self.replica else PAIRED

    def __str__(self) -> str:
        return ":".join(filter(None, (self.source, self.replica, self.postgres)))


# A test of the settings sees that a run refuses it.
TOO_OLD = "postgres-13"
MYSQLS = [name for name in editions.EDITIONS if not name.startswith("postgres")]
ALL = (
    *(Combination(source, replica) for source in MYSQLS for replica in MYSQLS),
    *(
        Combination("mariadb-10.11", "mariadb-10.11", name)
        for name in editions.EDITIONS
        if name.startswith("postgres") and name != TOO_OLD
    ),
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.matrix",
        description=__doc__,
        epilog="Everything else goes to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--pair",
        action="append",
        metavar="SOURCE:REPLICA[:WAREHOUSE]",
        help=f"one combination, instead of all; of {', '.join(editions.EDITIONS)}",
    )
    options, options_of_pytest = parser.parse_known_args(arguments)
    try:
        make_private(MATRIX)
        combinations = [Combination.parse(text) for text in options.pair] if options.pair else ALL
        names = {name for pair in combinations for name in pair.names.values() if name}
        for name in sorted(names | {TOO_OLD}):
            editions.fetch(name, MATRIX)
        results = {pair: run_tests(pair, options_of_pytest) for pair in combinations}
    except ServerError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    for pair, (_, summary) in results.items():
        print(f"{_versions(pair)}: {summary}")
    sys.exit(max(status for status, _ in results.values()))


def run_tests(combination: Combination, options_of_pytest: Sequence[str]) -> tuple[int, str]:
    """Run pytest on these servers and stop them; return its exit status and a summary."""
    report = MATRIX / f"{str(combination).replace(':', '-')}.xml"
    report.unlink(missing_ok=True)
    selected = {
        editions.VARIABLES[server]: name for server, name in combination.names.items() if name
    }
    files = [word for word in options_of_pytest if not word.startswith("-")]
    started = time.monotonic()
    try:
        status = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", *IN_PARALLEL, f"--junit-xml={report}"),
                *([] if files else combination.tests),
                *options_of_pytest,
            ],
            cwd=PROJECT,
            env={**os.environ, **selected},
            check=False,
        ).returncode
    finally:
        own = f"test-{'-'.join(selected.values())}"
        for folder in (*LOCAL.glob(own), *LOCAL.glob(f"{own}-gw*")):
            servers.stop(folder)
    return status, f"{_counts(report)} in {time.monotonic() - started:.0f} s"


def _counts(report: Path) -> str:
    if not report.exists():
        return "no tests were run"
    suite = ET.parse(report).getroot()[0].attrib  # noqa: S314 - pytest has just written it
    failed, skipped = int(suite["failures"]) + int(suite["errors"]), int(suite["skipped"])
    passed = int(suite["tests"]) - failed - skipped
    return f"{passed} passed, {failed} failed, {skipped} not for these servers"


PRODUCTS = {"mysql": "MySQL", "mariadb": "MariaDB", "postgres": "PostgreSQL"}


def _versions(combination: Combination) -> str:
    return " → ".join(
        f"{PRODUCTS[name.partition('-')[0]]} {version(editions.fetch(name, MATRIX))}"
        for name in combination.names.values()
        if name
    )


def version(program: Program) -> str:
    options = [] if program.path.name == "postgres" else ["--no-defaults"]
    command = [*program.command(), *options, "--version"]
    printed = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    found = re.search(r"(?:Ver|PostgreSQL\)) ([0-9.]+)", printed)
    return found[1] if found else "of an unknown version"


if __name__ == "__main__":
    main()
