"""Sends a message by Apprise and calls a page, each within ten seconds.

What the libraries would say is not shown, as it may quote an address, which holds secrets.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from transfer.settings import is_loopback

if TYPE_CHECKING:
    from apprise.plugins.base import NotifyBase

SECONDS = 10.0
NAME = "OpenDental ELT"


def usable(address: str) -> bool:
    """Tell whether Apprise knows what to do with an address; nothing is sent.

    With the first one it loads all its services, some of which use what Python will drop.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _service(address) is not None


def _service(address: str) -> NotifyBase | None:
    from apprise import Apprise, AppriseAsset

    logging.getLogger("apprise").disabled = True
    # No picture from the network, and nothing kept on the disk.
    ours = AppriseAsset(
        app_id=NAME,
        app_desc=NAME,
        app_url="",
        image_url_mask="",
        image_url_logo="",
        storage_mode="memory",
    )
    return Apprise.instantiate(address, asset=ours)


def send(addresses: Sequence[str], title: str, body: str, *, good: bool) -> list[bool]:
    """Send a message to each address at once; tell of each whether it was taken in time."""
    return within(SECONDS, [partial(_sent, to, title, body, good=good) for to in addresses])


def _sent(address: str, title: str, body: str, *, good: bool) -> bool:
    from apprise import Apprise, NotifyFormat, NotifyType

    service = _service(address)
    if service is None:
        return False
    everyone = Apprise(asset=service.asset)
    everyone.add(service)
    kind = NotifyType.SUCCESS if good else NotifyType.FAILURE
    return bool(everyone.notify(body, title, notify_type=kind, body_format=NotifyFormat.TEXT))


def call(page: str) -> bool:
    """Call a page, and tell whether it answered in time that all is well."""
    return within(SECONDS, [partial(_called, page)]) == [True]


def _called(page: str) -> bool:
    from urllib.request import ProxyHandler, Request, build_opener

    direct = [ProxyHandler({})] if is_loopback(urlsplit(page).hostname or "") else []
    request = Request(page, headers={"User-Agent": "opendental-elt"})  # noqa: S310 - http or https
    with build_opener(*direct).open(request, timeout=SECONDS) as answer:
        return bool(200 <= answer.status < 300)


def within(seconds: float, works: Sequence[Callable[[], bool]]) -> list[bool]:
    """Do all at once; what fails, or is not done in time, is False. Nobody waits for it later."""
    done = [False] * len(works)

    def do(place: int) -> None:
        with suppress(Exception):  # whatever a library raises, its text may hold an address
            done[place] = works[place]()

    threads = [
        threading.Thread(target=do, args=(place,), name="telling", daemon=True)
        for place in range(len(works))
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return list(done)
