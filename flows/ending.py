"""How runs end: every ending passes here, on the command line and in a deployment, and is told."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from rich.console import Console

from flows.terminal.command_line import asks_for_no_run
from flows.terminal.console import to_json
from flows.terminal.summary import show_summary
from tasks.telling.endings import Ending, of_refusal, of_summary
from tasks.telling.tell import tell
from tasks.verdict import Summary
from transfer.errors import EltError, Stopped, place_of
from transfer.settings import Settings

log = logging.getLogger("elt")

P = ParamSpec("P")


class RunFailed(EltError):
    """Some table or model is red; `summary` tells which, all others are up to date."""

    def __init__(self, summary: Summary) -> None:
        """Keep the summary and say it in one line."""
        super().__init__(summary.sentence)
        self.summary = summary


def finished(
    console: Console, settings: Settings, options: argparse.Namespace, summary: Summary
) -> int:
    """Print a run's summary in the form that was asked for, tell it, and return its exit code."""
    try:
        if options.json:
            print(to_json(summary))
        else:
            show_summary(console, settings, summary)
    finally:  # whoever reads the output may have left
        _tell(of_summary(summary), aloud=True)
    return 0 if summary.good else 1


def refused(options: argparse.Namespace, error: EltError | str) -> int:
    """Say why nothing could begin or be finished, tell it of a run, and return the exit code."""
    print(error, file=sys.stderr)
    if not (asks_for_no_run(options) or isinstance(error, Stopped)):
        _tell(of_refusal(error), aloud=True)
    return 2


def told(run: Callable[P, Summary]) -> Callable[P, Summary]:
    """Return the run of a flow, which tells how it ends."""

    @wraps(run)
    def telling(*given: P.args, **named: P.kwargs) -> Summary:
        try:
            summary = run(*given, **named)
        except RunFailed as failed:
            _tell(of_summary(failed.summary))
            raise
        except Stopped:
            raise
        except Exception as error:
            _tell(of_refusal(error if isinstance(error, EltError) else sentence_of(error)))
            raise
        _tell(of_summary(summary))
        return summary

    return telling


def sentence_of(error: Exception) -> str:
    """Say what an error that nobody foresaw means for the run."""
    return f"The run could not be finished: {type(error).__name__} at {place_of(error)}."


def _tell(ending: Ending, *, aloud: bool = False) -> None:
    try:
        sentences = tell(ending)
    except Exception as error:  # noqa: BLE001 - the run's verdict stands, whatever telling meets
        sentences = (f"Nobody could be told: {type(error).__name__} at {place_of(error)}.",)
    for sentence in sentences:
        if log.hasHandlers():
            log.warning("%s", sentence)
        if aloud:
            print(sentence, file=sys.stderr)
