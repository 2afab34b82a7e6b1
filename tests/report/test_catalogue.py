"""The catalogue of metrics says what the models say, and refuses what is not complete."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tasks.report import catalogue
from tasks.report.catalogue import CatalogueError, metrics, page
from transfer.settings import ROOT

WHOLE = {
    "name": "rate",
    "label": "Rate",
    "unit": "percent",
    "definition": "Of a\nand b.",
    "expression": "sum(a || b)",
}


def described(folder: Path, *entries: dict[str, str]) -> Path:
    (folder / "subject").mkdir()
    model = {
        "name": "mart",
        "description": "One row per day. More.",
        "config": {"meta": {"metrics": list(entries)}},
    }
    (folder / "subject" / "_models.yml").write_text(
        yaml.safe_dump({"models": [model, {"name": "plain"}]})
    )
    return folder


def test_the_page_is_what_the_models_say():
    written = (ROOT / "dbt" / "METRICS.md").read_text(encoding="utf-8")
    assert written == page(), "dbt/METRICS.md is stale: run `make metrics`"


def test_every_subject_has_metrics():
    assert {metric.subject for metric in metrics().values()} >= {
        "finance",
        "insurance",
        "patients",
        "scheduling",
    }


def test_a_metric_is_a_line_of_its_marts_table(tmp_path: Path):
    text = page(
        described(
            tmp_path,
            WHOLE | {"report": "OpenDental: Reports > One"},
            WHOLE | {"name": "other", "report": "none"},
        )
    )
    assert "## Subject\n\n### mart\n\nOne row per day.\n\n| metric |" in text
    assert "| **Rate** `rate` | percent | Of a and b. | `sum(a \\|\\| b)` | Reports > One |" in text
    assert "`other` | percent | Of a and b. | `sum(a \\|\\| b)` | |" in text


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (
            [{key: value for key, value in WHOLE.items() if key != "unit"}],
            "a metric of mart has no unit",
        ),
        ([WHOLE | {"unit": "euro"}], "mart.rate has the unit euro, not count"),
        ([WHOLE | {"formula": "1"}], "a metric of mart has formula, which is no field"),
        ([WHOLE, WHOLE], "defined twice: mart.rate"),
    ],
    ids=["missing", "unit", "unknown", "twice"],
)
def test_an_incomplete_metric_is_refused(entries: list[dict[str, str]], why: str, tmp_path: Path):
    with pytest.raises(CatalogueError, match=why):
        catalogue.metrics(described(tmp_path, *entries))
