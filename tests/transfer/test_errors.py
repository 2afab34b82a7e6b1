"""The tree of errors is the one that is drawn, and each error keeps what all of them promise."""

from __future__ import annotations

import pickle
import re

import pytest
from prefect.states import Failed

from tasks.retrying import may_help
from transfer import errors, server_codes
from transfer.drivers.faults import code_of
from transfer.drivers.offered import FileRefused
from transfer.drivers.reader import ReaderDied, ReaderHung, ReaderPanicked
from transfer.errors import (
    ChannelFault,
    DatabaseFault,
    EltError,
    PracticeUpgrading,
    PreflightError,
    ServerHangs,
    SettingsError,
    SourceRefused,
    Stopped,
    TableBusy,
    TableError,
    TableShrunk,
    TableUnsteady,
    TableVanished,
    UnknownTable,
    class_of,
)

# Whether trying the same again, a little later, may help.
TRIED_AGAIN = {
    EltError("the error."): False,
    SettingsError("ELT_WORKERS is no number."): False,
    PreflightError("the source is read-only."): True,
    SourceRefused("the source lacks tables."): False,
    PracticeUpgrading("OpenDental is being upgraded."): False,
    UnknownTable("there is no such table."): False,
    TableError("patient has no columns."): False,
    TableShrunk("patient has 1 row."): False,
    TableUnsteady("patient was written."): True,
    TableVanished("patient is gone."): False,
    TableBusy("patient is held."): False,
    Stopped("The run was stopped."): False,
    DatabaseFault("source", "reading patient", "1205"): True,
    ChannelFault("warehouse", "localhost:5432", "TimeZone is not UTC"): True,
    ServerHangs("replica", "reading patient", "localhost:3306", 30.0): False,
}


def drawn() -> dict[str, str]:
    """Each error of the drawing, with the one above it."""
    lines = re.findall(
        r"^((?:│?\s*[├└]── )?)(\w+)(?:\s{2,}.*)?$", errors.__doc__ or "", re.MULTILINE
    )
    above: list[str] = []
    parents = {}
    for branch, name in lines:
        depth = len(branch) // 4
        above = [*above[:depth], name]
        parents[name] = above[depth - 1] if depth else ""
    return parents


def below(error: type[EltError]) -> set[type[EltError]]:
    return {error}.union(*map(below, error.__subclasses__()))


def test_the_tree_is_the_one_that_is_drawn():
    ours = {error for error in below(EltError) if error.__module__ == errors.__name__}
    parents = {error.__name__: error.__base__.__name__ for error in ours - {EltError}}
    assert drawn() == {"EltError": "", **parents}
    assert {type(error) for error in TRIED_AGAIN} == ours


@pytest.mark.parametrize("error", TRIED_AGAIN, ids=class_of)
def test_prefect_tries_again_what_may_help(error):
    assert may_help(None, None, Failed(data=error)) is TRIED_AGAIN[error]


@pytest.mark.parametrize("error", TRIED_AGAIN, ids=class_of)
def test_an_error_crosses_to_another_process_as_it_is(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("error", TRIED_AGAIN, ids=class_of)
def test_an_error_is_one_printable_sentence(error):
    assert str(error).isprintable()
    assert str(error).endswith(".")
    copy = type(error)(*("a\x1b[2J" if isinstance(part, str) else part for part in error.args))
    assert str(copy).isprintable()


@pytest.mark.parametrize("code", [*server_codes.MEANINGS, "", "99999"])
def test_a_fault_says_in_words_what_its_code_means(code):
    said = str(DatabaseFault("source", "reading patient", code))
    assert said.startswith("source: reading patient failed: ")
    assert server_codes.meaning(code) in said
    assert (f"(error {code})" in said) == bool(code)


@pytest.mark.parametrize("error", [ReaderPanicked, ReaderHung, ReaderDied, FileRefused])
def test_what_our_own_readers_raise_has_a_code(error):
    """They stand for a driver's errors, which `faults` turns into a DatabaseFault."""
    assert code_of(error.__new__(error)) in server_codes.MEANINGS
