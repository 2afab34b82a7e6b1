"""A private PostgreSQL server: its data directory and its command line, for root too."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from deployments.packages import Program
from deployments.processes import PrivateProcess, ServerError

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, a project's folder more
    "shared_buffers": "256MB",
    "max_connections": "100",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # A statement in the log may hold a password or a patient's name.
    "log_statement": "none",
    "log_min_error_statement": "panic",
}

STOP_SIGNAL = signal.SIGINT  # SIGTERM would wait for the clients to leave

# Each lets a process enter any folder, as root may; containers leave their root only the second.
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


def prepare(program: Program, folder: Path, password: str) -> None:
    """Make the data directory unless it is there; remove what an interrupted attempt left."""
    data = folder / "data"
    if data.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    # Another user has to enter it, whatever root's umask is: see _as_other_user.
    folder.chmod(0o755)
    unfinished, secret = folder / "data.unfinished", folder / "password"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    secret.write_text(password)
    if os.geteuid() == 0:
        for path in (unfinished, secret):
            os.chown(path, _nobody().pw_uid, _nobody().pw_gid)
    initdb = subprocess.run(
        [
            *_as_other_user(folder),
            *program.sibling("initdb"),
            *("--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"),
            *("--username=postgres", f"--pgdata={unfinished}", f"--pwfile={secret}"),
        ],
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
    )
    secret.unlink()
    if initdb.returncode:
        raise ServerError(
            f"initdb fails in {folder}: {(initdb.stderr.strip().splitlines() or ['?'])[-1]}"
        )
    unfinished.rename(data)


def process(program: Program, folder: Path, port: int) -> PrivateProcess:
    """Return the server's process, not started yet."""
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = (
        *_as_other_user(folder),
        *program.command(),
        *("-D", str(folder / "data")),
        *("-p", str(port)),
        *settings,
    )
    return PrivateProcess(folder.name, folder, tuple(command), stop_signal=STOP_SIGNAL)


def _as_other_user(folder: Path) -> list[str]:
    """Return what goes before a command so that root does not run it.

    PostgreSQL refuses to run as root, and initdb wants a user with a name: nobody is everywhere.
    """
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise ServerError(
            "PostgreSQL does not run as root and there is no setpriv here: use an ordinary user."
        )
    nobody = _nobody()
    command = [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    # /root and the like are closed to others: nobody gets through with one of root's capabilities.
    if not all(parent.stat().st_mode & 0o001 for parent in folder.parents):
        capability = _find_capability(folder)
        command += [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]
        # Otherwise access(2), with which initdb checks its own program, ignores the capability.
        command += ["--securebits=+no_setuid_fixup"]
    return command


def _find_capability(folder: Path) -> str:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("CapEff"))
    effective = int(line.split()[1], 16)
    for name, bit in _CAPABILITIES.items():
        if effective >> bit & 1:
            return name
    raise ServerError(
        f"PostgreSQL does not run as root, and no other user can enter {folder}: move the project."
    )


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
