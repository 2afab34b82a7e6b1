"""The page of the practice's numbers, drawn from marts of their described columns and looked at in a real browser."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from conftest import settings_for
from headless import Page, browsing

from deployments import browser
from deployments.databases import Databases
from tasks import files
from tasks.report import catalogue, charts, page, practice_report, units
from tasks.report.figures import NO_COUNTERPART, Column, at_month_ends
from tasks.report.subjects import SUBJECTS, everything
from transfer.postgres.pool import connect
from transfer.settings import Warehouse

AS_OF = date(2026, 3, 17)
HOSTILE = "<script>document.title = 'owned'</script>"
TITLE = f"Smile & Sons {HOSTILE}"

# What a column holds in row n, by its name or else by its type: two years of days, some of each month.
DAY = f"date '{AS_OF}' - n * 2"
BY_NAME = {
    "production_month": f"date_trunc('month', {DAY})",
    "presented_month": f"date_trunc('month', {DAY})",
    "presentation_source": "(array['Saved plan', 'Planned date'])[1 + n % 2]",
    "month_end_date": f"date_trunc('month', {DAY}) + interval '1 month - 1 day'",
    "as_of_date": f"date '{AS_OF}'",
    "reckoned_date": f"least(date_trunc('month', {DAY}) + interval '1 month - 1 day', date '{AS_OF}')",
    "patient_status": "'Patient'",
    "is_future": "false",
    "is_capitation": "false",
    "is_hidden_on_reports": "false",
    "has_scheduled_hours": "true",
    "is_current_month": "n * 2 < 17",
    "age_bucket": "(array['0 to 30', '31 to 60', '61 to 90', 'Over 90'])[1 + n % 4]",
    "recall_standing": "(array['Overdue', 'Due later', 'Scheduled', 'Not on the list'])[1 + n % 4]",
    "provider_abbreviation": f"'{HOSTILE.replace(chr(39), chr(39) * 2)}' || n % 4",
    "referral_source": "(array['<b>Bold</b> & O''Brien', 'Another patient', 'Not recorded'])[1 + n % 3]",
}
BY_TYPE = {
    "text": "'name ' || n % 7",
    "bigint": "n",
    "integer": "n % 120",
    "numeric": "(n * 37 % 1000) + 0.25",
    "boolean": "n % 3 > 0",
    "date": DAY,
    "timestamp": DAY,
    "interval": "interval '6 months'",
}
ROWS = 360
CHECKS = (
    ("balances", "balance total", 40, 0, 0, 0),
    ("claims", "claim fee", 60, 0, 0, 0),
    ("payments", "amount", 9, 0, 0, 0),
)


@pytest.fixture(scope="module")
def warehouse(module_databases: Databases) -> Warehouse:
    return settings_for(module_databases).warehouse


def connected(databases: Databases) -> Any:
    database = databases.warehouse
    return psycopg2.connect(
        host=database.host,
        port=database.port,
        dbname=database.name,
        user=database.user,
        password=database.password,
    )


@pytest.fixture(scope="module")
def marts(module_databases: Databases) -> Iterator[Any]:
    """The marts that the page reads, with the columns that their contracts describe, and rows of any kind."""
    with closing(connected(module_databases)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("CREATE SCHEMA public_marts; CREATE SCHEMA public_intermediate")
        cursor.execute(
            "CREATE TABLE public_intermediate.int_as_of_date AS SELECT %s::date AS as_of_date, false AS is_historic",
            [AS_OF],
        )
        cursor.execute(
            "CREATE TABLE public_intermediate.int_preferences_pivoted AS SELECT %s AS practice_title",
            [TITLE],
        )
        needed = {name.partition(".")[0] for each in everything() for name in each.metrics} | {
            "reconciliation_summary"
        }
        described = {
            model["name"]: model["columns"]
            for file in catalogue.MARTS.rglob("*.yml")
            for model in files.described(file).get("models", [])
        }
        for mart in sorted(needed):
            columns = ", ".join(f"{each['name']} {each['data_type']}" for each in described[mart])
            cursor.execute(f"CREATE TABLE public_marts.{mart} ({columns})")
            if mart != "reconciliation_summary":
                values = ", ".join(
                    f"({value_of(each)})::{each['data_type']}" for each in described[mart]
                )
                cursor.execute(
                    f"INSERT INTO public_marts.{mart} SELECT {values} FROM generate_series(0, {ROWS - 1}) AS n"
                )
        for check in CHECKS:
            cursor.execute(
                f"INSERT INTO public_marts.reconciliation_summary ({', '.join(SUMMARY)}) VALUES %s",
                [check],
            )
        yield cursor


SUMMARY = (
    "check_group",
    "check_name",
    "records",
    "differing",
    "sum_of_differences",
    "sum_of_absolute_differences",
)


def value_of(column: dict[str, Any]) -> str:
    if column["name"] in BY_NAME:
        return BY_NAME[column["name"]]
    if {"type": "primary_key"} in column.get("constraints", []):
        return "n"
    return BY_TYPE[column["data_type"].split("(")[0].split()[0]]


@pytest.fixture(scope="module")
def file(marts: Any, warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return practice_report.report(
        warehouse, tmp_path_factory.mktemp("report") / "deep" / "practice.html"
    )


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = browser.find()
    if program is None:
        pytest.skip(
            "no headless Chromium is here or among this machine's packages: apt install chromium-headless-shell"
        )
    with browsing(
        program, {**os.environ, **browser.variables()}, tmp_path_factory.mktemp("browser")
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def desktop(chromium: Page, file: Path) -> Page:
    """The page as it stands there after it was opened."""
    chromium.open(file, 1440)
    return chromium


@pytest.fixture
def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def ask(marts: Any, query: str) -> Any:
    marts.execute(query)
    return marts.fetchone()[0]


MARKS = "[...document.querySelectorAll('.plot')].map(p => [p.id, p.querySelectorAll('.bars .point path, .points path').length])"
TOO_WIDE = (
    "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll') && (e instanceof HTMLElement || e.tagName === 'text')"
    " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 99))"
)


def everything_is_drawn_within(page: Page, width: int) -> bool:
    marks = dict(page.run(MARKS))
    assert list(marks) == [
        f"{each.key}-{n}" for each in SUBJECTS for n in range(1, len(each.figures) + 1)
    ]
    assert [figure for figure, number in marks.items() if not number] == []
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(TOO_WIDE) == []
    return True


def test_every_figure_is_drawn_on_a_desktop_and_nothing_is_fetched(desktop: Page, file: Path):
    assert desktop.errors == []
    assert desktop.requests == [file.as_uri()]
    assert everything_is_drawn_within(desktop, 1440)


def test_a_hostile_name_is_text_and_nothing_else(desktop: Page, text: str):
    assert desktop.run("document.querySelector('h1').textContent") == TITLE
    assert desktop.run("document.title").startswith(TITLE)
    ticks = "[...document.querySelectorAll('#{} .ytick text')].map(e => e.textContent.trim())"
    names = desktop.run(ticks.format("providers"))
    assert any(name.startswith("<script>document") for name in names), names
    assert "<b>Bold</b> & O'Brien" in desktop.run(ticks.format("new"))
    assert HOSTILE not in text


def test_the_page_may_not_fetch_anything(desktop: Page, file: Path):
    assert (
        desktop.run("fetch('http://127.0.0.1:9/').then(() => 'fetched', () => 'refused')")
        == "refused"
    )
    assert desktop.requests == [file.as_uri()]
    assert "Content Security Policy" in str(desktop.errors)


def test_the_headline_is_the_warehouses(desktop: Page, marts: Any):
    month = "BETWEEN '2026-02-01' AND '2026-02-28'"
    net = ask(
        marts,
        f"SELECT sum(net_production) FROM public_marts.daily_production WHERE production_date {month}",
    )
    income = ask(
        marts,
        f"SELECT sum(total_income) FROM public_marts.daily_collections WHERE collection_date {month}",
    )
    missed, come = "sum(missed)", "sum(kept + missed + cancelled)"
    no_shows = ask(
        marts,
        f"SELECT {missed} / {come} FROM public_marts.appointment_outcomes WHERE outcome_date {month}",
    )
    owed = ask(marts, "SELECT sum(ar_total) FROM public_marts.ar_aging")
    active = ask(
        marts,
        "SELECT sum(active_patients) FROM public_marts.active_patients_monthly WHERE is_current_month",
    )
    items = "[...document.querySelectorAll('.headline li')]"
    assert dict(
        desktop.run(
            f"{items}.map(e => [e.children[0].textContent, e.querySelector('.value').textContent])"
        )
    ) == {
        "Net production": f"${net:,.0f}",
        "Collections": f"${income:,.0f}",
        "Collection rate": f"{income / net * 100:.1f}%",
        "Accounts receivable": f"${owed:,.0f}",
        "No-show rate": f"{no_shows * 100:.1f}%",
        "Active patients": f"{active:,}",
    }


def test_the_tables_have_the_drawn_numbers(desktop: Page):
    drawn = desktop.run(
        "document.getElementById('production-1').data[0].y.map(n => Math.round(n * 100))"
    )
    cells = (
        "[...document.querySelectorAll('#production tbody tr')].map(r => r.cells[1].textContent)"
    )
    assert [
        round(Decimal(re.sub(r"[$,]", "", cell).replace("−", "-")) * 100)
        for cell in desktop.run(cells)
    ] == drawn
    assert len(drawn) == 14


def last_row(text: str, subject: str, title: str) -> list[str]:
    """The cells of the last row of a figure's table."""
    figure = text.partition(f'<section id="{subject}"')[2].partition(f"<h3>{title}</h3>")[2]
    rows = figure.partition("</tbody>")[0].split("<tr>")
    return re.findall(r"<t[dh][^>]*>([^<]*)<", rows[-1])


