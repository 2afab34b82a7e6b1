"""Every precondition of a run, at once: what `--doctor` shows. It changes nothing on any server."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tasks import prefect_checks
from tasks.telling import tell
from transfer import settings
from transfer.errors import SettingsError
from transfer.journey import doctor
from transfer.settings import Settings, read_settings, who_is_told
from transfer.values.checked import Checked

PLACE = "settings"
PLACES = (PLACE, "source", "replica", "warehouse", "servers", "runs", prefect_checks.PLACE)
MB, GB = 10**6, 10**9
LARGE = GB


def examine() -> tuple[Checked, ...]:
    """Check the settings, the files, the three servers and Prefect."""
    found = [_env_file(settings.ENV_FILE)]
    try:
        chosen = read_settings()
    except SettingsError as error:
        unusable = [
            Checked(PLACE, "values", "unusable; no server was asked", sentence)
            for sentence in str(error).splitlines()
        ]
        return (*found, *unusable)
    found.append(Checked(PLACE, "values", "all known and usable"))
    found += [*_telling(), _logs(chosen)]
    found += [*doctor.examine(chosen), *prefect_checks.examine()]
    return tuple(sorted(found, key=lambda each: PLACES.index(each.place)))


def _env_file(file: Path) -> Checked:
    """Check that nobody else can read the passwords."""
    if not file.exists():
        return Checked(PLACE, ".env", "not there: the environment has the settings")
    mode = stat.S_IMODE(file.stat().st_mode)
    open_to_all = (
        f"{file} holds passwords and everybody on this machine can read it: run chmod 600 {file}."
    )
    return Checked(
        PLACE, ".env", f"mode {mode:03o}", open_to_all if mode & stat.S_IROTH else "", stops=False
    )


def _telling() -> Iterator[Checked]:
    telling = who_is_told()
    count = len(telling.addresses) if telling else 0
    measured = f"{count} addresses" if count else "nobody (ELT_NOTIFY)"
    yield Checked("runs", "told to", measured, tell.unusable())


def _logs(chosen: Settings) -> Checked:
    """Check that logs can be written, without writing one."""
    folder = chosen.limits.log_dir
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    full = (
        f"ELT_LOG_DIR: {folder} cannot be written by this user; give it to the one who runs this,"
        " or name another."
    )
    files = list(folder.glob("*.log"))
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    writable = writable and all(os.access(file, os.W_OK) for file in files)
    size = sum(file.stat().st_size for file in files)
    large = (
        f"{folder}: the logs have {size / GB:.1f} GB; let logrotate turn them (docs/operations.md)."
    )
    sentence = full if not writable else large if size > LARGE else ""
    return Checked("runs", "logs", f"{folder}, {size / MB:.0f} MB", sentence, stops=False)
