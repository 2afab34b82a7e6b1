"""Tells of a run's end: one message of what is news or over, and a call after a good run."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Sequence

from tasks.telling.endings import Cause, Ending, some
from tasks.telling.memory import FILE, Memory, digest, keep, remembered
from tasks.telling.sending import NAME, SECONDS, call, send, usable
from transfer.errors import SettingsError
from transfer.settings import ROOT, Telling, who_is_told
from transfer.values.printable import printable

SENTENCES = 10  # of a message
UNTOLD = "the run's verdict stands, and its log has all"


def check() -> None:
    """Check the addresses of `ELT_NOTIFY`, once for each change of them; nothing is sent.

    Raises:
        SettingsError: Apprise does not know what to do with one; its place and scheme are named.

    """
    telling: Telling = Telling.read()
    if not telling.addresses:
        return
    with remembered(telling.log_dir) as (memory, file):
        given = digest(telling.notify.get_secret_value())
        if memory.usable == given:
            return
        if sentence := unusable():
            raise SettingsError(sentence)
        memory.usable = given
        keep(memory, file)


def unusable() -> str:
    """Say which of the addresses Apprise does not know what to do with, empty if it does of all."""
    telling = who_is_told()
    for place, address in enumerate(telling.addresses if telling else (), 1):
        if not usable(address):
            return (
                f"ELT_NOTIFY is unusable: Apprise cannot send to {_named(place, address)};"
                " Apprise's own pages say how the address of each service is written."
            )
    return ""


def tell(ending: Ending) -> tuple[str, ...]:
    """Tell of a run's end whoever is to know it; return what could not be told, in sentences."""
    telling = who_is_told()
    if telling is None:
        return ()
    return (*_notify(telling, ending), *(_ping(telling) if ending.good else ()))


def _notify(telling: Telling, ending: Ending) -> list[str]:
    """Send what is news to all addresses, and remember it if one has taken it."""
    if not telling.addresses:
        return []
    with remembered(telling.log_dir) as (memory, file):
        news, over = memory.take(ending, time.time())
        if not news and not over:
            keep(memory, file)
            return []
        addresses = {place: each for place, each in enumerate(telling.addresses, 1) if usable(each)}
        title, body = message(telling, ending, memory, news, over)
        sent = send(list(addresses.values()), title, body, good=ending.good)
        done = dict(zip(addresses, sent, strict=True))
        # Of an address that was usable when the run began, another version of Apprise may differ.
        is_why = unusable() in {sentence for _, sentence in ending.wrong}
        untold = [
            f"ELT_NOTIFY: no message went to {_named(place, address)} within {SECONDS:g} s;"
            f" {UNTOLD}."
            for place, address in enumerate(telling.addresses, 1)
            if not done.get(place, is_why)
        ]
        if any(sent) and not keep(memory, file):
            untold.append(
                f"ELT_LOG_DIR: {telling.log_dir / FILE} cannot be written, or another process holds"
                " it, so the next run does not know what was told."
            )
        return untold


def _named(place: int, address: str) -> str:
    return f"address {place} ({address.partition('://')[0]}://…)"


def _ping(telling: Telling) -> list[str]:
    page = telling.ping.get_secret_value()
    if not page or call(page):
        return []
    return [f"ELT_PING: the page did not answer within {SECONDS:g} s that all is well; {UNTOLD}."]


def message(
    telling: Telling,
    ending: Ending,
    memory: Memory,
    news: Collection[Cause],
    over: Sequence[Cause],
) -> tuple[str, str]:
    """Return title and body: the verdict; what, why, how to mend it and where to look."""
    again = list(dict.fromkeys("the run" if each.kind == "run" else each.name for each in over))
    word = ending.word
    if not news:
        lasting = [each.name for each in memory.lasting if each.kind != "run"]
        still = f"{some(again)}; still red: {some(lasting)}" if lasting else ""
        word = f"recovered{': ' if still else ''}{still}"
    why = [printable(sentence) for _, sentence in (*ending.wrong, *ending.repaired)]
    more = [f"and {len(why) - SENTENCES} more"] if len(why) > SENTENCES else []
    look = f"{telling.log_dir / 'elt_pipeline.log'}, and flows/elt.py --status in {ROOT}"
    parts = {
        "What": [printable(ending.what)],
        "Why": why[:SENTENCES] + more,
        "Good again": [printable(", ".join(again))] if again else [],
        "Mend": [ending.mend] if ending.mend else [],
        "Look": [f"on {socket.gethostname()}: {look}"],
    }
    paragraphs = [f"{name}: " + "\n".join(said) for name, said in parts.items() if said]
    return printable(f"{NAME}: {word}"), "\n\n".join(paragraphs)
