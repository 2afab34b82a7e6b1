"""README and docs say what is: types, settings, files, links, commands; and they can be read without stopping."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from flows.terminal.command_line import arguments
from transfer.rules import types
from transfer.rules.casts import CASTS, cast_of
from transfer.settings import GROUPS, ROOT
from transfer.values.table import Column

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (
    README,
    *sorted(DOCS.glob("*.md")),
    ROOT / "deployments" / "README.md",
    ROOT / "transfer" / "standardize" / "README.md",
    ROOT / "CHANGELOG.md",
)
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())
PROMISES, CONFIGURATION, ARCHITECTURE = (
    TEXTS[f"docs/{name}.md"] for name in ("promises", "configuration", "architecture")
)
TYPES = PROMISES.split(types.BEGIN)[-1].split(types.END)[0].strip()
SHOWN = [(rule, name) for rule in CASTS for name in types.names(rule)]

MOST_LINES, MOST_WORDS = 150, 1_200  # of README.md
LONGEST_SENTENCE, LONGEST_LINE = 30, 100


def cells(table: str) -> list[list[str]]:
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def without_code(text: str) -> str:
    """Return a page without its blocks of code and its comments."""
    return re.sub(r"^```.*?^```$|<!--.*?-->", "", text, flags=re.MULTILINE | re.DOTALL)


def blocks(text: str) -> Iterator[str]:
    """Yield what stands alone on a page: a paragraph, an item of a list, a heading, a cell of a table."""
    block: list[str] = []
    for line in [*without_code(text).splitlines(), ""]:
        if not line.strip() or re.match(r"\s*(?:\*|\d+\.) |[#|]", line):
            yield " ".join(block)
            block = []
        if line.startswith("|"):
            yield from line.strip("|").split("|")
        else:
            block.append(line.strip())


def sentences(text: str) -> Iterator[str]:
    """Yield a page's sentences; code counts as a word, and a link as its text."""
    for block in blocks(text):
        plain = re.sub(r"`[^`]+`", "code", block)
        plain = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", plain).replace("*", "").strip()
        yield from re.split(r"(?<=[.!?])[)\"]?\s+", plain)


def words(sentence: str) -> int:
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings have where it is shown."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_table_of_types_is_that_of_the_rules():
    assert types.table() == TYPES, (
        "the table of types in docs/promises.md is stale: run `make types`"
    )
    assert types.renewed(PROMISES) == PROMISES


def test_every_rule_has_its_line():
    assert len(cells(TYPES)) == len(CASTS)
    assert all(types.names(rule) for rule in CASTS)


@pytest.mark.parametrize(("rule", "name"), SHOWN, ids=[name for _, name in SHOWN])
def test_a_type_has_the_rule_in_whose_line_it_stands(rule, name):
    word, *rest = name.split()
    written = {
        "enum": "enum('a')",
        "set": "set('a')",
        "decimal": "decimal(5,2)",
        "varchar": "varchar(5)",
    }.get(word, word)
    assert cast_of(Column("c", " ".join((written, *rest)), word)) is rule


def test_the_types_are_printed_on_request():
    printed = subprocess.run(
        [sys.executable, "-m", "transfer.rules.types"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert printed.stdout.strip() == types.table()


def test_every_setting_is_in_the_configuration_with_its_default():
    tables = [text.split("\n\n")[0] for text in CONFIGURATION.split("| variable |")[1:]]
    said = {
        name.strip("`"): default.strip("`")
        for table in tables
        for name, default, _ in cells(f"|\n{table}")
    }
    fields = [
        (field.validation_alias or f"{group.model_config['env_prefix']}{name}".upper(), field)
        for group in GROUPS.values()
        for name, field in group.model_fields.items()
    ]
    assert said == {
        name: "required" if field.is_required() else written(field.default)
        for name, field in fields
    }


def written(value: object) -> str:
    if value in ((), None):
        return "none"
    if isinstance(value, tuple):
        return ",".join(f"{each:g}" for each in value)
    return str(value).removeprefix(f"{ROOT}/")


def test_every_module_is_in_the_picture_of_folders():
    picture = ARCHITECTURE.split("## The folders\n\n```\n")[1].split("```")[0]
    floor, folder, drawn = "", "", []
    for line in picture.splitlines():
        if found := re.match(r"(  )?(\w+)/", line):
            floor = floor if found[1] else found[2]
            folder = f"{floor}/{found[2]}" if found[1] else floor
        drawn += [f"{folder}/{name}" for name in re.findall(r"\w+\.py\b", line)]
    folders = ("transfer", "tasks", "flows")
    modules = [
        path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("[a-z]*.py")
    ]
    assert sorted(drawn) == sorted(map(str, modules))


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page):
    astray = []
    for link in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        name, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            astray.append(link)
    assert astray == []


def test_the_readme_links_every_page_of_the_docs():
    linked = set(re.findall(r"\]\((docs/\w+\.md)\)", TEXTS["README.md"]))
    assert linked == {page for page in TEXTS if page.startswith("docs/")}


def test_files_that_are_named_exist():
    """A file in code is named from the project's root; what a run or a user makes need not be there."""
    folders = "|".join(
        path.name for path in ROOT.iterdir() if path.is_dir() and re.match(r"[a-z]", path.name)
    )
    named = set(re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)`", ALL))
    assert "transfer/settings.py" in named
    made = ("reports/", "logs/")
    assert {
        name for name in named if not name.startswith(made) and not (ROOT / name).exists()
    } == set()


def test_targets_of_make_exist_and_are_explained():
    said = set(re.findall(r"(?:`|^)make ([a-z]+)", ALL, re.MULTILINE))
    known = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert "demo" in said
    assert said - known == set()


def test_commands_of_the_command_line_are_understood():
    commands = re.findall(r"^\.venv/bin/python flows/elt\.py(.*?)(?:\s+#.*)?$", ALL, re.MULTILINE)
    assert len(commands) >= 10
    for command in commands:
        arguments([word.strip("'") for word in command.split()])


def test_every_option_of_the_command_line_is_shown(capsys):
    with pytest.raises(SystemExit):
        arguments(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    shown = set(re.findall(r"--[a-z-]+", TEXTS["docs/operations.md"]))
    assert "--plan" in options
    assert options - shown == set()


def test_the_readme_is_short():
    text = TEXTS["README.md"]
    assert len(text.splitlines()) <= MOST_LINES
    assert len(text.split()) <= MOST_WORDS


@pytest.mark.parametrize("page", TEXTS)
def test_no_sentence_is_too_long(page):
    assert [
        sentence for sentence in sentences(TEXTS[page]) if words(sentence) > LONGEST_SENTENCE
    ] == []


@pytest.mark.parametrize("page", TEXTS)
def test_no_line_of_prose_is_too_long(page):
    lines = without_code(TEXTS[page]).splitlines()
    assert [line for line in lines if len(line) > LONGEST_LINE and not line.startswith("|")] == []


def test_sentences_end_where_they_end():
    text = "# A title\n\nOne `a. b` here (and there.) Two, of 1.5 s:\n\n* three. Four\n\n| five. | six |\n"
    assert [sentence for sentence in sentences(text) if words(sentence)] == [
        "# A title",
        "One code here (and there.",
        "Two, of 1.5 s:",
        "three.",
        "Four",
        "five.",
        "six",
    ]


def test_every_page_says_whom_it_is_for():
    assert [
        page
        for page in TEXTS
        if page.startswith("docs/") and not re.match(r"# .+\n\nFor ", TEXTS[page])
    ] == []
