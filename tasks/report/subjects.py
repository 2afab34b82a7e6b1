"""The twelve subjects of the practice report."""

from __future__ import annotations

from dataclasses import replace

from tasks.report.figures import (
    Column,
    Figure,
    Headline,
    Ranking,
    Subject,
    by_month,
    by_month_end,
    by_name,
    last_year,
)
from tasks.report.headline import COLLECTION_RATE, HEADLINE, MONTHS

CREDITS = "Credit balances"
AGES = {
    "0 to 30 days": ("balance_0_to_30", "green"),
    "31 to 60 days": ("balance_31_to_60", "amber"),
    "61 to 90 days": ("balance_61_to_90", "orange"),
    "Over 90 days": ("balance_over_90", "red"),
}
AGING = tuple(
    Column(label=age, unit="money", colour=colour, expression=f"sum({balance})")
    for age, (balance, colour) in AGES.items()
)
AT_MONTH_ENDS = "Each month at its end, the current one on the report's day."

PRODUCTION = Subject(
    "production",
    "Production and collections",
    (
        Figure(
            "Net production and collections by month",
            f"SELECT month, net, collected FROM {MONTHS} ORDER BY month",
            (
                Column("daily_production.net_production"),
                Column("daily_collections.collections", colour="green"),
            ),
        ),
    ),
    ("payments", "insurance payments"),
    checked="Collections",
    unchecked="Production",
)
RATE = Subject(
    "rate",
    "Collection rate",
    (
        Figure(
            "Collections as a share of net production",
            "SELECT month, collected / nullif(net, 0),"
            " sum(collected) OVER year / nullif(sum(net) OVER year, 0)"
            f" FROM {MONTHS} WINDOW year AS (ORDER BY month) ORDER BY month",
            (
                COLLECTION_RATE,
                Column(
                    label="Since the first month shown", unit="percent", colour="grey", mark="line"
                ),
            ),
        ),
    ),
    ("payments", "insurance payments"),
    checked="Collections",
    unchecked="Production",
)
CODES = Subject(
    "codes",
    "Production by procedure code",
    (
        by_name(
            "The twelve codes with the most production, last 12 months",
            "Code",
            Ranking(
                "production_by_procedure_code",
                "concat_ws(' ', procedure_code, procedure_description)",
                where=last_year("production_month"),
                limit=12,
            ),
            Column("production_by_code"),
            Column("procedures_completed", mark="table"),
            Column("average_fee", mark="table"),
        ),
        by_name(
            "The largest categories, last 12 months",
            "Category",
            Ranking(
                "production_by_procedure_code",
                "procedure_category",
                where=last_year("production_month"),
                limit=12,
            ),
            Column("production_by_code", colour="violet"),
            Column("procedures_completed", mark="table"),
        ),
    ),
)
RECEIVABLES = Subject(
    "receivables",
    "Accounts receivable",
    (
        Figure(
            "Aging",
            "SELECT age, amount FROM"
            f" (SELECT {', '.join(age.selected for age in AGING)}, [ar_aging.credit_balances]"
            " FROM ar_aging) AS today (a, b, c, d, e),"
            f" unnest(ARRAY{[*AGES, CREDITS]}, ARRAY[a, b, c, d, e]) AS ages (age, amount)"
            " WHERE amount IS NOT NULL",
            (Column(label="Amount", unit="money"),),
            by="Age",
            flat=True,
            colours=(*(age.colour for age in AGING), "grey"),
            explained=("ar_aging.accounts_receivable", "ar_aging.credit_balances"),
        ),
        replace(
            by_month(
                "Aging at the end of each month", "ar_aging_monthly", "month_end_date", *AGING
            ),
            stacked=True,
            explained=("ar_aging_monthly.accounts_receivable_at_month_end",),
        ),
    ),
    ("balances", "receivables"),
)
CLAIMS = Subject(
    "claims",
    "Insurance claims",
    (
        Figure(
            "Outstanding by age",
            "SELECT coalesce(age_bucket"
            " || CASE WHEN age_bucket <> 'Undated' THEN ' days' ELSE '' END, 'none'),"
            " [claims.outstanding_fees], [claims.outstanding_estimates],"
            " [claims.claims_outstanding] FROM claims"
            " WHERE is_outstanding GROUP BY age_bucket ORDER BY min(days_outstanding)",
            (
                Column("claims.outstanding_fees"),
                Column("claims.outstanding_estimates", mark="table"),
                Column("claims.claims_outstanding", mark="table"),
            ),
            by="Age",
            flat=True,
        ),
        by_month(
            "Days from sent to received",
            "claims",
            "received_date",
            Column("claim_turnaround", colour="violet", mark="line"),
            note="By month of receipt.",
        ),
        by_month(
            "Denials",
            "claims",
            "received_date",
            Column("denial_rate", colour="red", mark="line"),
            note="By month of receipt.",
        ),
    ),
    ("claims", "insurance payments"),
    checked="Amounts",
    unchecked="What has become of claims",
)
APPOINTMENTS = Subject(
    "appointments",
    "Appointment outcomes",
    (
        by_month(
            "Kept, cancelled and missed",
            "appointment_outcomes",
            "outcome_date",
            Column("appointments_kept", label="Kept"),
            Column(label="Cancelled", colour="amber", expression="sum(cancelled)"),
            Column(label="Missed", colour="red", expression="sum(missed)"),
            stacked=True,
        ),
        by_month(
            "No-shows and cancellations",
            "appointment_outcomes",
            "outcome_date",
            Column("no_show_rate", colour="red", mark="line"),
            Column("cancellation_rate", colour="amber", mark="line"),
        ),
    ),
)
PROVIDERS = Subject(
    "providers",
    "Provider productivity",
    (
        Figure(
            "Production per hour and goal, last 12 months",
            "SELECT coalesce(provider_abbreviation, 'none'),"
            " [provider_productivity.production_per_hour],"
            " sum(production_goal) / nullif(sum(scheduled_hours), 0), sum(gross_production),"
            " [provider_productivity.scheduled_hours],"
            " [provider_productivity.provider_utilisation] FROM provider_productivity"
            f" WHERE NOT is_hidden_on_reports AND {last_year('productivity_date')}"
            " GROUP BY provider_id, provider_abbreviation HAVING sum(scheduled_hours) > 0"
            " ORDER BY 2 DESC NULLS LAST, 1, provider_id LIMIT 20",
            (
                Column("provider_productivity.production_per_hour"),
                Column(
                    label="Goal per hour",
                    unit="money",
                    colour="orange",
                    mark="goal",
                    definition="The provider's hourly production goal in OpenDental, weighted by"
                    " scheduled hours.",
                ),
                Column(label="Gross production", unit="money", mark="table"),
                Column("provider_productivity.scheduled_hours", mark="table"),
                Column("provider_productivity.provider_utilisation", mark="table"),
            ),
            by="Provider",
            flat=True,
        ),
        by_month(
            "Production of all providers, as a share of their goal",
            "provider_productivity",
            "productivity_date",
            Column("production_of_goal", colour="orange", mark="line"),
            Column("production_per_hour", mark="table"),
        ),
    ),
)
NEW = Subject(
    "new",
    "New patients",
    (
        by_month(
            "New patients by month",
            "new_patients",
            "first_visit_date",
            Column("new_patients", colour="green"),
            Column("first_visit_production", mark="table"),
        ),
        by_name(
            "The ten most frequent referrals, last 12 months",
            "Referral",
            Ranking("new_patients", "referral_source", where=last_year("first_visit_date")),
            Column("new_patients", colour="green"),
            explained=("new_patients.referral_recorded_rate",),
        ),
    ),
)
ACTIVE = Subject(
    "active",
    "Active patients and retention",
    (
        by_month_end(
            "Active patients",
            "active_patients_monthly",
            Column("active_patients"),
            Column("active_patients_24_months", mark="table"),
            note=AT_MONTH_ENDS,
        ),
        by_month_end(
            "Retention",
            "active_patients_monthly",
            Column("retention_rate", colour="green", mark="line"),
            note=AT_MONTH_ENDS,
        ),
        by_month_end(
            "New, recaptured and lost",
            "active_patients_monthly",
            Column(
                label="New",
                colour="green",
                definition="Patients whose first ever visit was in the month.",
                expression="sum(new_patients)",
            ),
            Column("recaptured_patients", label="Recaptured"),
            Column("lost_patients", label="Lost", colour="red"),
        ),
    ),
)
RECALL = Subject(
    "recall",
    "Recall and hygiene",
    (
        by_name(
            "Recalls by their standing",
            "Standing",
            Ranking("recalls", "recall_standing"),
            Column(label="Recalls", colour="violet", expression="count(*)"),
            explained=("recalls.recalls_on_list", "recalls.recalls_overdue"),
        ),
        by_month(
            "Hygiene visits that left with the next one booked",
            "hygiene_visits",
            "visit_date",
            Column("hygiene_reappointment_rate", colour="green", mark="line"),
            Column("hygiene_visits", mark="table"),
        ),
    ),
)
TREATMENT = Subject(
    "treatment",
    "Treatment plans",
    (
        by_month(
            "Presented or planned, and what became of it",
            "case_acceptance",
            "presented_month",
            Column(
                label="Presented or planned",
                unit="money",
                colour="grey",
                expression="sum(gross_presented)",
            ),
            Column(
                label="Scheduled", unit="money", colour="amber", expression="sum(gross_scheduled)"
            ),
            Column(
                label="Completed", unit="money", colour="green", expression="sum(gross_completed)"
            ),
            Column("treatment_presented", label="Presented in saved plans", mark="table"),
            note="By month of presentation.",
        ),
        by_month(
            "Case acceptance",
            "case_acceptance",
            "presented_month",
            Column(
                "case_acceptance_by_amount", label="Of saved plans", colour="green", mark="line"
            ),
            Column(
                "planned_treatment_acceptance", label="Of all planned", colour="grey", mark="line"
            ),
            Column("case_acceptance_by_procedures", mark="table"),
            Column("case_acceptance_within_30_days", mark="table"),
            note="By month of presentation, in amounts.",
        ),
    ),
)
SCHEDULE = Subject(
    "schedule",
    "Unscheduled treatment, utilisation",
    (
        by_name(
            "Planned and not scheduled, the ten largest categories",
            "Category",
            Ranking("unscheduled_treatment", "procedure_category"),
            Column("unscheduled_treatment_value", colour="amber"),
            Column("unscheduled_treatment_patients", mark="table"),
        ),
        Figure(
            "Schedule utilisation",
            "SELECT month, chairs, providers FROM"
            " (SELECT date_trunc('month', utilisation_date)::date AS month,"
            " [schedule_utilisation.chair_utilisation] AS chairs FROM schedule_utilisation"
            " WHERE utilisation_date BETWEEN [first] AND [as_of] GROUP BY 1) AS by_chair"
            " FULL JOIN (SELECT date_trunc('month', productivity_date)::date AS month,"
            " [provider_productivity.provider_utilisation] AS providers FROM provider_productivity"
            " WHERE productivity_date BETWEEN [first] AND [as_of] GROUP BY 1) AS by_provider"
            " USING (month) ORDER BY month",
            (
                Column("schedule_utilisation.chair_utilisation", mark="line"),
                Column("provider_productivity.provider_utilisation", colour="violet", mark="line"),
            ),
        ),
    ),
)

SUBJECTS = (
    PRODUCTION,
    RATE,
    CODES,
    RECEIVABLES,
    CLAIMS,
    APPOINTMENTS,
    PROVIDERS,
    NEW,
    ACTIVE,
    RECALL,
    TREATMENT,
    SCHEDULE,
)


def everything() -> tuple[Figure | Headline, ...]:
    """Return all that is read for the page."""
    return (*HEADLINE, *(figure for subject in SUBJECTS for figure in subject.figures))