@pytest.mark.parametrize(
    ("title", "metric", "place"),
    [
        ("Active patients", "active_patients", 1),
        ("Active patients", "active_patients_24_months", 2),
        ("Retention", "retention_rate", 1),
    ],
)
def test_the_current_month_is_what_the_metric_says(
    title: str, metric: str, place: int, text: str, marts: Any
):
    mart = "active_patients_monthly"
    defined = catalogue.metrics()[f"{mart}.{metric}"]
    asked = f"SELECT {defined.expression} FROM public_marts.{mart}"
    expected = units.format_value(ask(marts, asked), defined.unit)
    assert last_row(html.unescape(text), "active", title)[place] == expected


@pytest.mark.parametrize("metric", ["active_patients", "retention_rate"])
def test_every_month_end_is_the_metric_of_that_month(metric: str, marts: Any, warehouse: Warehouse):
    """Each month is taken for the current one, so that the metric's own filter holds for it."""
    mart = "active_patients_monthly"
    column = Column(metric).of(mart)
    expression = catalogue.metrics()[column.metric].expression
    query = at_month_ends(mart, "date_trunc('month', month_end_date)::date", [column])
    with connect(warehouse) as connection:
        found = practice_report.Reader(connection, "public", catalogue.metrics()).rows("", query)
    assert len(found) == 14
    for month, number in found:
        marts.execute(
            f"SELECT {expression.replace('is_current_month', 'true')} FROM public_marts.{mart}"
            " WHERE date_trunc('month', month_end_date) = %s",
            [month],
        )
        assert marts.fetchone() == (Decimal(number),)


