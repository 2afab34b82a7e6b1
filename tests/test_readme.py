"""The README says what is: its table of types, its settings, its files, its commands."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from flows.elt import arguments
from transfer import types
from transfer.casts import CASTS, cast_of
from transfer.settings import ROOT, Limits, Server
from transfer.table import Column

README = (ROOT / "README.md").read_text(encoding="utf-8")
TYPES = README.split(types.BEGIN)[-1].split(types.END)[0].strip()
SHOWN = [(rule, name) for rule in CASTS for name in types.names(rule)]


def cells(table: str) -> list[list[str]]:
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_table_of_types_is_that_of_the_rules():
    assert types.table() == TYPES, "the README's table of types is stale: run `make types`"
    assert types.renewed(README) == README


def test_every_rule_has_its_line():
    assert len(cells(TYPES)) == len(CASTS)
    assert all(types.names(rule) for rule in CASTS)


@pytest.mark.parametrize(("rule", "name"), SHOWN, ids=[name for _, name in SHOWN])
def test_a_type_has_the_rule_in_whose_line_it_stands(rule, name):
    word, *rest = name.split()
    written = {"enum": "enum('a')", "set": "set('a')", "decimal": "decimal(5,2)", "varchar": "varchar(5)"}.get(
        word, word
    )
    assert cast_of(Column("c", " ".join((written, *rest)), word)) is rule


def test_settings_have_the_defaults_that_are_said():
    said = {}
    for names, defaults, _ in cells(README[README.index("| variable |") :].split("\n\n")[0]):
        several = names.split(", ")
        said |= dict(zip(several, defaults.split(", ") if len(several) > 1 else [defaults], strict=True))
    defaults = {f"ELT_{name.upper()}": _written(field.default) for name, field in Limits.model_fields.items()}
    defaults["ELT_HANG_SECONDS"] = str(Server.model_fields["hang_seconds"].default)
    assert {name.strip("`"): default.strip("`") for name, default in said.items()} == defaults


def _written(value: object) -> str:
    if value == ():
        return "none"
    if isinstance(value, tuple):
        return ",".join(f"{each:g}" for each in value)
    return str(value).removeprefix(f"{ROOT}/")


def test_every_module_is_in_the_picture_of_folders():
    picture = README.split("```\nflows/")[1].split("```")[0]
    modules = [path.name for folder in ("transfer", "tasks", "flows") for path in (ROOT / folder).glob("[a-z]*.py")]
    assert [name for name in modules if name not in picture] == []
    assert {name for name in re.findall(r"\w+\.py\b", picture) if name not in modules} == set()


def test_links_lead_somewhere():
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README)]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_targets_of_make_exist_and_are_explained():
    said = set(re.findall(r"`make\s(\w+)", README))
    known = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert said - known == set()


def test_commands_of_the_command_line_are_understood():
    commands = re.findall(r"^\.venv/bin/python flows/elt\.py (.*?)(?:\s+#.*)?$", README, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        arguments([word.strip("'") for word in command.split()])


def test_the_types_are_printed_on_request():
    printed = subprocess.run(
        [sys.executable, "-m", "transfer.types"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert printed.stdout.strip() == types.table()
