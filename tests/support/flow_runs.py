"""Runs the pipeline as its users do."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from conftest import Client
from runs import HANGING_SECONDS
from runs import settle as settled

import tasks  # noqa: F401 - keeps Prefect offline, so it comes before Prefect
from transfer.settings import ROOT


def copy_project(target: Path) -> Path:
    """Copy the project with what Python has compiled, except for files that are being written."""
    for name in ("flows", "tasks", "transfer", "dbt"):
        shutil.copytree(
            ROOT / name, target / name, ignore=shutil.ignore_patterns("*.pyc.*", "target", "logs")
        )
    return target


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


Command = Callable[..., Ended]


def elt(
    home: Path,
    variables: Mapping[str, str | None],
    *arguments: str,
    timeout: float = HANGING_SECONDS,
) -> Ended:
    """Run the command line; a variable that is None is not set at all."""
    known = {name: value for name, value in variables.items() if value is not None}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(home / "flows/elt.py"), *arguments],
        env=inherited | {"PYTHONPATH": str(home)} | known,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def settle(source: Client) -> None:
    """Do the same for a plain client's database."""
    settled(source.connection)


SMALL_DBT = {
    "dbt_project.yml": """
        name: small
        profile: opendental
        models: { small: { +materialized: table } }
    """,
    "models/sources.yml": """
        sources:
          - name: opendental
            schema: public
            tables: [{ name: patient }, { name: appointment }, { name: recall }]
    """,
    "models/people.sql": "select pat_num, l_name from {{ source('opendental', 'patient') }}",
    "models/visits.sql": "select apt_num from {{ source('opendental', 'appointment') }}",
    "models/reminders.sql": "select * from {{ source('opendental', 'recall') }} join {{ ref('people') }} using (pat_num)",
    "models/both.sql": "select (select count(*) from {{ ref('people') }}) + (select count(*) from {{ ref('visits') }}) as n",
    "tests/nobody_is_nobody.sql": "select l_name from {{ ref('people') }} where l_name = 'nobody'",
}


def write_dbt(home: Path) -> Path:
    """Write a dbt project of a few models, because the real one takes long."""
    for name, text in SMALL_DBT.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    shutil.copy(ROOT / "dbt/profiles.yml", home)
    return home
