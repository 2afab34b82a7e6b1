"""What a machine's environment may tell Prefect, dbt and a proxy's users, and what of it counts.

It is set before Prefect is imported. This module itself imports Prefect only to check it.
A run that finds nothing to do needs no Prefect, whose import takes longer than such a run.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Iterable
from contextlib import redirect_stderr
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from transfer import env_file
from transfer.errors import SettingsError
from transfer.settings import ROOT, is_loopback

RESULTS = ROOT / ".local" / "results"
PROFILES = Path.home() / ".prefect" / "profiles.toml"

# The user's own choice wins.
DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The first start creates and migrates Prefect's own database: longer than its 20 s by default.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # Each of Prefect's own six tries waits so long for a server that hangs. With its default of a
    # minute a run would take ten to end.
    "PREFECT_API_REQUEST_TIMEOUT": "20",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "elt",
    # A log record from outside a flow, as of the pre-flight, is not for its server: no warning.
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # Apart from others' results in ~/.prefect, as we remove our old ones. The user's own choice
    # counts under its older name too.
    "PREFECT_RESULTS_LOCAL_STORAGE_PATH": os.environ.get("PREFECT_LOCAL_STORAGE_PATH")
    or str(RESULTS),
}
# What is tried again, cached and kept is for us to say, whatever a user's environment, profile or
# prefect.toml says.
OURS = {
    "PREFECT_FLOWS_DEFAULT_RETRIES": "0",
    "PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS": "0",
    "PREFECT_TASKS_DEFAULT_RETRIES": "0",
    "PREFECT_TASKS_DEFAULT_RETRY_DELAY_SECONDS": "0",
    "PREFECT_TASKS_DEFAULT_NO_CACHE": "false",
    "PREFECT_TASKS_DISABLE_CACHING": "false",
    "PREFECT_TASKS_REFRESH_CACHE": "false",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "pickle",
}
WITHOUT = frozenset(
    {
        "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK",
        "PREFECT_FLOW_DEFAULT_RETRIES",
        "PREFECT_FLOW_DEFAULT_RETRY_DELAY_SECONDS",
        "PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK",
        "PREFECT_TASKS_DEFAULT_PERSIST_RESULT",
        "PREFECT_TASK_DEFAULT_RETRIES",
        "PREFECT_TASK_DEFAULT_RETRY_DELAY_SECONDS",
        "PREFECT_TESTING_TEST_MODE",
        "PREFECT_TESTING_UNIT_TEST_MODE",
        "PREFECT_TEST_MODE",
        "PREFECT_UNIT_TEST_MODE",
    }
)
# The command line shows its own progress; Prefect's lines still reach its server.
IN_A_TERMINAL = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PROXIES = frozenset(
    {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY", "SOCKS_PROXY"}
)


def settle() -> None:
    """Set what is ours, and let no address of this machine go through a proxy."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    _forget(OURS.keys() | WITHOUT)
    os.environ.update(OURS)
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    lacking = [host for host in LOOPBACK if host not in direct.split(",")]
    if direct.strip() != "*":
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, [direct, *lacking]))


def _forget(names: Iterable[str]) -> None:
    """Remove variables from the environment, in upper or lower case."""
    for name in [name for name in os.environ if name.upper() in names]:
        del os.environ[name]


def speak_of_prefect() -> bool:
    """Tell whether anything that a user has set may be Prefect's; only there can a server be named.

    What it means only Prefect knows. So what looks like a setting of Prefect's counts as one.
    """
    ours = DEFAULTS | OURS | IN_A_TERMINAL
    told = (name for name, value in os.environ.items() if ours.get(name) != value)
    return (
        "prefect" in sys.modules
        or any(map(_is_prefects, told))
        or any(path.exists() for path in (Path("prefect.toml"), PROFILES))
        or _env_file_speaks()
        or _project_file_speaks()
    )


def _is_prefects(name: str) -> bool:
    return name.upper().startswith("PREFECT_")


def _env_file_speaks() -> bool:
    """Tell whether the folder's `.env` has a line for Prefect; one that cannot be read may."""
    try:
        return any(map(_is_prefects, env_file.names(Path(".env"))))
    except SettingsError:
        return True


def _project_file_speaks() -> bool:
    """Tell whether the folder's `pyproject.toml` says more to Prefect than ours, of its server."""
    try:
        told = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return not told.get("tool", {}).get("prefect", {}).keys() <= {"server"}


def check() -> None:
    """Check that Prefect takes its settings and can reach its server, or has a folder for its own.

    It is for the command line's own process: for a server on this machine it forgets all proxies.

    Raises:
        SettingsError: a variable of Prefect's or of the machine cannot be used; it is named.

    """
    try:
        # What is wrong is said below, once.
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            import prefect.main  # noqa: F401 - with which the user's profile counts
            from prefect.settings import get_current_settings

            settings = get_current_settings()
    except ValidationError as error:
        raise SettingsError(_refused(error)) from None
    except (tomllib.TOMLDecodeError, OSError, ValueError) as error:
        where = "PREFECT_PROFILES_PATH, or profiles.toml in PREFECT_HOME"
        raise SettingsError(f"{where}, cannot be read ({type(error).__name__}).") from None
    if not settings.api.url:
        _check_own_server(settings)
    if not settings.api.url or is_loopback(urlsplit(settings.api.url).hostname or ""):
        _forget(PROXIES)
    _check_way()


def _refused(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False)[0]
    ending = str(found["loc"][-1] if found["loc"] else "").upper().removeprefix("PREFECT_")
    names = [
        name
        for name in os.environ
        if name.upper().startswith("PREFECT_") and name.upper().endswith(ending)
    ]
    where = (
        names[0]
        if names
        else f"{ending.lower()} in Prefect's profile, prefect.toml, pyproject.toml or .env"
    )
    return f"{where} is unusable: {found['msg']}."


def _check_own_server(settings: object) -> None:
    if not settings.server.ephemeral.enabled:  # type: ignore[attr-defined]
        raise SettingsError(
            "PREFECT_API_URL names no Prefect server, and PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"
            " forbids one of the run's own: set the one or unset the other."
        )
    home = settings.home  # type: ignore[attr-defined]
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"x")
    except OSError as error:
        raise SettingsError(
            f"PREFECT_HOME: {home} cannot be written ({error.strerror}), where Prefect keeps its"
            " own database; name another folder, or a Prefect server by PREFECT_API_URL."
        ) from None


def _check_way() -> None:
    import httpx

    try:
        httpx.Client().close()
    except (ValueError, ImportError) as error:
        named = " ".join(sorted(name for name in os.environ if name.upper() in PROXIES))
        raise SettingsError(
            f"{named or 'NO_PROXY'}: no such proxy can be used ({type(error).__name__})."
        ) from None
    except OSError:
        raise SettingsError(
            "SSL_CERT_FILE or SSL_CERT_DIR names certificates that cannot be read."
        ) from None
