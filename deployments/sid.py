"""Database servers of Debian's unstable release, each in a folder of its own: what `make matrix` tests beside MariaDB."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deployments.packages import Program
from deployments.processes import ServerError

# The environment variable that says of which kind the tests' MySQL servers are; unset means this machine's MariaDB.
VARIABLE = "MATRIX_SERVER"

# Packages and programs. The two packages conflict with each other, so each has a folder of its own.
PACKAGES: Mapping[str, str] = {"mysql": "mysql-server-core", "mariadb": "mariadb-server-core"}
PROGRAMS: Mapping[str, str] = {"mysql": "usr/sbin/mysqld", "mariadb": "usr/sbin/mariadbd"}


def fetch(kind: str, folder: Path) -> Program:
    """The server of this kind in the folder, put there now if need be."""
    root = folder / kind
    if not root.exists():
        _debootstrap(PACKAGES[kind], root)
    return program(kind, folder)


def program(kind: str, folder: Path) -> Program:
    """Run by its own dynamic linker, so that data, sockets and temporary files are plain paths of ours: no chroot."""
    path = folder / kind / PROGRAMS.get(kind, "")
    libraries = tuple(sorted((folder / kind).glob("usr/lib/*-linux-gnu*")))
    loaders = [loader for library in libraries for loader in library.glob("ld-linux*.so.*")]
    if kind not in PROGRAMS or not path.exists() or not loaders:
        raise ServerError(f"There is no server {kind} in {folder}: make matrix fetches it.")
    return Program(path, libraries, loaders[0])


def chosen(folder: Path) -> Program | None:
    """The program that stands for the MySQL servers in this process and its children, if not this machine's."""
    kind = os.environ.get(VARIABLE)
    return program(kind, folder) if kind else None


def _debootstrap(package: str, root: Path) -> None:
    if not shutil.which("debootstrap"):
        raise ServerError("debootstrap is missing: apt-get install debootstrap")
    if os.geteuid() != 0:
        raise ServerError("make matrix needs root once, to fetch the servers: debootstrap runs as root only.")
    unfinished = root.with_name(f"{root.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    print(f"fetching {package} of Debian unstable into {root} (a minute)", file=sys.stderr, flush=True)
    # What debootstrap mounts in there goes with its own mount namespace, also if it is killed.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={package}", "sid"]
    done = subprocess.run([*command, unfinished, _mirror()], check=False, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"{package} cannot be fetched: {_last_line(done.stdout + done.stderr)}")
    shutil.rmtree(unfinished / "var/cache/apt/archives", ignore_errors=True)
    unfinished.rename(root)


def _mirror() -> str:
    """Where this machine's apt gets Debian from."""
    command = ["apt-get", "indextargets", "--format", "$(LABEL)\t$(REPO_URI)"]
    listed = subprocess.run(command, check=False, capture_output=True, text=True)
    uris = sorted({line.split("\t")[1] for line in listed.stdout.splitlines() if line.startswith("Debian\t")})
    if not uris:
        raise ServerError("make matrix needs a Debian mirror, and apt's configuration names none.")
    return uris[0]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