def test_every_figure_is_drawn_on_a_phone_and_a_planted_difference_is_red(
    chromium: Page, desktop: Page, marts: Any, warehouse: Warehouse, tmp_path: Path
):
    state = "[...document.querySelectorAll('.status')].map(e => [e.closest('section')?.id, [...e.classList].at(-1)])"
    before = dict(desktop.run(state))
    planted = "UPDATE public_marts.reconciliation_summary SET (differing, sum_of_absolute_differences) = (%s, %s)"
    marts.execute(f"{planted} WHERE check_group = 'claims'", [2, 30.5])
    try:
        red = practice_report.report(warehouse, tmp_path / "red.html")
    finally:
        marts.execute(planted, [0, 0])
    chromium.open(red, 390, dark=True)
    assert (chromium.errors, chromium.requests) == ([], [red.as_uri()])
    assert everything_is_drawn_within(chromium, 390)
    after = dict(chromium.run(state))
    assert {place for place in after if after[place] != before[place]} == {
        "claims",
        "reconciliation",
        None,
    }
    assert (before["claims"], after["claims"], after["receivables"], after["new"]) == (
        "good",
        "bad",
        "good",
        "none",
    )
    words = "2 of 109 amounts differ from OpenDental's (claims), by $30.50 summed over all checks."
    assert words in chromium.run("document.querySelector('#status').textContent")
    backgrounds = "[...document.querySelectorAll('#status, #receivables .status')].map(e => getComputedStyle(e).backgroundColor)"
    assert len(set(chromium.run(backgrounds))) == 2


def test_old_numbers_say_how_old_they_are(
    desktop: Page, marts: Any, warehouse: Warehouse, tmp_path: Path
):
    stale = "document.querySelector('#stale')"
    days = (datetime.now(UTC).date() - AS_OF).days
    words = f"These numbers are {days} days old: no run has drawn them since."
    assert desktop.run(f"[{stale}.textContent.trim(), {stale}.clientHeight > 0]") == [words, True]
    assert desktop.run(f"({stale}.hidden = true, {stale}.clientHeight)") == 0  # as it was drawn
    marts.execute("UPDATE public_intermediate.int_as_of_date SET is_historic = true")
    try:
        historic = practice_report.report(warehouse, tmp_path / "page.html").read_text()
    finally:
        marts.execute("UPDATE public_intermediate.int_as_of_date SET is_historic = false")
    assert re.search(r'id="stale" data-day="" hidden>', historic)


