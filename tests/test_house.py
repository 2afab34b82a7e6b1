"""The house keeps its order: one direction of imports, and one set of variables."""

import ast
import re
from pathlib import Path

import pytest

from transfer.settings import ROOT, Limits, Replica, Source, Warehouse

FLOORS = {"transfer": {"transfer"}, "tasks": {"transfer", "tasks"}, "flows": {"transfer", "tasks", "flows"}}
OURS = {*FLOORS, "deployments", "tests"}
PLACES = {"source", "replica", "raw", "public"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_go_down_the_house_only(floor):
    upward = {
        (path.name, name)
        for path in (ROOT / floor).glob("*.py")
        for name in imported(path)
        if name.split(".")[0] in OURS - FLOORS[floor]
    }
    assert not upward


def test_rows_move_without_prefect_and_dbt():
    foreign = {
        (path.name, name)
        for path in (ROOT / "transfer").glob("*.py")
        for name in imported(path)
        if name.split(".")[0] in {"prefect", "dbt"}
    }
    assert not foreign


def test_places_do_not_know_each_other():
    for place in PLACES:
        others = {f"transfer.{other}" for other in PLACES - {place}}
        assert not imported(ROOT / "transfer" / f"{place}.py") & others, place


def variables() -> set[str]:
    groups = (Source, Replica, Warehouse, Limits)
    return {
        (f"{group.model_config['env_prefix']}{name}").upper().replace("SCHEMA_NAME", "SCHEMA")
        for group in groups
        for name in group.model_fields
    }


def test_every_variable_is_in_the_template_or_the_readme_and_the_other_way_round():
    template = (ROOT / ".env.template").read_text()
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"\b(?:SOURCE_MYSQL|REPLICATION_MYSQL|ANALYTICS_POSTGRES|ELT)_[A-Z_]+\b", template + readme))
    assert variables() - named == set()
    assert named - variables() == set()


def test_the_folder_dbt_does_not_hide_the_package_dbt():
    assert not (ROOT / "dbt" / "__init__.py").exists()


def test_the_pins_are_plain_versions_without_addresses():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
