"""The metrics that the marts' own descriptions define, for the report and the catalogue."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from tasks import files
from transfer.errors import EltError
from transfer.settings import ROOT

MARTS = ROOT / "dbt" / "models" / "marts"
UNITS = {
    "count": "a number",
    "days": "days",
    "hours": "hours",
    "money": "the practice's currency, exact",
    "percent": "a share: 0.25 is 25 %",
}
HEAD = """\
# Metrics

Written by `make metrics` from the marts' own descriptions (`config.meta.metrics` in
`dbt/models/marts`): edit those.

A metric is an SQL expression over its mart. It carries its numerator and denominator, so that rows
may be taken together, by month, provider or clinic, without averaging averages. What is counted at
the end of a month is not to be added up over months. Some rows are dated later than today:
scheduled production, post-dated payments.

```sql
SELECT date_trunc('month', production_date), sum(net_production) FROM public_marts.daily_production
WHERE production_date <= current_date GROUP BY 1 ORDER BY 1;
```

The last column names the report of OpenDental that shows the same number. Where it is empty,
OpenDental has no such report.
"""


class CatalogueError(EltError):
    """A mart's description of its metrics is incomplete."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a mart: `expression` is SQL over it, and `subject` the mart's folder.

    `report` is what OpenDental shows it in, empty if it does not.
    """

    subject: str
    mart: str
    name: str
    label: str
    unit: str
    definition: str
    expression: str
    report: str


def metrics(folder: Path = MARTS) -> dict[str, Metric]:
    """Return the metrics of all marts, each by `mart.name`.

    Raises:
        CatalogueError: one lacks a field, has an unknown unit or comes twice, or a file cannot be
            read.

    """
    found = [
        _metric(str(path.parent.relative_to(folder)), str(model["name"]), entry)
        for path in sorted(folder.rglob("*.yml"))
        for model in _models(path)
        for entry in model.get("config", {}).get("meta", {}).get("metrics", [])
    ]
    named = {f"{metric.mart}.{metric.name}": metric for metric in found}
    if len(named) < len(found):
        times = Counter(f"{metric.mart}.{metric.name}" for metric in found)
        twice = sorted(name for name, count in times.items() if count > 1)
        raise CatalogueError(f"defined twice: {', '.join(twice)}.")
    return named


def page(folder: Path = MARTS) -> str:
    """Return the catalogue as Markdown: a table for each mart, and what a row of it is."""
    grains = {
        str(model["name"]): _first_sentence(str(model.get("description", "")))
        for path in folder.rglob("*.yml")
        for model in _models(path)
    }
    found = sorted(metrics(folder).values(), key=lambda metric: (metric.subject, metric.mart))
    lines = [
        HEAD,
        "| unit | means |",
        "|---|---|",
        *(f"| {unit} | {means} |" for unit, means in UNITS.items()),
    ]
    for subject, of_subject in groupby(found, key=lambda metric: metric.subject):
        lines += ["", f"## {subject.capitalize()}"]
        for mart, of_mart in groupby(of_subject, key=lambda metric: metric.mart):
            lines += ["", f"### {mart}", "", grains[mart], "", *_table(of_mart)]
    return "\n".join(lines) + "\n"


def _first_sentence(description: str) -> str:
    words = " ".join(description.split())
    return words.partition(". ")[0].rstrip(".") + "."


def _table(of_mart: Iterator[Metric]) -> Iterator[str]:
    yield "| metric | unit | definition | expression | in OpenDental |"
    yield "|---|---|---|---|---|"
    for metric in of_mart:
        cells = (
            f"**{metric.label}** `{metric.name}`",
            metric.unit,
            metric.definition,
            f"`{metric.expression}`",
            metric.report.removeprefix("OpenDental: "),
        )
        written = " | ".join(cell.replace("|", "\\|") for cell in cells)
        yield f"| {written} |".replace("|  |", "| |")


def _models(path: Path) -> list[dict[str, Any]]:
    try:
        return list(files.described(path).get("models", []))
    except (yaml.YAMLError, OSError):
        raise CatalogueError(f"{path.name} cannot be read.") from None


def _metric(subject: str, mart: str, entry: dict[str, Any]) -> Metric:
    unknown = set(entry) - {*FIELDS, "report"}
    if unknown:
        raise CatalogueError(
            f"a metric of {mart} has {', '.join(sorted(unknown))}, which is no field."
        )
    try:
        fields = {name: " ".join(str(entry[name]).split()) for name in FIELDS}
    except KeyError as error:
        raise CatalogueError(f"a metric of {mart} has no {error.args[0]}.") from None
    if fields["unit"] not in UNITS:
        raise CatalogueError(
            f"{mart}.{fields['name']} has the unit {fields['unit']}, not {', '.join(UNITS)}."
        )
    report = " ".join(str(entry.get("report") or "none").split())
    return Metric(
        subject=subject, mart=mart, **fields, report="" if report.lower() == "none" else report
    )


FIELDS = ("name", "label", "unit", "definition", "expression")


def main(given: Sequence[str]) -> int:
    """Write the page to the files that are named, or print it."""
    try:
        for name in given:
            files.replace(Path(name), page())
            print(name)
        if not given:
            print(page(), end="")
    except EltError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
