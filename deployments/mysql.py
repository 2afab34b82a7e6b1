"""A private MySQL server, which `make matrix` puts in MariaDB's place: its data directory and its command line."""

import os
import shutil
import subprocess
from pathlib import Path

from deployments.packages import Program
from deployments.processes import PrivateProcess, ServerError

# The same as in mariadb.py, in MySQL's words; without the log of changes that it writes by default.
_COMMON = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--max-allowed-packet=256M",
    "--max-connections=100",
    "--mysqlx=OFF",
    "--secure-file-priv=",
    "--disable-log-bin",
    "--innodb-redo-log-capacity=64M",
)

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
)

REPLICA = (
    *_COMMON,
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
    "--local-infile=ON",
    "--innodb-buffer-pool-size=256M",
)


def prepare(program: Program, folder: Path, password: str) -> None:
    """Makes the data directory unless it is there; what an interrupted attempt left is thrown away."""
    data = folder / "data"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    if data.exists():
        return
    unfinished, accounts = folder / "data.unfinished", folder / "accounts.sql"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    accounts.touch(mode=0o600)
    accounts.write_text(_accounts(password))
    made = subprocess.run(
        [*_base(program, unfinished), "--initialize-insecure", f"--init-file={accounts}"],
        check=False,
        capture_output=True,
        text=True,
    )
    accounts.unlink()
    if made.returncode:
        raise ServerError(f"MySQL's system tables cannot be made in {folder}: {_last_error(made.stderr)}")
    unfinished.rename(data)


def process(program: Program, folder: Path, port: int, settings: tuple[str, ...]) -> PrivateProcess:
    # A relative socket lies in the data directory; an absolute one would have to be shorter than 108 bytes.
    command = (
        *_base(program, folder / "data"),
        f"--port={port}",
        "--socket=server.sock",
        "--pid-file=server.pid",
        *settings,
    )
    return PrivateProcess(folder.name, folder, tuple(command))


def _base(program: Program, data: Path) -> list[str]:
    prefix = program.path.parent.parent
    return [
        *program.command(),
        "--no-defaults",
        f"--basedir={prefix}",
        f"--lc-messages-dir={prefix / 'share/mysql'}",
        f"--character-sets-dir={prefix / 'share/mysql/charsets'}",
        f"--plugin-dir={prefix / 'lib/mysql/plugin'}",
        f"--datadir={data}",
        f"--tmpdir={data.parent / 'tmp'}",
        # Without this mysqld refuses to run as root; the folder it writes to is root's anyway.
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]


def _accounts(password: str) -> str:
    # An init file wants each statement on a line of its own.
    return "\n".join(
        [
            f"alter user root@localhost identified by '{password}';",
            f"create user root@'127.0.0.1' identified by '{password}';",
            "grant all privileges on *.* to root@'127.0.0.1' with grant option;",
            "",
        ]
    )


def _last_error(text: str) -> str:
    lines = [line for line in text.splitlines() if "[ERROR]" in line] or text.splitlines() or ["no reason given"]
    return lines[0].strip()
