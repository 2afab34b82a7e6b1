"""What may be asked for on the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from transfer.errors import SettingsError


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python flows/elt.py",
        description="Bring replica, raw and public up to date with the OpenDental source,"
        " then build the dbt models.",
    )
    parser.add_argument(
        "--table",
        action="append",
        metavar="NAME",
        help="only this table; repeatable, wildcards allowed",
    )
    parser.add_argument(
        "--full", action="store_true", help="read everything again, whatever the evidence says"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="compare source, replica, raw and public row by row; repair what differs",
    )
    parser.add_argument(
        "--accept-shrink",
        action="store_true",
        help="take tables that lost most of their rows since they were last read",
    )
    parser.add_argument(
        "--accept-source",
        action="store_true",
        help="take a source that is another practice's than before,"
        " or that lacks many of its tables",
    )
    _add_other_calls(parser)
    parser.add_argument("--no-dbt", action="store_true", help="leave the models as they are")
    parser.add_argument("--json", action="store_true", help="print the plan or the summary as JSON")
    return parser.parse_args(given)


def _add_other_calls(parser: argparse.ArgumentParser) -> None:
    """Add the options that do something else than a run."""
    parser.add_argument(
        "--plan", action="store_true", help="show what would be done and why, and change nothing"
    )
    parser.add_argument(
        "--status",
        nargs="*",
        metavar="NAME",
        help="show the last run and how fresh each table is, or those named, and change nothing",
    )
    parser.add_argument(
        "--older-than",
        type=_hours,
        metavar="TIME",
        help="with --status: end with 1 if the last good run, or one of the tables, is older than"
        " that, as in 26h, 90m or 2d",
    )
    parser.add_argument(
        "--doctor",
        action="store_true",
        help="check every precondition of a run, say how to mend what is wrong, and change nothing",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="with --plan or --status: show every table, also those about which there is nothing"
        " to say",
    )
    parser.add_argument(
        "--drop-gone",
        action="append",
        metavar="NAME",
        help="do nothing but drop this table, which the source no longer has, everywhere;"
        " repeatable, wildcards allowed",
    )


HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0}


def _hours(text: str) -> float:
    """Read a span of time, in hours."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no time such as 26h, 90m or 2d")
    return int(found[1]) * HOURS[found[2]]


def asks_for_no_run(options: argparse.Namespace) -> bool:
    """Tell whether something else is asked for than a run."""
    return bool(options.status is not None or options.plan or options.drop_gone or options.doctor)


def check_alone(options: argparse.Namespace) -> None:
    """Refuse options that would be ignored.

    Raises:
        SettingsError: an option stands beside --drop-gone, --status or --doctor, or without its
            own.

    """
    if options.older_than is not None and options.status is None:
        raise SettingsError("--older-than belongs to --status: add it.")
    if options.all and options.status is None and not options.plan:
        raise SettingsError("--all belongs to --plan or --status: add one of them.")
    others = {
        "--plan": options.plan,
        "--full": options.full,
        "--verify": options.verify,
        "--no-dbt": options.no_dbt,
    }
    others |= {"--accept-shrink": options.accept_shrink, "--accept-source": options.accept_source}
    dropping = others | {
        "--table": options.table,
        "--json": options.json,
        "--status": options.status is not None,
    }
    if options.drop_gone and (beside := [name for name, given in dropping.items() if given]):
        raise SettingsError(
            f"--drop-gone does nothing else: leave {', '.join(beside)} out. Nothing was dropped."
        )
    looking = dropping | {"--drop-gone": options.drop_gone}
    del looking["--json"]
    if options.doctor and (beside := [name for name, given in looking.items() if given]):
        raise SettingsError(
            f"--doctor checks everything and does nothing else: leave {', '.join(beside)} out."
        )
    if options.status is not None and (beside := [name for name, given in others.items() if given]):
        raise SettingsError(
            f"--status shows how things are and does nothing else: leave {', '.join(beside)} out."
        )
