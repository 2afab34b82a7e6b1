"""Makes services of systemd of this installation, as `make service` does.

Where `PREFECT_API_URL` names a Prefect server these are a worker and, if the address is this
machine's, the server. Without one it is a timer that runs everything every night.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from dotenv import dotenv_values

from deployments.installation import PROJECT
from transfer.errors import EltError
from transfer.settings import Limits, is_loopback

TEMPLATES = Path(__file__).parent / "services"
NAME = "opendental-elt"
LOGROTATE = Path("/etc/logrotate.d")
# Of system services only: a user's own manager may lack the right to set most of these up.
HARDENED = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where units go, and whose they are: the system's, or a user's own."""

    units: Path
    user: str
    group: str
    home: Path
    is_system: bool


def place(project: Path) -> Place:
    """Return root's place for the owner of the project's folder, or the user's own."""
    owner = pwd.getpwuid(project.stat().st_uid if os.geteuid() == 0 else os.geteuid())
    home, group = Path(owner.pw_dir), grp.getgrgid(owner.pw_gid).gr_name
    is_system = os.geteuid() == 0
    units = Path("/etc/systemd/system") if is_system else home / ".config/systemd/user"
    return Place(units, owner.pw_name, group, home, is_system)


def files(project: Path, at: Place, limits: Limits, api: str | None) -> Mapping[str, str]:
    """Return the units by their names, and the rule by which logrotate keeps the logs small."""
    address = urlsplit(api or "")
    words = {
        "project": _escaped(project),
        "common": _common(project, at, limits),
        "zone": f" {limits.time_zone}" if "time_zone" in limits.model_fields_set else "",
        "wanted_by": "multi-user.target" if at.is_system else "default.target",
        "api": _escaped(api or ""),
        "host": address.hostname or "",
        "port": str(address.port or 4200),
        "logs": str(limits.log_dir.absolute()),
        "user": at.user,
        "group": at.group,
    }
    return {
        name: Template((TEMPLATES / name).read_text()).substitute(words)
        for name in (*_units(api), f"{NAME}.logrotate")
    }


def _units(api: str | None) -> tuple[str, ...]:
    if not api:
        return f"{NAME}.service", f"{NAME}.timer"
    server = (f"{NAME}-prefect.service",) if is_loopback(urlsplit(api).hostname or "") else ()
    return (*server, f"{NAME}-worker.service")


def _common(project: Path, at: Place, limits: Limits) -> str:
    lines = [f"WorkingDirectory={_escaped(project)}", "Environment=DO_NOT_TRACK=1", "UMask=0077"]
    if at.is_system:
        lines += [f"User={at.user}", f"Group={at.group}", HARDENED]
        lines += [f'ReadWritePaths="-{_escaped(path)}"' for path in _written(project, at, limits)]
    return "\n".join(lines)


def _written(project: Path, at: Place, limits: Limits) -> list[Path]:
    """Return the folders that a run, Prefect's server and a worker write to."""
    report = [limits.report.absolute().parent] if limits.report else []
    return sorted({project, at.home / ".prefect", limits.log_dir.absolute(), *report})


def make_folders(project: Path, at: Place, limits: Limits) -> None:
    """Make the folders that the services could not make in what is read-only to them."""
    for folder in _written(project, at, limits):
        if not folder.exists():
            folder.mkdir(parents=True)
            shutil.chown(folder, at.user, at.group)


def _escaped(word: object) -> str:
    """Return a word of a unit file, in which a percent sign begins a variable."""
    return str(word).replace("%", "%%")


def install(at: Place, written: Mapping[str, str]) -> list[str]:
    """Write the files in place of those of other settings; return what starts by itself."""
    at.units.mkdir(parents=True, exist_ok=True)
    _discard(at, [path for path in sorted(at.units.glob(f"{NAME}*")) if path.name not in written])
    for name, text in written.items():
        if not name.endswith(".logrotate"):
            (at.units / name).write_text(text)
        elif at.is_system and LOGROTATE.is_dir():
            (LOGROTATE / NAME).write_text(text)
    return [name for name, text in written.items() if "[Install]" in text]


def remove(at: Place) -> list[str]:
    """Remove every unit of ours and the rule for the logs; return the units that were there."""
    units = sorted(at.units.glob(f"{NAME}*"))
    if at.is_system:
        (LOGROTATE / NAME).unlink(missing_ok=True)
    _discard(at, units)
    _systemctl(at, "daemon-reload")
    return [path.name for path in units]


def _discard(at: Place, units: Sequence[Path]) -> None:
    """Stop units and remove their files."""
    if units:
        _systemctl(at, "disable", "--now", *(path.name for path in units))
    for path in units:
        path.unlink()


def _systemctl(at: Place, *words: str) -> bool:
    """Ask systemd; False where it does not run."""
    if not Path("/run/systemd/system").is_dir():
        return False
    manager = () if at.is_system else ("--user",)
    return subprocess.run(["systemctl", *manager, *words], check=False).returncode == 0


def main(given: Sequence[str]) -> int:
    """Install the services, or remove them, and say what was done."""
    parser = argparse.ArgumentParser(prog="make service ARGS=…", description=__doc__)
    parser.add_argument("--remove", action="store_true", help="stop and remove the services")
    parser.add_argument("--show", action="store_true", help="print the files and write none")
    options = parser.parse_args(given)
    at = place(PROJECT)
    if options.remove:
        print(f"removed: {', '.join(remove(at)) or 'there was nothing'}")
        return 0
    try:
        limits = Limits.read()
        written = files(PROJECT, at, limits, _api())
        if options.show:
            print("\n".join(f"# {name}\n{text}" for name, text in written.items()))
            return 0
        starting = _installed(PROJECT, at, limits, written)
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"written to {at.units}: {', '.join(n for n in written if not n.endswith('.logrotate'))}")
    if _systemctl(at, "daemon-reload") and _systemctl(at, "enable", "--now", *starting):
        print(f"started: {', '.join(starting)}")
        return 0
    manager = "systemctl" if at.is_system else "systemctl --user"
    print(f"systemd does not run here; where it does: {manager} enable --now {' '.join(starting)}")
    return 0


def _installed(project: Path, at: Place, limits: Limits, written: Mapping[str, str]) -> list[str]:
    try:
        make_folders(project, at, limits)
        return install(at, written)
    except OSError as error:
        raise EltError(f"{error.filename} cannot be written: {error.strerror}.") from None


def _api() -> str | None:
    """Return the address of the Prefect server that the environment or `.env` names."""
    named = {**dotenv_values(PROJECT / ".env", interpolate=False), **os.environ}
    return named.get("PREFECT_API_URL") or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
