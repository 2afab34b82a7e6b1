"""Starts processes that outlive this one, and recognises them later by pid and start time."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# The shell starts the process in the background and ends, so init reaps it.
_SPAWN = 'log=$1; shift; exec "$@" </dev/null >>"$log" 2>&1 & echo $!'


class ServerError(Exception):
    """A server cannot be found, started or stopped; the text is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running process. Pids are reused; a pid with its start time is not."""

    pid: int
    started: str


def find(pid: int) -> Process | None:
    """Return the process of this pid; None if there is none, or only its unreaped remains."""
    started = _started_by_proc(pid) if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    return Process(pid, started) if started else None


def _started_by_proc(pid: int) -> str | None:
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else f"{boot} {rest[18]}"


def _started_by_ps(pid: int) -> str | None:
    words = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout.split()
    return None if not words or words[0].startswith("Z") else " ".join(words[1:])


def children(pid: int) -> list[Process]:
    """Return the processes whose parent has this pid."""
    if not Path("/proc/self/stat").exists():
        answer = subprocess.run(
            ["pgrep", "-P", str(pid)], check=False, capture_output=True, text=True
        )
        return [found for word in answer.stdout.split() if (found := find(int(word)))]
    folders = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [found for path in folders if _parent(path) == pid and (found := find(int(path.name)))]


def _parent(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(process: Process) -> bool:
    """Tell whether the process is still running."""
    return find(process.pid) == process


def spawn(command: Sequence[str], log: Path) -> Process:
    """Start the command in a session of its own, so that Ctrl-C here does not reach it."""
    log.touch()
    log.chmod(0o600)
    shell = subprocess.run(
        ["sh", "-c", _SPAWN, "sh", str(log), *command],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    pid = int(shell.stdout)
    return find(pid) or Process(pid, "gone")


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for the condition, at most so many seconds; return its last value."""
    deadline = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return done


def end(process: Process, signum: int, seconds: float) -> bool:
    """Send the signal if the process is still the same one; tell whether it is gone."""
    if not is_alive(process):
        return True
    os.kill(process.pid, signum)
    if not wait_until(lambda: not is_alive(process), seconds):
        return False
    # PostgreSQL does not start while its predecessor waits to be reaped; in some containers init
    # never reaps it.
    wait_until(lambda: _is_reaped(process.pid), seconds=2)
    return True


def _is_reaped(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@dataclass(frozen=True, slots=True)
class PrivateProcess:
    """A server of ours: its command, its log, and in its folder the process that runs it."""

    name: str
    folder: Path
    command: tuple[str, ...]
    stop_signal: int = signal.SIGTERM

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        process = find_recorded(self.folder)
        return process.pid if process else None

    def start(self) -> None:
        if self.pid is None:
            process = spawn(self.command, self.log)
            unfinished = self.folder / "process.json.unfinished"
            unfinished.write_text(json.dumps(asdict(process)))
            unfinished.replace(self.folder / "process.json")

    def stop(self) -> None:
        stop_recorded(self.folder, self.stop_signal)

    def kill(self) -> None:
        """Kill as a crash would: nothing is flushed, and no child goes on working."""
        orphans = children(self.pid) if self.pid else []
        stop_recorded(self.folder, signal.SIGKILL)
        for orphan in orphans:
            end(orphan, signal.SIGKILL, seconds=10)

    def last_error(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        errors = [line for line in lines[-40:] if re.search("error|fatal", line, re.IGNORECASE)]
        return (errors or lines or ["nothing in its log"])[-1].strip()


def find_recorded(folder: Path) -> Process | None:
    """Return the process that was started in this folder, if it is still running."""
    try:
        process = Process(**json.loads((folder / "process.json").read_text()))
    except FileNotFoundError:
        return None
    return process if is_alive(process) else None


def stop_recorded(folder: Path, signum: int = signal.SIGTERM) -> None:
    """Stop the process that was started in this folder; raise ServerError if it stays."""
    process = find_recorded(folder)
    ended = (
        process is None
        or end(process, signum, seconds=60)
        or end(process, signal.SIGKILL, seconds=10)
    )
    if process and not ended:
        raise ServerError(f"The server in {folder} (pid {process.pid}) does not stop.")
    (folder / "process.json").unlink(missing_ok=True)
