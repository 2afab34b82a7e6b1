"""The house keeps its order: one direction of imports, and one set of variables."""

import ast
import re
from pathlib import Path

import pytest

from transfer.settings import ROOT, variables

FLOORS = {
    "transfer": {"transfer"},
    "tasks": {"transfer", "tasks"},
    "flows": {"transfer", "tasks", "flows"},
}
OURS = {*FLOORS, "deployments", "tests"}
# The rooms from the ground up, each with those that it may import; what stands beside the rooms of a floor is a room, too.
ROOMS = {
    "transfer.values": "",
    "transfer": "values",
    "transfer.rules": "transfer values",
    "transfer.drivers": "transfer",
    "transfer.running": "transfer drivers",
    "transfer.mysql": "transfer values rules drivers running",
    "transfer.postgres": "transfer values rules drivers running",
    "transfer.source": "transfer values mysql",
    "transfer.replica": "transfer values rules running mysql",
    "transfer.warehouse": "transfer values rules mysql postgres",
    "transfer.changes": "transfer values rules mysql postgres warehouse",
    "transfer.journey": "transfer values drivers running mysql postgres source replica warehouse changes",
    "tasks": "transfer values drivers running postgres source replica warehouse journey",
    "tasks.report": "tasks transfer values postgres journey",
    "tasks.telling": "tasks transfer values",
    "flows.terminal": "tasks transfer values warehouse changes journey",
    "flows": "flows.terminal tasks tasks.report tasks.telling transfer values running replica warehouse journey",
}
PLACES = {"source", "replica", "warehouse.raw", "warehouse.public"}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module_of(path).split(".")[: -node.level or None] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def room_of(module: str) -> str:
    return module if MODULES[module].stem == "__init__" else module.rpartition(".")[0]


IMPORTS = {module: imported(path) for module, path in MODULES.items()}


def test_no_layer_is_overlooked():
    """What stands in a folder is looked at like what stands beside it."""
    assert {module.split(".")[0] for module in MODULES} == set(FLOORS)
    assert len(MODULES) > 50


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_go_down_the_house_only(floor):
    upward = {
        (module, name)
        for module, names in IMPORTS.items()
        if module.split(".")[0] == floor
        for name in names
        if name.split(".")[0] in OURS - FLOORS[floor]
    }
    assert not upward


def test_rows_move_without_prefect_and_dbt():
    foreign = {
        (module, name)
        for module, names in IMPORTS.items()
        if module.split(".")[0] == "transfer"
        for name in names
        if name.split(".")[0] in {"prefect", "dbt"}
    }
    assert not foreign


def test_imports_have_no_circles():
    below = {module: (names & set(MODULES)) - {module} for module, names in IMPORTS.items()}
    while free := {module for module, names in below.items() if not names}:
        below = {module: names - free for module, names in below.items() if module not in free}
    assert below == {}


def test_every_room_says_what_it_is_for_and_who_may_import_it():
    said = {
        room_of(module): ast.get_docstring(ast.parse(MODULES[room_of(module)].read_text()))
        for module in MODULES
    }
    assert set(said) == set(ROOMS)
    assert [room for room, words in said.items() if not re.search("import", words or "")] == []


def test_imports_go_down_the_rooms_only():
    below: set[str] = set()
    for room, named in ROOMS.items():
        allowed = {name if name in ROOMS else f"transfer.{name}" for name in named.split()}
        assert allowed <= below, f"{room} may only import rooms below it"
        below.add(room)
        entered = {
            (module, name)
            for module, names in IMPORTS.items()
            if room_of(module) == room
            for name in names & set(MODULES)
            if room_of(name) not in allowed | {room}
        }
        assert not entered


def test_places_do_not_know_each_other():
    for place in PLACES:
        others = tuple(f"transfer.{other}" for other in PLACES - {place})
        modules = {module for module in MODULES if f"{module}.".startswith(f"transfer.{place}.")}
        assert modules, place
        assert not {
            (module, name)
            for module in modules
            for name in IMPORTS[module]
            if name.startswith(others)
        }


def drawn_from_the_module(text: str) -> set[str]:
    """The functions of `random` that draw from the one generator that a whole process shares."""
    nodes = list(ast.walk(ast.parse(text)))
    imports = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules = {alias.asname or alias.name for alias in imports if alias.name == "random"}
    taken = [
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "random"
        for alias in node.names
    ]
    used = [
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in modules
    ]
    return {*taken, *used} - {"Random", "SystemRandom"}


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("import random\nrandom.Random(5).random()", set()),
        ("from random import Random as R, SystemRandom", set()),
        ("def chance():\n    import random\n    return random.randint(1, 6)", {"randint"}),
        ("import random as r\nr.seed(1)", {"seed"}),
        ("from random import choice", {"choice"}),
        ("from random import *", {"*"}),
        ("random = some()\nrandom.shuffle()", set()),
    ],
)
def test_what_draws_from_the_shared_generator_is_told(text, drawn):
    assert drawn_from_the_module(text) == drawn


def test_nothing_of_ours_draws_from_the_generator_that_the_whole_process_shares():
    """Hypothesis warns of whatever does so while it draws, in another thread too."""
    sources = [path for folder in OURS for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    drawn = {
        str(path.relative_to(ROOT)): drawn_from_the_module(path.read_text()) for path in sources
    }
    assert {path: names for path, names in drawn.items() if names} == {}


def test_every_variable_that_the_documents_name_is_a_setting():
    pages = [ROOT / ".env.template", ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(
        re.findall(r"\b(?:SOURCE_MYSQL|REPLICATION_MYSQL|ANALYTICS_POSTGRES|ELT)_[A-Z_]+\b", text)
    )
    assert variables() - named == set()
    assert named - variables() == set()


def test_the_folder_dbt_does_not_hide_the_package_dbt():
    assert not (ROOT / "dbt" / "__init__.py").exists()


def test_the_pins_are_plain_versions_without_addresses():
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)


OUTSIDE_THE_TESTS = [path for folder in OURS - {"tests"} for path in (ROOT / folder).rglob("*.py")]


def test_no_line_of_code_is_longer_than_100_columns():
    assert len(OUTSIDE_THE_TESTS) > 100
    wide = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in OUTSIDE_THE_TESTS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 100
    ]
    assert wide == []


def test_no_file_of_code_has_more_than_400_lines():
    long = [path for path in OUTSIDE_THE_TESTS if len(path.read_text().splitlines()) > 400]
    assert long == []
