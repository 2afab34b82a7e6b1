"""The dbt project keeps dbt-project-evaluator's rules; those that need a database are in test_dbt_project.py.

Not kept, by choice: `dim_` or `fct_` before every mart, as a mart of a subject is neither; no more than three marts on one
model and no more than six references in one, as the marts are where this project ends and lookups are shared by all.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import PurePosixPath
from typing import Any

import base_tables
import pytest
from conftest import settings_for

from deployments.databases import Databases
from tasks import dbt_project

LAYERS = ("staging", "intermediate", "marts")
SUBJECTS = {"core", "finance", "insurance", "scheduling", "patients", "reconciliation"}

Node = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(module_databases: Databases) -> dict[str, Any]:
    """What dbt makes of the project."""
    base_tables.dbt(settings_for(module_databases), "parse")
    return dict(json.loads((dbt_project.TARGET / "manifest.json").read_text()))


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> dict[str, Node]:
    return {
        name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"
    }


@pytest.fixture(scope="module")
def readers(models: dict[str, Node]) -> dict[str, set[str]]:
    """The models that read a model or source."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, model in models.items():
        for parent in model["depends_on"]["nodes"]:
            found[parent].add(name)
    return found


def layer(model: Node) -> int:
    return LAYERS.index(model["fqn"][1])


def short(name: str) -> str:
    return name.rpartition(".")[2]


def test_layers_are_read_upwards_only(models: dict[str, Node]):
    downward = [
        (short(parent), model["name"])
        for model in models.values()
        for parent in model["depends_on"]["nodes"]
        if parent in models and layer(models[parent]) > layer(model)
    ]
    assert downward == []


def test_staging_reads_its_source_and_the_labels_only(models: dict[str, Node]):
    others = [
        (model["name"], short(parent))
        for model in models.values()
        for parent in model["depends_on"]["nodes"]
        if layer(model) == 0 and not parent.startswith("source.") and short(parent) != "code_labels"
    ]
    assert others == []


def test_sources_are_declared_once_described_fresh_and_read_by_one_model(
    manifest: dict[str, Any], readers: dict[str, set[str]]
):
    sources = manifest["sources"]
    assert [
        name
        for name, count in Counter(each["identifier"] for each in sources.values()).items()
        if count > 1
    ] == []
    assert any(source["source_description"] for source in sources.values())
    for name, source in sources.items():
        assert source["description"], name
        assert source["freshness"]["warn_after"]["count"], name
        assert source["freshness"]["error_after"]["count"], name
        assert len(readers[name]) == 1, name


def test_no_model_comes_from_nowhere(models: dict[str, Node]):
    roots = {model["name"] for model in models.values() if not model["depends_on"]["nodes"]}
    assert roots <= {"int_as_of_date"}


def test_no_model_is_left_unread_but_marts(models: dict[str, Node], readers: dict[str, set[str]]):
    assert [
        model["name"] for name, model in models.items() if layer(model) < 2 and not readers[name]
    ] == []


def test_models_name_relations_by_ref_and_source_only(models: dict[str, Node]):
    for model in models.values():
        code = re.sub(r"\{#.*?#\}|--[^\n]*", "", model["raw_code"], flags=re.DOTALL)
        code = re.sub(
            r"extract\([^()]*\)|distinct from",
            "",
            re.sub(r"\{\{.*?\}\}", "{}", code, flags=re.DOTALL),
        )
        named = set(re.findall(r"\b(?:from|join)\s+(?!lateral\b)([a-z_][\w.]*)(?!\w*\()", code))
        own = set(
            re.findall(
                r"^(\w+) as (?:not materialized |materialized )?\(", code, flags=re.MULTILINE
            )
        )
        assert named - own == set(), model["name"]


def test_a_step_that_one_model_reads_has_a_reason(
    manifest: dict[str, Any], models: dict[str, Node], readers: dict[str, set[str]]
):
    """A model that rejoins what its parent was made from could hold the parent's SQL, were that not tested on its own."""
    tested = {
        parent for test in manifest["unit_tests"].values() for parent in test["depends_on"]["nodes"]
    }
    rejoined = {
        (short(first), models[second]["name"], short(third))
        for first in list(readers)
        for second in readers[first]
        for third in readers[second]
        if third in readers[first]
        and len(readers[second]) == 1
        and layer(models[second]) < 2
        and second not in tested
    }
    assert rejoined == set()


def test_files_are_in_the_folders_of_their_layer(models: dict[str, Node], manifest: dict[str, Any]):
    for model in models.values():
        file = PurePosixPath(model["original_file_path"])
        below = file.parts[2:-1]
        assert (
            below[0] in SUBJECTS
            if layer(model) == 2
            else below == (("opendental",) if layer(model) == 0 else ())
        )
        assert file.stem == model["name"]
        assert PurePosixPath(model["patch_path"].partition("://")[2]).parent == file.parent, model[
            "name"
        ]
    for source in manifest["sources"].values():
        assert PurePosixPath(source["original_file_path"]).parent.parts == (
            "models",
            "staging",
            source["source_name"],
        )
    for test in (*manifest["unit_tests"].values(), *manifest["nodes"].values()):
        if test["resource_type"] == "unit_test":
            model = models[f"model.opendental.{test['model']}"]
            assert (
                PurePosixPath(test["original_file_path"]).parent
                == PurePosixPath(model["original_file_path"]).parent
            )


def test_a_test_that_warns_keeps_the_keys_of_what_it_found(manifest: dict[str, Any]):
    """What only a practice's data can make fail is for somebody there to look at."""
    marts_of_findings = {"reconciliation_summary", "ledger_findings"}
    for test in manifest["nodes"].values():
        if test["resource_type"] == "test" and test["config"]["severity"].lower() == "warn":
            kept = test["config"]["store_failures"] and test["schema"] == "public_findings"
            assert (
                kept or {short(name) for name in test["depends_on"]["nodes"]} <= marts_of_findings
            ), test["name"]


def test_exposures_read_marts_that_are_public_and_have_contracts(
    manifest: dict[str, Any], models: dict[str, Node]
):
    exposures = manifest["exposures"].values()
    assert exposures
    for exposure in exposures:
        assert exposure["description"]
        # a role, not a person
        assert exposure["owner"]["name"]
        assert not exposure["owner"].get("email")
        for name in exposure["depends_on"]["nodes"]:
            assert layer(models[name]) == 2, name
            assert models[name]["config"]["materialized"] in ("table", "incremental"), name
    for model in models.values():
        assert (model["access"] == "public") == (layer(model) == 2), model["name"]
        assert model["contract"]["enforced"] == (layer(model) == 2), model["name"]


def test_the_exposure_of_the_report_names_what_the_report_reads(manifest: dict[str, Any]):
    subjects = pytest.importorskip("tasks.report.subjects")
    read = {metric.partition(".")[0] for each in subjects.everything() for metric in each.metrics}
    exposure = manifest["exposures"]["exposure.opendental.practice_report"]
    assert read <= {short(name) for name in exposure["depends_on"]["nodes"]}
