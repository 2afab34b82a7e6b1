"""Whether a Prefect server is named and there, at the start of a run and in its middle.

Prefect is imported where it is asked, as a run that finds nothing to do needs none of it.
"""

from __future__ import annotations

import sys
import time
from threading import Event
from urllib.parse import urlsplit

from tasks import surroundings
from transfer.errors import SettingsError


def is_named() -> bool:
    """Tell whether the user's settings name a Prefect server; what names none need not be read."""
    return surroundings.speak_of_prefect() and bool(_address())


def _address() -> str | None:
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def check_server() -> None:
    """Check that the named Prefect server is there; without a name the run starts its own.

    Raises:
        SettingsError: nothing answers at the address.

    """
    address = _address()
    if not address:
        return
    where = urlsplit(address)
    if not where.hostname:
        raise SettingsError("PREFECT_API_URL is not an address such as http://127.0.0.1:4200/api.")
    if _failure():
        raise SettingsError(
            f"PREFECT_API_URL: no Prefect server answers at {where.hostname}:{where.port};"
            " start it (prefect server start),"
            " or unset the variable: the run then uses a server of its own."
        )


def _failure() -> Exception | None:
    """Return why the Prefect server does not answer, None if it does."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(httpx_settings={"timeout": CONNECT_SECONDS}, sync_client=True) as client,
    ):
        return client.api_healthcheck()


CONNECT_SECONDS = 3
PATIENCE_SECONDS = 10


def server_answers() -> bool:
    """Tell whether the named Prefect server is still there; one that answers that it is busy is."""
    from httpx import TransportError

    until = time.monotonic() + (0 if _LOST.is_set() else PATIENCE_SECONDS)
    while _address() and isinstance(_failure(), TransportError):
        if time.monotonic() > until:
            _LOST.set()
            return False
        time.sleep(1)
    _LOST.clear()
    return True


_LOST = Event()


def lost_prefect() -> bool:
    """Tell whether the Prefect server went away in the middle of this process's run."""
    return _LOST.is_set()


NO_OWN_SERVER = (
    "Prefect does not start a server of its own within"
    " PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: look at the variables that begin with"
    " PREFECT_SERVER_ or PREFECT_API_,"
    " or start one (prefect server start) and set PREFECT_API_URL."
)


# `make deploy` asks this before Prefect's own commands do.
if __name__ == "__main__":
    try:
        check_server()
    except SettingsError as error:
        sys.exit(str(error))
