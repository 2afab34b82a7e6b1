"""The servers in containers, for machines where no program can be found or fetched."""

import os
import shutil
import subprocess
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from deployments.processes import ServerError

COMPOSE_FILE = Path(__file__).parent / "compose.yaml"
SERVICES = ("source", "replica", "postgres")


def is_available() -> bool:
    """Tell whether a Docker engine answers and knows compose."""
    if not shutil.which("docker"):
        return False
    probes = (["docker", "info"], ["docker", "compose", "version"])
    return all(
        subprocess.run(probe, check=False, capture_output=True, timeout=20).returncode == 0
        for probe in probes
    )


@dataclass(frozen=True, slots=True)
class Container:
    """One service of the compose file; `folder` tells the installations on a machine apart."""

    name: str
    folder: Path
    variables: dict[str, str] = field(repr=False)

    @property
    def log(self) -> str:
        return f"docker compose -p {_project(self.folder)} logs {self.name}"

    @property
    def pid(self) -> int | None:
        """The process id on the engine's machine; None if the container does not run."""
        container = self._compose("ps", "--quiet", self.name).strip()
        if not container:
            return None
        inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", container]
        found = subprocess.run(inspect, check=False, capture_output=True, text=True).stdout
        return int(found or 0) or None

    def start(self) -> None:
        self._compose("up", "--detach", self.name)

    def stop(self) -> None:
        self._compose("stop", self.name)

    def kill(self) -> None:
        self._compose("kill", self.name)

    def last_error(self) -> str:
        lines = self._compose("logs", "--no-color", "--tail=1", self.name).strip().splitlines()
        return lines[-1] if lines else "nothing in its log"

    def _compose(self, *arguments: str) -> str:
        return compose(self.folder, *arguments, variables=self.variables)


def compose(folder: Path, *arguments: str, variables: dict[str, str]) -> str:
    """Run docker compose for this folder's servers and return its output; raise ServerError."""
    command = ["docker", "compose", "-p", _project(folder), "-f", str(COMPOSE_FILE), *arguments]
    result = subprocess.run(
        command, env={**os.environ, **variables}, check=False, capture_output=True, text=True
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ServerError(f"docker compose {arguments[0]} fails: {reason}")
    return result.stdout


def _project(folder: Path) -> str:
    return f"opendental-elt-{zlib.crc32(str(folder).encode()):08x}"
