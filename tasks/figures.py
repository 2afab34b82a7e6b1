"""What the practice report shows: the twelve subjects, each figure as the query that it draws, and the headline's numbers."""

from __future__ import annotations

from dataclasses import dataclass

NO_COUNTERPART = "No counterpart in OpenDental to reconcile with."


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a figure's query: what it is called, its unit, and how it is drawn.

    `metric` is `mart.name`: label, unit and definition are then those of the catalogue.
    """

    metric: str = ""
    label: str = ""
    unit: str = "count"
    colour: str = "blue"
    mark: str = "bar"  # or line, goal (a tick across a bar), table (not drawn)


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture: a query over marts, whose first column is a month, a day or a name and whose others are drawn.

    In the query `[mart.metric]` is the catalogue's expression, `[first]` the first month shown and `[as_of]` the report's day.
    """

    title: str
    query: str
    columns: tuple[Column, ...]
    by: str = "Month"
    stacked: bool = False
    flat: bool = False  # bars lie, one below the other, each with its name
    note: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the twelve: its figures, and which groups of reconciliation_summary concern them."""

    key: str
    title: str
    figures: tuple[Figure, ...]
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Headline:
    """A number of the first screen: the query's last row, by month or day, with the rows before it."""

    metric: str
    query: str
    rising: int  # 1 if more is better, -1 if less is, 0 if neither
    label: str = ""


def _monthly(mart: str, day: str, *metrics: str, until: str = "[as_of]") -> str:
    """Return a query of metrics by month, the month that is not over included."""
    written = ", ".join(f"[{mart}.{metric}]" for metric in metrics)
    return (
        f"SELECT date_trunc('month', {day})::date, {written} FROM {mart}"
        f" WHERE {day} >= [first] AND {day} <= {until} GROUP BY 1 ORDER BY 1"
    )


def _ranked(mart: str, name: str, *metrics: str, where: str = "true", limit: int = 10) -> str:
    """Return a query of metrics by name, the largest first."""
    written = ", ".join(f"[{mart}.{metric}]" for metric in metrics)
    return f"SELECT coalesce({name}, 'none'), {written} FROM {mart} WHERE {where} GROUP BY 1 ORDER BY 2 DESC NULLS LAST LIMIT {limit}"


def _last_year(day: str) -> str:
    """Return the condition of the twelve full months."""
    return f"{day} >= [first] AND {day} < [this_month]"


SUBJECTS = (
    Subject(
        "production",
        "Production and collections",
        (
            Figure(
                "Net production and collections by month",
                "SELECT month, gross, net, collected FROM"
                " (SELECT date_trunc('month', production_date)::date AS month, [daily_production.gross_production] AS gross,"
                " [daily_production.net_production] AS net FROM daily_production"
                " WHERE production_date BETWEEN [first] AND [as_of] GROUP BY 1) AS production"
                " FULL JOIN (SELECT date_trunc('month', collection_date)::date AS month,"
                " [daily_collections.collections] AS collected FROM daily_collections"
                " WHERE collection_date BETWEEN [first] AND [as_of] GROUP BY 1) AS collections USING (month) ORDER BY month",
                (
                    Column("daily_production.gross_production", colour="grey", mark="line"),
                    Column("daily_production.net_production", colour="blue"),
                    Column("daily_collections.collections", colour="green"),
                ),
            ),
        ),
        ("payments", "insurance payments"),
    ),
    Subject(
        "rate",
        "Collection rate",
        (
            Figure(
                "Collections as a share of net production",
                "SELECT month, collected / nullif(net, 0), sum(collected) OVER year / nullif(sum(net) OVER year, 0) FROM"
                " (SELECT date_trunc('month', production_date)::date AS month, [daily_production.net_production] AS net"
                " FROM daily_production WHERE production_date BETWEEN [first] AND [as_of] GROUP BY 1) AS production"
                " LEFT JOIN (SELECT date_trunc('month', collection_date)::date AS month,"
                " [daily_collections.collections] AS collected FROM daily_collections"
                " WHERE collection_date BETWEEN [first] AND [as_of] GROUP BY 1) AS collections USING (month)"
                " WINDOW year AS (ORDER BY month) ORDER BY month",
                (
                    Column("daily_collections.collection_rate", colour="green", mark="line"),
                    Column(label="Since the first month shown", unit="percent", colour="grey", mark="line"),
                ),
            ),
        ),
        ("payments", "insurance payments"),
    ),
    Subject(
        "codes",
        "Production by procedure code",
        (
            Figure(
                "The twelve codes with the most production, last 12 months",
                _ranked(
                    "production_by_procedure_code",
                    "procedure_code || ' ' || procedure_description",
                    "gross_production",
                    "procedures_completed",
                    where=_last_year("production_month"),
                    limit=12,
                ),
                (
                    Column("production_by_procedure_code.gross_production"),
                    Column("production_by_procedure_code.procedures_completed", mark="table"),
                ),
                by="Code",
                flat=True,
            ),
            Figure(
                "By category, last 12 months",
                _ranked(
                    "production_by_procedure_code",
                    "procedure_category",
                    "gross_production",
                    "procedures_completed",
                    where=_last_year("production_month"),
                    limit=12,
                ),
                (
                    Column("production_by_procedure_code.gross_production", colour="violet"),
                    Column("production_by_procedure_code.procedures_completed", mark="table"),
                ),
                by="Category",
                flat=True,
            ),
        ),
    ),
)

HEADLINE = (
    Headline(
        "daily_production.net_production",
        _monthly("daily_production", "production_date", "net_production", until="[this_month] - 1"),
        1,
    ),
    Headline(
        "daily_collections.collections",
        _monthly("daily_collections", "collection_date", "collections", until="[this_month] - 1"),
        1,
    ),
)
