"""What a folder of servers remembers: ports, passwords, and whose programs made the data."""

import fcntl
import json
import secrets
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deployments import containers, editions, packages
from deployments.databases import ACCOUNTS
from deployments.processes import find_recorded

PROJECT = Path(__file__).resolve().parent.parent
LOCAL = PROJECT / ".local"
PACKAGES = LOCAL / "packages"
MATRIX = LOCAL / "matrix"
NAMES = ("source", "replica", "postgres")


@dataclass(frozen=True, slots=True)
class Installation:
    """The ports, passwords and programs of a folder's servers.

    They are chosen at the first start and kept in a file that only its owner can read.
    """

    ports: dict[str, int]
    passwords: dict[str, str] = field(repr=False)
    programs: dict[str, packages.Program]  # empty: the servers run in containers

    def compose_variables(self) -> dict[str, str]:
        passwords = {f"{name.upper()}_PASSWORD": self.passwords[name] for name in NAMES}
        return passwords | {f"{name.upper()}_PORT": str(self.ports[name]) for name in NAMES}


def make_private(folder: Path) -> None:
    """Make the folder for its owner only.

    A folder outside .local that is there already, such as a home folder, keeps its mode.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for ours in (folder, *folder.parents):
        # A PostgreSQL that runs would panic if the folder it entered became closed to it.
        if ours.is_relative_to(LOCAL) and not any(map(find_recorded, homes(ours))):
            ours.chmod(0o700)


def homes(folder: Path) -> list[Path]:
    """Return where processes were started: in this folder or one folder below."""
    return sorted(
        path.parent for path in (*folder.glob("*/process.json"), *folder.glob("*/*/process.json"))
    )


def prepare(folder: Path) -> Installation:
    """Return the folder's installation; choose what it lacks and write it down.

    Ports are its own or free ones, and programs exist.
    """
    old = read(folder) if (folder / "servers.json").exists() else Installation({}, {}, {})
    programs = {} if old.ports and not old.programs else _programs(old.programs)
    ports: dict[str, int] = {}
    for name in NAMES:
        ports[name] = _port(folder / name, old.ports.get(name), set(ports.values()))
    new = Installation(
        ports=ports if programs or not old.ports else old.ports,
        passwords={
            name: old.passwords.get(name) or secrets.token_urlsafe(24)
            for name in (*NAMES, *ACCOUNTS.values())
        },
        programs=programs,
    )
    if new != old:
        _write(folder, new)
    return new


def _programs(known: dict[str, packages.Program]) -> dict[str, packages.Program]:
    """Return the programs that made the data, or others if those are gone; none for containers."""
    with lock_packages():
        return _find_programs(known)


@contextmanager
def lock_packages() -> Iterator[None]:
    """Hold the lock of the packages: two folders of servers share them."""
    make_private(LOCAL)
    with (LOCAL / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _find_programs(known: dict[str, packages.Program]) -> dict[str, packages.Program]:
    programs = {}
    for server in NAMES:
        old = known.get(server)
        program = old if old and old.path.exists() else _program(server)
        if program:
            programs[server] = program
        elif containers.is_available():
            return {}
        else:
            raise packages.missing(KINDS[server])
    packages.forget_downloads(PACKAGES)
    return programs


KINDS = {"source": "mariadbd", "replica": "mariadbd", "postgres": "postgres"}


def _program(server: str) -> packages.Program | None:
    kind = KINDS[server]
    return (
        editions.selected(MATRIX, server) or packages.find(kind) or packages.fetch(kind, PACKAGES)
    )


def _port(home: Path, port: int | None, taken: set[int]) -> int:
    """Return the port it had, unless another program has taken it."""
    if port and (find_recorded(home) or is_free(port)):
        return port
    return free_port(taken)


def free_port(taken: Collection[int] = ()) -> int:
    # Systems take the ports of outgoing connections from above this range.
    """Return a free port that is not among those taken."""
    while (port := 20000 + secrets.randbelow(12000)) in taken or not is_free(port):
        pass
    return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def read(folder: Path) -> Installation:
    """Return the installation that the folder's file describes."""
    content = json.loads((folder / "servers.json").read_text())
    programs = {
        name: packages.Program(
            Path(program["path"]),
            tuple(map(Path, program["libraries"])),
            Path(loader) if loader else None,
        )
        for name, program in content["programs"].items()
        for loader in [program.get("loader")]
    }
    return Installation(content["ports"], content["passwords"], programs)


def _write(folder: Path, installation: Installation) -> None:
    file = folder / "servers.json"
    unfinished = folder / "servers.json.unfinished"
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(asdict(installation), indent=2, default=str) + "\n")
    unfinished.replace(file)