def test_each_figure_says_what_its_numbers_mean_and_whether_they_are_reconciled(text: str):
    defined = catalogue.metrics()
    said = html.unescape(text)
    for subject in SUBJECTS:
        section = said.split(f'<section id="{subject.key}"')[1].split("</section>")[0]
        assert all(each["definition"] in section for each in page.explanations(subject, defined)), (
            subject.key
        )
        assert (NO_COUNTERPART in section) == (not subject.checks)


def test_each_figure_can_be_heard_and_reached_by_keyboard(desktop: Page):
    said = desktop.run(
        "[...document.querySelectorAll('.plot[role=img]')].map(e => e.getAttribute('aria-label'))"
    )
    assert len(set(said)) == sum(len(subject.figures) for subject in SUBJECTS)
    assert all(text.endswith("The numbers follow as a table.") for text in said)
    levels = desktop.run(
        "[...document.querySelectorAll('h1, main h2, main h3')].map(e => Number(e.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert (
        desktop.run(
            "document.querySelectorAll('.scroll:not([tabindex]), img:not([alt]), a:not([href])').length"
        )
        == 0
    )
    assert desktop.run("document.documentElement.lang") == "en"


def test_a_mart_that_is_missing_is_named_in_its_place(
    marts: Any, warehouse: Warehouse, tmp_path: Path
):
    marts.execute("ALTER TABLE public_marts.recalls RENAME TO elsewhere")
    try:
        text = html.unescape(
            practice_report.report(warehouse, tmp_path / "practice.html").read_text()
        )
    finally:
        marts.execute("ALTER TABLE public_marts.elsewhere RENAME TO recalls")
    assert (
        "public_marts.recalls is not in the warehouse: make dbt ARGS='build -s +recalls' builds it or says what it lacks."
        in text
    )
    assert text.count("is not in the warehouse") == 1


def test_a_mart_that_a_build_replaces_is_read_before_or_after(
    marts: Any, module_databases: Databases, warehouse: Warehouse, file: Path, tmp_path: Path
):
    replaced = (
        "SET lock_timeout = '100ms'; ALTER TABLE public_marts.recalls RENAME TO old;"
        "CREATE TABLE public_marts.recalls AS SELECT * FROM public_marts.old; DROP TABLE public_marts.old"
    )
    with (
        closing(connected(module_databases)) as builder,
        builder.cursor() as cursor,
        ThreadPoolExecutor() as pool,
    ):
        cursor.execute(replaced)
        page = pool.submit(practice_report.report, warehouse, tmp_path / "practice.html")
        with pytest.raises(FutureTimeout):
            page.result(timeout=1)
        builder.commit()
        assert page.result().read_text() == file.read_text()
        with connect(warehouse) as reading:
            practice_report.Reader(reading, warehouse.base_schema, {})
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                cursor.execute(replaced)


def test_marts_of_another_day_are_named(
    text: str, marts: Any, warehouse: Warehouse, tmp_path: Path
):
    assert "Not of that day" not in text
    marts.execute(
        "UPDATE public_intermediate.int_as_of_date SET as_of_date = as_of_date + 1, is_historic = true"
    )
    try:
        file = practice_report.report(warehouse, tmp_path / "practice.html")
    finally:
        marts.execute(
            "UPDATE public_intermediate.int_as_of_date SET as_of_date = as_of_date - 1, is_historic = false"
        )
    page = html.unescape(file.read_text())
    for mart in ("ar_aging", "claims", "recalls", "active_patients_monthly"):
        assert f"{mart} (March 17, 2026)" in page
    assert "As of a past day" in page


@pytest.mark.parametrize(("before", "now"), [("0.00", "0.00"), ("0", "5.25"), ("0E-20", "0")])
def test_a_number_that_was_0_a_year_ago_is_compared_with_nothing(before: str, now: str):
    rows = ((date(2025, 2, 1), before), (date(2026, 2, 1), now))
    assert page._change(rows, "money", 1) == ("", "")


