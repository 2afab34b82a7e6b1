"""How a run ended, as far as somebody is to be told: counts, names and sentences, no values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.verdict import Summary
from transfer.errors import (
    EltError,
    PracticeUpgrading,
    PreflightError,
    SettingsError,
    SourceRefused,
    UnknownTable,
)
from transfer.values.printable import printable
from transfer.values.reasons import State

NAMED = 3  # in a title
KEPT = "Each red table keeps its last complete version, and the next run tries again."
TROUBLE = "docs/troubleshooting.md says what each sentence asks for."
EQUAL = (
    "They are equal to the source again. Find out who wrote into the replica or the warehouse,"
    " or restored them."
)
UNBEGUN = f"Do what the sentence says, then run again. {TROUBLE}"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run was not good: a `table`, a `model` or the `run` itself, by name, and in what way.

    A run's own sentence may name logins and machines, so its name is a digest.
    """

    kind: str
    name: str
    way: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: in a word, in a line, and why, a sentence for each cause; how to mend it.

    `wrong` are the causes that last until a run is good again, `repaired` those that are over. So
    is each former cause of a kind that is among the `settled`, or that the last are.
    """

    word: str
    what: str
    mend: str = ""
    wrong: tuple[tuple[Cause, str], ...] = ()
    repaired: tuple[tuple[Cause, str], ...] = ()
    settled: frozenset[tuple[str, str]] = frozenset()
    settled_kinds: frozenset[str] = frozenset()

    @property
    def good(self) -> bool:
        """True for a run that ended well and repaired nothing."""
        return not (self.wrong or self.repaired)

    def settles(self, cause: Cause) -> bool:
        """Tell whether a former cause is over, as far as this run has seen."""
        if any((each.kind, each.name) == (cause.kind, cause.name) for each, _ in self.wrong):
            return False
        return cause.kind in self.settled_kinds or (cause.kind, cause.name) in self.settled


def of_summary(summary: Summary) -> Ending:
    """Return the ending of a run that came to its verdict."""
    red = [result for result in summary.tables if result.state == State.FAILED]
    mended = [result for result in summary.tables if result.state == State.REPAIRED]
    models = summary.models.failed if summary.models else ()
    wrong = [(Cause("table", each.table, each.error), f"{each.table}: {each.note}") for each in red]
    wrong += [(Cause("model", model.partition(": ")[0]), model) for model in models]
    repaired = tuple(
        (Cause("repair", each.table), f"{each.table}: found {', '.join(map(str, each.found))}")
        for each in mended
    )
    names = [each.table for each in red] + [model.partition(": ")[0] for model in models]
    said = [f"red: {some(names)}"] if names else []
    said += [f"repaired: {some([each.table for each in mended])}"] if mended else []
    mends = [f"{KEPT} {TROUBLE}"] if names else []
    mends += [EQUAL] if mended else []
    return Ending(
        "; ".join(said) or "good",
        summary.sentence,
        " ".join(mends),
        tuple(wrong),
        repaired,
        frozenset(("table", name) for name in _good_tables(summary)),
        frozenset({"run"} | ({"model"} if summary.models and summary.models.good else set())),
    )


def _good_tables(summary: Summary) -> set[str]:
    """Return the tables that are no longer red: good, unchanged, left out or gone."""
    done = {result.table for result in summary.tables if result.state != State.FAILED}
    left_out = {each.table for each in summary.excluded}
    return done | {table for table, _ in summary.skipped} | left_out | set(summary.gone)


def of_refusal(error: EltError | str) -> Ending:
    """Return the ending of a run that could not begin or be finished, from its sentences."""
    if isinstance(error, SourceRefused | PracticeUpgrading | UnknownTable):
        word = "refused"
    elif isinstance(error, SettingsError | PreflightError):
        word = "could not begin"
    else:
        word = "could not be finished"
    sentences = str(error).splitlines()
    wrong = tuple((Cause("run", _digest(sentence)), sentence) for sentence in sentences)
    what = f"The run {'was refused' if word == 'refused' else word}."
    return Ending(word, what, UNBEGUN, wrong)


def _digest(sentence: str) -> str:
    """Return the same for a sentence whose numbers, counts and seconds, are others."""
    return hashlib.sha256(re.sub(r"\d+", "#", sentence).encode()).hexdigest()[:16]


def some(names: Sequence[str]) -> str:
    """Return the first names and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return printable(", ".join(names[:NAMED]) + more)
