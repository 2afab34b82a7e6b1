"""A private MariaDB server: its command line, and its data directory.

The directory is made without mariadb-install-db, which a server's package may lack.
"""

import os
import shutil
import subprocess
from pathlib import Path

from deployments.packages import SYSTEM_TABLES, Program, system_tables
from deployments.processes import PrivateProcess, ServerError

_COMMON = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--max-allowed-packet=256M",
    "--max-connections=100",
    "--aria-pagecache-buffer-size=16M",
)

# As a clinic has it: MyISAM, the blank sql_mode that OpenDental demands, and a time zone that is
# not UTC, so that errors show.
SOURCE = (
    *_COMMON,
    "--sql-mode=",
    "--default-storage-engine=MyISAM",
    "--character-set-server=utf8mb3",
    "--collation-server=utf8mb3_general_ci",
    "--default-time-zone=-06:00",
    "--local-infile=OFF",
    "--key-buffer-size=16M",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=16M",
)

REPLICA = (
    *_COMMON,
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
    "--local-infile=ON",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=64M",
)


def prepare(program: Program, folder: Path, password: str) -> None:
    """Make the data directory unless it is there; remove what an interrupted attempt left."""
    data = folder / "data"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    if data.exists():
        return
    unfinished = folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    bootstrap = subprocess.run(
        [
            *_base(program, unfinished),
            "--bootstrap",
            "--skip-networking",
            "--innodb-log-file-size=16M",
        ],
        input=_system_tables(program, password),
        check=False,
        capture_output=True,
        text=True,
    )
    if bootstrap.returncode:
        raise ServerError(
            f"MariaDB's system tables cannot be made in {folder}: {_last_error(bootstrap.stderr)}"
        )
    unfinished.rename(data)


def process(program: Program, folder: Path, port: int, settings: tuple[str, ...]) -> PrivateProcess:
    # A relative socket lies in the data directory; an absolute path may have 107 bytes at most.
    """Return the server's process, not started yet."""
    command = (
        *_base(program, folder / "data"),
        f"--port={port}",
        "--socket=server.sock",
        "--pid-file=server.pid",
        *settings,
    )
    return PrivateProcess(folder.name, folder, tuple(command))


def _base(program: Program, data: Path) -> list[str]:
    share = _share(program)
    return [
        *program.command(),
        "--no-defaults",
        f"--basedir={share.parent.parent}",
        f"--lc-messages-dir={share}",
        f"--character-sets-dir={share / 'charsets'}",
        f"--datadir={data}",
        # A starting server removes every temporary table it finds there, a running neighbour's too.
        f"--tmpdir={data.parent / 'tmp'}",
        # Without this mariadbd refuses to run as root; the folder it writes to is root's anyway.
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]


def _share(program: Program) -> Path:
    share = system_tables(program.path)
    if not share:
        raise ServerError(
            f"{program.path} has no system tables beside it: "
            "install mariadb-server-core completely."
        )
    return share


def _system_tables(program: Program, password: str) -> str:
    share = _share(program)
    # --bootstrap wants each statement to end at the end of a line.
    return "\n".join(
        [
            "create database mysql;",
            "use mysql;",
            *(next(share.glob(f"m*_{name}")).read_text() for name in SYSTEM_TABLES),
            "flush privileges;",
            "drop user if exists ''@'localhost', root@localhost, root@'127.0.0.1', root@'::1';",
            f"create user root@localhost identified by '{password}';",
            f"create user root@'127.0.0.1' identified by '{password}';",
            "grant all privileges on *.* to root@localhost with grant option;",
            "grant all privileges on *.* to root@'127.0.0.1' with grant option;",
            "",
        ]
    )


def _last_error(text: str) -> str:
    lines = (
        [line for line in text.splitlines() if "ERROR" in line]
        or text.splitlines()
        or ["no reason given"]
    )
    return lines[0].strip()
