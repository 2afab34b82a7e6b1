"""A precondition of runs, as it was found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checked:
    """A precondition: where, what, and the value that was measured.

    The `sentence` says what is wrong and how to mend it, empty if the precondition holds. Only one
    that `stops` is a reason to refuse a run.
    """

    place: str
    name: str
    measured: str
    sentence: str = ""
    stops: bool = True

    @property
    def holds(self) -> bool:
        """True if nothing is wrong."""
        return not self.sentence
