"""Reads `.env`, and says which line, name or value of a setting is wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from transfer.errors import SettingsError

NEAR = 0.85
SERVERS = ("SOURCE_MYSQL_", "REPLICATION_MYSQL_", "ANALYTICS_POSTGRES_")
# What it would say of a wrong line, `names` says in a sentence.
logging.getLogger("dotenv.main").disabled = True
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


class File(DotEnvSettingsSource):
    """`.env` as it stands: a `${…}` in a password is no variable."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        values = dotenv_values(file_path, encoding=self.env_file_encoding, interpolate=False)
        return parse_env_vars(
            values, self.case_sensitive, self.env_ignore_empty, self.env_parse_none_str
        )


def sentence(prefix: str, error: ValidationError) -> str:
    """Say which setting is wrong, without its value."""
    found = error.errors(include_input=False, include_url=False)
    if not found[0]["loc"]:  # it is about several variables, and names them
        return f"{found[0]['msg'].removeprefix('Value error, ')}."
    # A field with a variable's name of its own is reported by that name.
    given = [str((fault["loc"] or ("",))[0]) for fault in found]
    names = [name if name.isupper() else prefix + name.upper() for name in given]
    if all(fault["type"] == "missing" for fault in found):
        verb, which = ("is", "it") if len(names) == 1 else ("are", "them")
        where = ".env (see .env.template) or the environment"
        return f"{', '.join(names)} {verb} not set: put {which} into {where}."
    return f"{names[0]} is unusable: {found[0]['msg'].removeprefix('Value error, ')}."


def pairs(value: object, form: str) -> object:
    """Split a list of pairs, as in a=b,c=d; `form` says how it is to be written."""
    if not isinstance(value, str):
        return value
    found = [tuple(parts(pair.lower(), "=")) for pair in parts(value, ",")]
    if any(len(pair) != 2 for pair in found):
        raise ValueError(form)
    return found


def addresses(value: str) -> list[str]:
    """Split a list of addresses, which may hold commas themselves."""
    return re.split(r"[\s,]+(?=\w[\w+.-]*://)", value.strip(" ,\n\t")) if value.strip(" ,") else []


def parts(value: str, separator: str) -> list[str]:
    """Split a list, leaving out what is empty."""
    return [part.strip() for part in value.split(separator) if part.strip()]