def test_what_no_check_covers_is_not_called_reconciled():
    (subject,) = (each for each in SUBJECTS if each.key == "production")
    status = page.status([("payments", "payment", 9, 0, 0, 0, None)], subject)
    assert status.sentence == (
        "Collections reconciled: 9 amounts compared (payments), none differs. Production: no counterpart in OpenDental to"
        " reconcile with."
    )


def test_a_practice_without_records_has_a_page(marts: Any, warehouse: Warehouse, tmp_path: Path):
    marts.execute(
        "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = 'public_marts'"
    )
    (tables,) = marts.fetchone()
    marts.execute("CREATE SCHEMA empty_marts; CREATE SCHEMA empty_intermediate")
    for table in tables.split(", "):
        marts.execute(f"CREATE TABLE empty_marts.{table.partition('.')[2]} (LIKE {table})")
    for name in ("int_as_of_date", "int_preferences_pivoted"):
        marts.execute(
            f"CREATE VIEW empty_intermediate.{name} AS SELECT * FROM public_intermediate.{name}"
        )
    other = warehouse.model_copy(update={"base_schema": "empty"})
    text = practice_report.report(other, tmp_path / "practice.html").read_text()
    assert text.count("There is nothing of this in the practice") > 10
    assert "Not reconciled" in text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (Decimal("-1234.5"), "money", "−$1,234.50"),
        (Decimal("-0.001"), "money", "$0.00"),
        ("0.12345", "percent", "12.3%"),
        (1234567, "count", "1,234,567"),
        (None, "money", "–"),
        (date(2026, 3, 1), "month", "Mar 2026"),
        (date(2026, 3, 1), "day", "March 1, 2026"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: Any, unit: str, text: str):
    assert units.format_value(value, unit) == text


@pytest.mark.parametrize(
    ("rows", "unit", "rising", "words"),
    [
        (
            [(date(2025, 2, 1), 200), (date(2026, 1, 1), 7), (date(2026, 2, 1), 150)],
            "money",
            1,
            ("−25.0% vs Feb 2025", "worse"),
        ),
        (
            [(date(2026, 1, 1), "0.2"), (date(2026, 2, 1), "0.15")],
            "percent",
            -1,
            ("−5.0 pts vs Jan 2026", "better"),
        ),
        ([(date(2026, 1, 31), 200), (date(2026, 2, 17), 200)], "count", 1, ("as in Jan 2026", "")),
        ([(date(2026, 1, 1), 0), (date(2026, 2, 1), 5)], "count", 1, ("", "")),
        ([(date(2026, 2, 1), 5)], "count", 1, ("", "")),
    ],
)
def test_the_headline_is_compared_with_a_year_ago(
    rows: Any, unit: str, rising: int, words: tuple[str, str]
):
    assert page._change(rows, unit, rising) == words


@pytest.mark.parametrize("ground", ["#ffffff", "#182028"])
def test_each_colour_stands_out_from_its_ground(ground: str):
    assert ground in (page.TEMPLATES / "practice.css").read_text()
    assert [name for name, colour in charts.COLOURS.items() if contrast(colour, ground) < 3] == []


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.fixture
def surroundings(
    module_databases: Databases, marts: Any, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """The warehouse's address in the environment."""
    for name, value in module_databases.variables().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_page_is_written_where_it_is_wanted(surroundings: None, tmp_path: Path):
    ended = subprocess.run(
        [sys.executable, "-m", "tasks.report.practice_report", str(tmp_path / "mine.html")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{tmp_path / 'mine.html'}\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.html"]
    assert (tmp_path / "mine.html").stat().st_size < 6_000_000


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ANALYTICS_POSTGRES_PORT", "x", "ANALYTICS_POSTGRES_PORT is unusable"),
        ("ANALYTICS_POSTGRES_PORT", "1", "no database answers"),
        ("ANALYTICS_POSTGRES_BASE_SCHEMA", "other", "other_marts has no models yet"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(
    surroundings: pytest.MonkeyPatch, tmp_path: Path, capfd: Any, name: str, value: str, words: str
):
    surroundings.setenv(name, value)
    assert practice_report.main([str(tmp_path / "page.html")]) == 2
    said = capfd.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert words in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(surroundings: None, tmp_path: Path, capfd: Any):
    (tmp_path / "taken").touch()
    (tmp_path / "folder").mkdir()
    for name, why in (("taken/page.html", "cannot be written"), ("folder", "is a folder")):
        for program in (practice_report, catalogue):
            assert program.main([str(tmp_path / name)]) == 2
            (sentence,) = capfd.readouterr().err.splitlines()
            assert f"{tmp_path / name} {why}" in sentence
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "taken"]
