"""The numbers of the practice report's first screen."""

from __future__ import annotations

from tasks.report.figures import Column, Headline, at_month_ends, of_full_months

MONTHS = (
    "(SELECT date_trunc('month', production_date)::date AS month,"
    " [daily_production.net_production] AS net FROM daily_production"
    " WHERE production_date BETWEEN [first] AND [as_of] GROUP BY 1) AS production"
    " FULL JOIN (SELECT date_trunc('month', collection_date)::date AS month,"
    " [daily_collections.collections] AS collected FROM daily_collections"
    " WHERE collection_date BETWEEN [first] AND [as_of] GROUP BY 1) AS collections USING (month)"
)
COLLECTION_RATE = Column(
    label="Collection rate",
    unit="percent",
    colour="green",
    mark="line",
    definition="Collections ÷ net production of the same period, insurance write-offs in the"
    " practice's own dating mode.",
)
_ACTIVE_PATIENTS = Column("active_patients_monthly.active_patients")
HEADLINE = (
    of_full_months("daily_production", "production_date", "net_production", rising=1),
    of_full_months("daily_collections", "collection_date", "collections", rising=1),
    Headline(
        COLLECTION_RATE,
        f"SELECT month, collected / nullif(net, 0) FROM {MONTHS}"
        " WHERE month < [this_month] ORDER BY month",
        1,
    ),
    Headline(
        Column("ar_aging.accounts_receivable"),
        "SELECT month_end_date, [ar_aging_monthly.accounts_receivable_at_month_end]"
        " FROM ar_aging_monthly"
        " WHERE month_end_date >= [first] AND month_end_date < [this_month] GROUP BY 1"
        " UNION ALL SELECT [as_of], [ar_aging.accounts_receivable] FROM ar_aging ORDER BY 1",
        -1,
    ),
    of_full_months("appointment_outcomes", "outcome_date", "no_show_rate", rising=-1),
    Headline(
        _ACTIVE_PATIENTS,
        at_month_ends("active_patients_monthly", "reckoned_date", [_ACTIVE_PATIENTS]),
        1,
    ),
)
