"""Lays the practice report out: one file of HTML with all that it needs."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from tasks.report import charts
from tasks.report.catalogue import Metric
from tasks.report.charts import Row, Series, Table
from tasks.report.figures import NO_COUNTERPART, Column, Figure, Headline, Subject
from tasks.report.headline import HEADLINE
from tasks.report.subjects import SUBJECTS
from tasks.report.units import format_short, format_value

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Read:
    """What was read from the warehouse.

    `other_days` are marts of another day than the page's, as while they are built.
    `missing` names the mart that a figure lacks. `checks` is None without a reconciliation.
    """

    practice: str
    as_of: date
    is_historic: bool
    other_days: Sequence[str]
    schema: str
    checks: tuple[Row, ...] | None
    missing: Mapping[Figure | Headline, str]
    tables: Mapping[Figure, Table]
    headline: Mapping[Headline, tuple[Row, ...]]


@dataclass(frozen=True, slots=True)
class Status:
    """How numbers stand to OpenDental's own: `good`, `bad` or `none` if they were not compared."""

    state: str
    sentence: str


def render(read: Read, defined: Mapping[str, Metric]) -> str:
    """Return the page."""
    figures = {
        figure: charts.draw(table, stacked=figure.stacked, flat=figure.flat, colours=figure.colours)
        for figure, table in read.tables.items()
        if not table.is_empty
    }
    keys = _keys()
    drawings = {keys[figure]: json.loads(drawing.to_json()) for figure, drawing in figures.items()}
    home = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return home.get_template("practice.html").render(
        practice=read.practice,
        as_of=format_value(read.as_of, "day"),
        current_day="" if read.is_historic else read.as_of.isoformat(),
        schema=read.schema,
        made="Made by OpenDental ELT",
        style=Markup((TEMPLATES / "practice.css").read_text()),  # noqa: S704 - ours
        scripts=[_script(get_plotlyjs()), _script((TEMPLATES / "practice.js").read_text())],
        drawings=_json(drawings),
        remarks=remarks(read),
        overall=status(read.checks, None),
        headline=[_headline(number, read, defined) for number in HEADLINE],
        checks=[_check(check) for check in read.checks or ()],
        subjects=[
            {
                "key": subject.key,
                "title": subject.title,
                "status": status(read.checks, subject),
                "figures": [
                    _figure(figure, keys[figure], read, figures) for figure in subject.figures
                ],
                "explanations": explanations(subject, defined),
            }
            for subject in SUBJECTS
        ],
    )


def _keys() -> dict[Figure, str]:
    """Return the figures' names in the page."""
    return {
        figure: f"{subject.key}-{n}"
        for subject in SUBJECTS
        for n, figure in enumerate(subject.figures, 1)
    }


def remarks(read: Read) -> list[Status]:
    """Say what of the page is of another day."""
    found = []
    if read.other_days:
        named = ", ".join(read.other_days)
        why = "The models are being built, or the last build failed; run again."
        found.append(Status("bad", f"Not of that day: {named}. {why}"))
    if read.is_historic:
        found.append(Status("none", PAST_DAY))
    return found


PAST_DAY = (
    "As of a past day: what is dated later is left out, and receivables, outstanding claims and"
    " active patients are of that day."
    " Appointments, recalls and planned treatment are as they stand now."
)


def status(checks: Sequence[Row] | None, subject: Subject | None) -> Status:
    """Say how a subject's numbers, or all of them, stand to OpenDental's."""
    if subject and not subject.checks:
        return Status("none", NO_COUNTERPART)
    if checks is None:
        missing = "the mart reconciliation_summary is not in the warehouse"
        return Status("none", f"Not reconciled: {missing}.")
    ours = [check for check in checks if subject is None or check[0] in subject.checks]
    groups = ", ".join(dict.fromkeys(str(check[0]) for check in ours))
    records, differing = (sum(check[place] or 0 for check in ours) for place in (2, 3))
    if not records:
        return Status("none", "Not reconciled: OpenDental has stored nothing to compare with.")
    if not differing:
        sentence = f"{_reconciled(subject)}: {records:,} amounts compared ({groups}), none differs."
        rest = (
            f" {subject.unchecked}: {NO_COUNTERPART[0].lower()}{NO_COUNTERPART[1:]}"
            if subject and subject.unchecked
            else ""
        )
        return Status("good", sentence + rest)
    apart = ", ".join(dict.fromkeys(str(check[0]) for check in ours if check[3]))
    total = format_value(sum(Decimal(check[5] or 0) for check in ours), "money")
    verb = "differs" if differing == 1 else "differ"
    return Status(
        "bad",
        f"{differing:,} of {records:,} amounts {verb} from OpenDental's ({apart}), by {total}"
        " summed over all checks.",
    )


def _reconciled(subject: Subject | None) -> str:
    if subject is None:
        return "Reconciled with OpenDental"
    return f"{subject.checked} reconciled" if subject.checked else "Reconciled"


def _check(check: Row) -> dict[str, str]:
    group, name, records, differing, difference, absolute, latest = check
    return {
        "state": "bad" if differing else "good" if records else "none",
        "group": group,
        "name": name,
        "records": format_value(records, "count"),
        "differing": format_value(differing, "count"),
        "difference": format_value(difference, "money"),
        "absolute": format_value(absolute, "money"),
        "latest": format_value(latest, "day"),
    }


