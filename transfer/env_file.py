"""Refuses lines of `.env` that cannot be read, and names that are nearly a setting's."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import parse_stream

from transfer.errors import SettingsError

NEAR = 0.85
SERVERS = ("SOURCE_MYSQL_", "REPLICATION_MYSQL_", "ANALYTICS_POSTGRES_")
# Editors on Windows begin a file with the mark of its encoding.
ENCODING = "utf-8-sig"


def names(file: Path) -> list[str]:
    """Return the names that a file of settings sets, none if there is no such file.

    Raises:
        SettingsError: the file or a line of it cannot be read; nothing in it is quoted.

    """
    if not file.exists():
        return []
    try:
        with file.open(encoding=ENCODING) as lines:
            bindings = list(parse_stream(lines))
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is no UTF-8 text: save it as UTF-8.") from None
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({error.strerror}): give it to the user who runs this."
        ) from None
    wrong = [binding.original.line for binding in bindings if binding.error]
    if wrong:
        raise SettingsError(
            f"{file}: line {wrong[0]} is no NAME=value;"
            " a value with a # or quotes goes into quotes."
        )
    return [str(binding.key) for binding in bindings if binding.key]


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that nothing reads, though they are nearly a setting's or begin like a server's.

    Raises:
        SettingsError: one is misspelt; the right one is named.

    """
    ours = {name.upper() for name in known}
    for name in sorted(given):
        if name.upper() in ours:
            continue
        near = get_close_matches(name.upper(), ours, 1, NEAR)
        prefix = next((server for server in SERVERS if name.upper().startswith(server)), None)
        if prefix and not near:
            of_server = [setting for setting in ours if setting.startswith(prefix)]
            near = get_close_matches(name.upper(), of_server, 1, 0)
        if near:
            raise SettingsError(f"{name} is no setting: did you mean {near[0]}?")
