"""Runs the test suite with other MySQL servers as source and replica than this machine's: see `sid`."""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from deployments import servers, sid
from deployments.installation import LOCAL, MATRIX, PROJECT, make_private
from deployments.packages import Program
from deployments.processes import ServerError

IN_PARALLEL = ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")
PRODUCTS = {"mysql": "MySQL", "mariadb": "MariaDB"}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.matrix", description=__doc__, epilog="All else goes to pytest.", allow_abbrev=False
    )
    parser.add_argument("--server", choices=sid.PACKAGES, action="append", help="one of them alone")
    options, of_pytest = parser.parse_known_args(arguments)
    try:
        make_private(MATRIX)
        programs = {kind: sid.fetch(kind, MATRIX) for kind in options.server or sid.PACKAGES}
        results = {kind: test(kind, of_pytest) for kind in programs}
    except ServerError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    for kind, (_, said) in results.items():
        print(f"{PRODUCTS[kind]} {version(programs[kind])}: {said}")
    sys.exit(max(status for status, _ in results.values()))


def test(kind: str, of_pytest: Sequence[str]) -> tuple[int, str]:
    """Runs pytest on servers of this kind, which are stopped afterwards; returns its exit status and a summary."""
    report = MATRIX / f"{kind}.xml"
    report.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        status = subprocess.run(
            [sys.executable, "-m", "pytest", *IN_PARALLEL, f"--junit-xml={report}", *of_pytest],
            cwd=PROJECT,
            env={**os.environ, sid.VARIABLE: kind},
            check=False,
        ).returncode
    finally:
        for folder in LOCAL.glob(f"test-{kind}*"):
            servers.stop(folder)
    return status, f"{_counts(report)} in {time.monotonic() - started:.0f} s"


def _counts(report: Path) -> str:
    if not report.exists():
        return "no tests were run"
    suite = ET.parse(report).getroot()[0].attrib  # noqa: S314 - we have just had it written
    failed, skipped = int(suite["failures"]) + int(suite["errors"]), int(suite["skipped"])
    return f"{int(suite['tests']) - failed - skipped} passed, {failed} failed, {skipped} not for this server"


def version(program: Program) -> str:
    command = [*program.command(), "--no-defaults", "--version"]
    said = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    found = re.search(r"Ver ([0-9.]+)", said)
    return found[1] if found else "of an unknown version"


if __name__ == "__main__":
    main()