def _figure(figure: Figure, key: str, read: Read, figures: Mapping[Figure, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "title": figure.title,
        "key": key,
        "note": figure.note,
        "missing": "",
    }
    table = read.tables.get(figure)
    if table is None:
        mart = read.missing[figure]
        hint = f"make dbt ARGS='build -s +{mart}' builds it or says what it lacks."
        return content | {"missing": f"{read.schema}.{mart} is not in the warehouse: {hint}"}
    if table.is_empty:
        return content | {"missing": "There is nothing of this in the practice's records."}
    if table.has_part:
        part = f"Pale or hollow: {table.as_of:%B} up to the {_ordinal(table.as_of.day)}."
        content["note"] = f"{figure.note} {part}".lstrip()
    return content | {
        "height": figures[figure].layout.height,
        "head": [table.by, *(series.label for series in table.series)],
        "rows": [_cells(row, table) for row in table.rows],
        "alternative": _alternative(figure, table),
    }


def _cells(row: Row, table: Table) -> list[str]:
    name = format_value(row[0], "month")
    if isinstance(row[0], date) and table.is_part(row[0]):
        name += f" (to the {_ordinal(table.as_of.day)})"
    return [
        name,
        *(
            format_value(value, series.unit)
            for value, series in zip(row[1:], table.series, strict=True)
        ),
    ]


def _alternative(figure: Figure, table: Table) -> str:
    """Say in words what a figure shows: its extent, and its last month or first name."""
    cells = _cells(table.rows[-1] if table.monthly else table.rows[0], table)
    numbers = ", ".join(
        f"{series.label} {cell}" for series, cell in zip(table.series, cells[1:], strict=True)
    )
    extent = (
        f"{format_value(table.rows[0][0], 'month')} to {format_value(table.rows[-1][0], 'month')}"
        if table.monthly
        else f"{len(table.rows)} bars"
    )
    return f"{figure.title}, {extent}. {cells[0]}: {numbers}. The numbers follow as a table."


def _ordinal(day: int) -> str:
    ending = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def series(column: Column, defined: Mapping[str, Metric]) -> Series:
    """Return a column with its metric's label and unit."""
    metric = defined[column.metric] if column.metric else None
    label = column.label or (metric.label if metric else "")
    return Series(label, metric.unit if metric else column.unit, column.colour, column.mark)


def explanations(subject: Subject, defined: Mapping[str, Metric]) -> list[dict[str, str]]:
    """Return what the numbers of a subject mean, each once."""
    found: dict[str, dict[str, str]] = {}
    for figure in subject.figures:
        for column in (*figure.columns, *(Column(metric) for metric in figure.explained)):
            if column.definition:
                found[column.label] = {
                    "label": column.label,
                    "definition": column.definition,
                    "origin": "",
                }
            elif column.metric:
                metric = defined[column.metric]
                origin = " · ".join(filter(None, [metric.mart, metric.report]))
                found[column.metric] = {
                    "label": metric.label,
                    "definition": metric.definition,
                    "origin": origin,
                }
    return list(found.values())


def _headline(headline: Headline, read: Read, defined: Mapping[str, Metric]) -> dict[str, str]:
    number = series(headline.column, defined)
    empty = {
        "label": number.label,
        "when": "",
        "value": "–",
        "points": "",
        "change": "",
        "trend": "",
    }
    rows = [row for row in read.headline.get(headline, ()) if row[1] is not None]
    if headline in read.missing:
        return empty | {"change": f"{read.schema}.{read.missing[headline]} is not there"}
    if not rows:
        return empty | {"change": "nothing in the records"}
    day, value = rows[-1]
    change, trend = _change(rows, number.unit, headline.rising)
    return empty | {
        "when": _when(day, read.as_of),
        "value": format_short(value, number.unit),
        "points": charts.sparkline([row[1] for row in rows]),
        "change": change,
        "trend": trend,
    }


def _when(day: date, as_of: date) -> str:
    return f"on {day:%B} {day.day}" if day == as_of else f"in {day:%B %Y}"


def _change(rows: Sequence[Row], unit: str, rising: int) -> tuple[str, str]:
    """Compare the last row with that of a year before, or else with the one before it."""
    (day, now), earlier = rows[-1], rows[:-1]
    of_last_year = [
        row for row in earlier if (row[0].year, row[0].month) == (day.year - 1, day.month)
    ]
    if not earlier:
        return "", ""
    then = (of_last_year or earlier)[-1][0]
    old, new = Decimal(str((of_last_year or earlier)[-1][1])), Decimal(str(now))
    if not old and unit != "percent":
        return "", ""
    difference = new - old
    share = abs(difference) if unit == "percent" else abs(difference / old)
    text = f"{share * 100:.1f}{' pts' if unit == 'percent' else '%'}"
    if not text.strip("0.%pts "):
        return f"as in {then:%b %Y}", ""
    trend = "better" if difference * rising > 0 else "worse" if rising else ""
    return f"{'+' if difference > 0 else '−'}{text} vs {then:%b %Y}", trend


def _script(text: str) -> dict[str, Markup]:
    """Return a script with the digest by which the page's policy lets only it run."""
    text = text.replace("</script", "<\\/script")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    # Both are ours or the library's.
    return {"text": Markup(text), "hash": Markup(f"sha256-{digest}")}  # noqa: S704


def _json(value: Any) -> Markup:
    text = json.dumps(value, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped
