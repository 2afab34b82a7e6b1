"""What the sessions of both kinds of server share: how a setting is written, and what proves them.

A session is set so that statements mean the same everywhere, and it proves that values cross it
unchanged. A server, a database, a role, the environment or a proxy may have set any of these
otherwise, for reasons of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Setting:
    """A session variable, its value as SQL writes it, and why it is set.

    `since` is the version comment without which a server that lacks the variable would refuse the
    statement: `!50708` for MySQL, of which MariaDB skips 50700 to 99999, `M!100300` for MariaDB,
    which MySQL skips. Of PostgreSQL it is the version, for what cannot stand in the startup packet:
    an unknown name there ends the session.
    """

    name: str
    value: str
    reason: str
    since: str = ""


# Characters of one to four bytes, and what a literal has to escape.
TEXT = "a\\'\"%ñ€😀"
DOUBLE = 0.30000000000000004
MOMENT = datetime(2024, 2, 29, 23, 59, 58, 123456)  # noqa: DTZ001 - as it is stored

# What is wrong if a value of the proof differs.
MEANT = {
    "sent": "texts reach it as others than were sent",
    "received": "texts come from it as others than it holds",
    "label": "labels come from it as others than it holds",
    "number": "floating-point numbers come from it as others than it holds",
    "exact": "floating-point numbers reach it as others than were sent",
    "moment": "times come from it as others than it holds",
    "zone": "its sessions are in another time zone than UTC",
    "clock": "its sessions' clock is not the server's",
    "charsets": "its sessions speak another character set than utf8mb4",
    "autocommit": "its sessions are in a transaction from the start",
    "unlimited": "its sessions cut long results",
    "counting": "its sessions begin with an AUTO_INCREMENT of their own (insert_id)",
    "place": "its sessions are in another database than was asked for",
}
