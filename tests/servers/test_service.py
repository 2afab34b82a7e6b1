"""The services of systemd, as its own checker sees them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deployments import service
from transfer.settings import Limits

LOCAL, CLOUD = "http://127.0.0.1:4200/api", "https://prefect.example.org/api"
OF_API = {
    None: ["opendental-elt.service", "opendental-elt.timer"],
    LOCAL: ["opendental-elt-prefect.service", "opendental-elt-worker.service"],
    CLOUD: ["opendental-elt-worker.service"],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what the services start, whose name has what means something in a unit."""
    home = tmp_path / "a 100% project"
    for name in (".venv/bin/python", ".venv/bin/prefect", "flows/elt.py"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("#!/bin/sh\n")
        (home / name).chmod(0o755)
    return home


def place(units: Path, is_system: bool) -> service.Place:
    return service.Place(units, "daemon", "daemon", units.parent, is_system)


@pytest.mark.parametrize("is_system", [True, False])
@pytest.mark.parametrize("api", OF_API)
def test_systemd_finds_nothing_wrong(
    api: str | None, is_system: bool, project: Path, tmp_path: Path
):
    checker = shutil.which("systemd-analyze")
    if not checker:
        pytest.skip("no systemd-analyze is here: apt install systemd")
    limits = Limits(_env_file=None, time_zone="America/Chicago", log_dir=tmp_path / "logs")
    at = place(tmp_path / "units", is_system)
    starting = service.install(at, service.files(project, at, limits, api))
    assert sorted(path.name for path in at.units.iterdir()) == OF_API[api]
    done = subprocess.run(
        [checker, "verify", *(["--user"] * (not is_system)), "--man=no", *at.units.iterdir()],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    ours = [line for line in done.stderr.splitlines() if "opendental" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    assert set(starting) == {name for name in OF_API[api] if name != "opendental-elt.service"}
    assert sorted(service.remove(at)) == OF_API[api]
    assert list(at.units.iterdir()) == []


def test_a_system_service_is_the_owners_and_may_write_where_a_run_writes(
    project: Path, tmp_path: Path
):
    limits = Limits(_env_file=None, log_dir=tmp_path / "logs", report=tmp_path / "www/page.html")
    at = place(tmp_path / "units", is_system=True)
    text = service.files(project, at, limits, None)["opendental-elt.service"]
    lines = text.splitlines()
    assert {"User=daemon", "ProtectSystem=strict", "UMask=0077"} <= set(lines)
    writable = {line for line in lines if line.startswith("ReadWritePaths")}
    folders = [
        str(project).replace("%", "%%"),
        tmp_path / ".prefect",
        tmp_path / "logs",
        tmp_path / "www",
    ]
    assert writable == {f'ReadWritePaths="-{folder}"' for folder in folders}
    assert (
        str(tmp_path / "logs")
        in service.files(project, at, limits, None)["opendental-elt.logrotate"]
    )


def test_services_of_other_settings_are_replaced(project: Path, tmp_path: Path):
    """A timer beside a worker would run everything twice."""
    limits, at = Limits(_env_file=None), place(tmp_path / "units", is_system=False)
    for api in (None, LOCAL, CLOUD, None):
        service.install(at, service.files(project, at, limits, api))
        assert sorted(path.name for path in at.units.iterdir()) == OF_API[api]
