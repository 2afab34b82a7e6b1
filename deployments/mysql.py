"""A private MySQL server, which `make matrix` puts in MariaDB's place.

From 5.7 on, MySQL makes its own system tables; 5.6 gets them from the SQL beside it.
"""

import os
import shutil
import subprocess
from pathlib import Path

from deployments.packages import Program
from deployments.processes import PrivateProcess, ServerError

# The same settings as in mariadb.py, with MySQL's names, and without the binary log, which newer
# versions write by default.
_COMMON = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--max-allowed-packet=256M",
    "--max-connections=100",
    "--loose-mysqlx=OFF",
    "--secure-file-priv=",
    "--loose-disable-log-bin",
    "--loose-innodb-redo-log-capacity=64M",
)

SOURCE = (
    *_COMMON,
    "--sql-mode=",
    "--default-storage-engine=MyISAM",
    "--character-set-server=utf8mb3",
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
    """Make the data directory unless it is there; remove what an interrupted attempt left."""
    data = folder / "data"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    if data.exists():
        return
    unfinished = folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    make = _bootstrap if _is_old(program) else _initialize
    made = make(program, folder, unfinished, password)
    if made.returncode:
        raise ServerError(
            f"MySQL's system tables cannot be made in {folder}: {_last_error(made.stderr)}"
        )
    unfinished.rename(data)


def _initialize(
    program: Program, folder: Path, data: Path, password: str
) -> subprocess.CompletedProcess[str]:
    accounts = folder / "accounts.sql"
    accounts.touch(mode=0o600)
    accounts.write_text(_accounts(password))
    command = [*_base(program, data), "--initialize-insecure", f"--init-file={accounts}"]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    accounts.unlink()
    return made


def _bootstrap(
    program: Program, _folder: Path, data: Path, password: str
) -> subprocess.CompletedProcess[str]:
    sources = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
    statements = [
        "CREATE DATABASE mysql;",
        "USE mysql;",
        *((_system_tables(program).with_name(name)).read_text() for name in sources),
        "DELETE FROM user WHERE User <> 'root' OR Host NOT IN ('localhost', '127.0.0.1');",
        f"UPDATE user SET Password = PASSWORD('{password}');",
        "",
    ]
    command = [*_base(program, data), "--bootstrap", "--explicit-defaults-for-timestamp"]
    return subprocess.run(
        command, input="\n".join(statements), check=False, capture_output=True, text=True
    )


def _system_tables(program: Program) -> Path:
    return program.path.parent / "share/mysql_system_tables.sql"


def process(program: Program, folder: Path, port: int, settings: tuple[str, ...]) -> PrivateProcess:
    # A relative socket lies in the data directory; an absolute path may have 107 bytes at most.
    """Return the server's process, not started yet."""
    command = (
        *_base(program, folder / "data"),
        f"--port={port}",
        "--socket=server.sock",
        "--pid-file=server.pid",
        *(_as_old_settings(settings) if _is_old(program) else settings),
    )
    return PrivateProcess(folder.name, folder, tuple(command))


def _base(program: Program, data: Path) -> list[str]:
    old = _is_old(program)
    prefix = program.path.parent if old else program.path.parent.parent
    share = prefix / ("share" if old else "share/mysql")
    return [
        *program.command(),
        "--no-defaults",
        f"--basedir={prefix}",
        f"--lc-messages-dir={share}",
        f"--character-sets-dir={share / 'charsets'}",
        f"--plugin-dir={prefix / 'lib/mysql/plugin'}",
        f"--datadir={data}",
        f"--tmpdir={data.parent / 'tmp'}",
        # Without this mysqld refuses to run as root; the folder it writes to is root's anyway.
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]


def _is_old(program: Program) -> bool:
    return _system_tables(program).exists()


def _as_old_settings(settings: tuple[str, ...]) -> tuple[str, ...]:
    # The performance schema of 5.6 takes 400 MB.
    return (
        *(setting.replace("utf8mb3", "utf8") for setting in settings),
        "--performance-schema=OFF",
    )


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
    lines = (
        [line for line in text.splitlines() if "[ERROR]" in line]
        or text.splitlines()
        or ["no reason given"]
    )
    return lines[0].strip()
