"""A local Prefect server, whose pages show the demo's runs."""

import sys
import urllib.error
import urllib.request
from pathlib import Path

from deployments.installation import free_port, is_free, make_private
from deployments.processes import PrivateProcess, ServerError, wait_until


def start(folder: Path) -> str:
    """Start this folder's server unless it runs; return the address of its API."""
    home = folder.resolve() / "prefect"
    make_private(home)
    process = _process(home, _port(home))
    api = f"http://127.0.0.1:{_port(home)}/api"
    process.start()
    answered = wait_until(lambda: process.pid is None or _is_healthy(api), seconds=120)
    if not answered or process.pid is None:
        raise ServerError(
            f"The Prefect server does not start: {process.last_error()} (see {process.log})"
        )
    return api


def _process(home: Path, port: int) -> PrivateProcess:
    api = f"http://127.0.0.1:{port}/api"
    settings = {
        # Whatever the environment or a .env names, it is itself.
        "PREFECT_API_URL": api,
        "PREFECT_HOME": home,
        "PREFECT_PROFILES_PATH": home / "profiles.toml",
        # Without this the pages ask port 4200, wherever the server is.
        "PREFECT_SERVER_UI_API_URL": api,
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Both are needed: the second alone does not stop the server's own telemetry.
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = (
        *("env", *(f"{name}={value}" for name, value in settings.items())),
        *(sys.executable, "-m", "prefect", "server", "start"),
        *("--host", "127.0.0.1", "--port", str(port)),
    )
    return PrivateProcess("prefect", home, command)


def _port(home: Path) -> int:
    """Return the port it had, unless another program has taken it."""
    file = home / "port"
    port = int(file.read_text()) if file.exists() else 0
    if not port or (PrivateProcess("prefect", home, ()).pid is None and not is_free(port)):
        port = free_port()
        file.write_text(str(port))
    return port


def _is_healthy(api: str) -> bool:
    try:
        # The address is our own, hence the noqa.
        with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
