"""The twelve subjects of the practice report, and the numbers of its first screen."""

from __future__ import annotations

from tasks.report.figures import Column, Figure, Headline, Subject, last_year, monthly, ranked, sums

MONTHS = (
    "(SELECT date_trunc('month', production_date)::date AS month, [daily_production.net_production] AS net FROM daily_production"
    " WHERE production_date BETWEEN [first] AND [as_of] GROUP BY 1) AS production"
    " FULL JOIN (SELECT date_trunc('month', collection_date)::date AS month, [daily_collections.collections] AS collected"
    " FROM daily_collections WHERE collection_date BETWEEN [first] AND [as_of] GROUP BY 1) AS collections USING (month)"
)
COLLECTION_RATE = Column(
    label="Collection rate",
    unit="percent",
    colour="green",
    mark="line",
    definition="Collections ÷ net production of the same period, insurance write-offs in the practice's own dating mode.",
)
GOAL_PER_HOUR = Column(
    label="Goal per hour",
    unit="money",
    colour="orange",
    mark="goal",
    definition="The provider's hourly production goal in OpenDental, weighted by scheduled hours.",
)
CREDITS = "Credit balances"
AGES = ("0 to 30 days", "31 to 60 days", "61 to 90 days", "Over 90 days")
BUCKETS = ("balance_0_to_30", "balance_31_to_60", "balance_61_to_90", "balance_over_90")
AGE_COLOURS = ("green", "amber", "orange", "red")

SUBJECTS = (
    Subject(
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
    ),
    Subject(
        "rate",
        "Collection rate",
        (
            Figure(
                "Collections as a share of net production",
                "SELECT month, collected / nullif(net, 0), sum(collected) OVER year / nullif(sum(net) OVER year, 0)"
                f" FROM {MONTHS} WINDOW year AS (ORDER BY month) ORDER BY month",
                (
                    COLLECTION_RATE,
                    Column(
                        label="Since the first month shown",
                        unit="percent",
                        colour="grey",
                        mark="line",
                    ),
                ),
            ),
        ),
        ("payments", "insurance payments"),
        checked="Collections",
        unchecked="Production",
    ),
    Subject(
        "codes",
        "Production by procedure code",
        (
            Figure(
                "The twelve codes with the most production, last 12 months",
                ranked(
                    "production_by_procedure_code",
                    "concat_ws(' ', procedure_code, procedure_description)",
                    "production_by_code",
                    "procedures_completed",
                    "average_fee",
                    where=last_year("production_month"),
                    limit=12,
                ),
                (
                    Column("production_by_procedure_code.production_by_code"),
                    Column("production_by_procedure_code.procedures_completed", mark="table"),
                    Column("production_by_procedure_code.average_fee", mark="table"),
                ),
                by="Code",
                flat=True,
            ),
            Figure(
                "The largest categories, last 12 months",
                ranked(
                    "production_by_procedure_code",
                    "procedure_category",
                    "production_by_code",
                    "procedures_completed",
                    where=last_year("production_month"),
                    limit=12,
                ),
                (
                    Column("production_by_procedure_code.production_by_code", colour="violet"),
                    Column("production_by_procedure_code.procedures_completed", mark="table"),
                ),
                by="Category",
                flat=True,
            ),
        ),
    ),
    Subject(
        "receivables",
        "Accounts receivable",
        (
            Figure(
                "Aging",
                f"SELECT age, amount FROM (SELECT {sums(*BUCKETS)}, [ar_aging.credit_balances] FROM ar_aging) AS today (a, b, c, d, e),"
                f" unnest(ARRAY{[*AGES, CREDITS]}, ARRAY[a, b, c, d, e]) AS ages (age, amount) WHERE amount IS NOT NULL",
                (Column(label="Amount", unit="money"),),
                by="Age",
                flat=True,
                colours=(*AGE_COLOURS, "grey"),
                explained=("ar_aging.accounts_receivable", "ar_aging.credit_balances"),
            ),
            Figure(
                "Aging at the end of each month",
                f"SELECT date_trunc('month', month_end_date)::date, {sums(*BUCKETS)}"
                " FROM ar_aging_monthly WHERE month_end_date BETWEEN [first] AND [as_of] GROUP BY 1 ORDER BY 1",
                tuple(
                    Column(label=age, unit="money", colour=colour)
                    for age, colour in zip(AGES, AGE_COLOURS, strict=True)
                ),
                stacked=True,
                explained=("ar_aging_monthly.accounts_receivable_at_month_end",),
            ),
        ),
        ("balances", "receivables"),
    ),
    Subject(
        "claims",
        "Insurance claims",
        (
            Figure(
                "Outstanding by age",
                "SELECT coalesce(age_bucket || CASE WHEN age_bucket <> 'Undated' THEN ' days' ELSE '' END, 'none'),"
                " [claims.outstanding_fees], [claims.outstanding_estimates], [claims.claims_outstanding] FROM claims"
                " WHERE is_outstanding GROUP BY age_bucket ORDER BY min(days_outstanding)",
                (
                    Column("claims.outstanding_fees"),
                    Column("claims.outstanding_estimates", mark="table"),
                    Column("claims.claims_outstanding", mark="table"),
                ),
                by="Age",
                flat=True,
            ),
            Figure(
                "Days from sent to received",
                monthly("claims", "received_date", "claim_turnaround"),
                (Column("claims.claim_turnaround", colour="violet", mark="line"),),
                note="By month of receipt.",
            ),
            Figure(
                "Denials",
                monthly("claims", "received_date", "denial_rate"),
                (Column("claims.denial_rate", colour="red", mark="line"),),
                note="By month of receipt.",
            ),
        ),
        ("claims", "insurance payments"),
        checked="Amounts",
        unchecked="What has become of claims",
    ),
    Subject(
        "appointments",
        "Appointment outcomes",
        (
            Figure(
                "Kept, cancelled and missed",
                "SELECT date_trunc('month', outcome_date)::date, [appointment_outcomes.appointments_kept], sum(cancelled),"
                " sum(missed) FROM appointment_outcomes WHERE outcome_date BETWEEN [first] AND [as_of] GROUP BY 1 ORDER BY 1",
                (
                    Column("appointment_outcomes.appointments_kept", label="Kept"),
                    Column(label="Cancelled", colour="amber"),
                    Column(label="Missed", colour="red"),
                ),
                stacked=True,
            ),
            Figure(
                "No-shows and cancellations",
                monthly(
                    "appointment_outcomes", "outcome_date", "no_show_rate", "cancellation_rate"
                ),
                (
                    Column("appointment_outcomes.no_show_rate", colour="red", mark="line"),
                    Column("appointment_outcomes.cancellation_rate", colour="amber", mark="line"),
                ),
            ),
        ),
    ),
    Subject(
        "providers",
        "Provider productivity",
        (
            Figure(
                "Production per hour and goal, last 12 months",
                "SELECT coalesce(provider_abbreviation, 'none'), [provider_productivity.production_per_hour],"
                " sum(production_goal) / nullif(sum(scheduled_hours), 0), sum(gross_production),"
                " [provider_productivity.scheduled_hours], [provider_productivity.provider_utilisation]"
                f" FROM provider_productivity WHERE NOT is_hidden_on_reports AND {last_year('productivity_date')}"
                " GROUP BY provider_id, provider_abbreviation HAVING sum(scheduled_hours) > 0 ORDER BY 2 DESC NULLS LAST, 1, provider_id LIMIT 20",
                (
                    Column("provider_productivity.production_per_hour"),
                    GOAL_PER_HOUR,
                    Column(label="Gross production", unit="money", mark="table"),
                    Column("provider_productivity.scheduled_hours", mark="table"),
                    Column("provider_productivity.provider_utilisation", mark="table"),
                ),
                by="Provider",
                flat=True,
            ),
            Figure(
                "Production of all providers, as a share of their goal",
                monthly(
                    "provider_productivity",
                    "productivity_date",
                    "production_of_goal",
                    "production_per_hour",
                ),
                (
                    Column(
                        "provider_productivity.production_of_goal", colour="orange", mark="line"
                    ),
                    Column("provider_productivity.production_per_hour", mark="table"),
                ),
            ),
        ),
    ),
    Subject(
        "new",
        "New patients",
        (
            Figure(
                "New patients by month",
                monthly(
                    "new_patients", "first_visit_date", "new_patients", "first_visit_production"
                ),
                (
                    Column("new_patients.new_patients", colour="green"),
                    Column("new_patients.first_visit_production", mark="table"),
                ),
            ),
            Figure(
                "The ten most frequent referrals, last 12 months",
                ranked(
                    "new_patients",
                    "referral_source",
                    "new_patients",
                    where=last_year("first_visit_date"),
                ),
                (Column("new_patients.new_patients", colour="green"),),
                by="Referral",
                flat=True,
                explained=("new_patients.referral_recorded_rate",),
            ),
        ),
    ),
    Subject(
        "active",
        "Active patients and retention",
        (
            Figure(
                "Active patients",
                "SELECT date_trunc('month', month_end_date)::date, sum(active_patients), sum(active_patients_24_months)"
                " FROM active_patients_monthly WHERE month_end_date >= [first] GROUP BY 1 ORDER BY 1",
                (
                    Column("active_patients_monthly.active_patients"),
                    Column("active_patients_monthly.active_patients_24_months", mark="table"),
                ),
            ),
            Figure(
                "Retention",
                "SELECT date_trunc('month', month_end_date)::date, sum(retained_patients) / nullif(sum(active_at_window_start), 0)"
                " FROM active_patients_monthly WHERE month_end_date >= [first] GROUP BY 1 ORDER BY 1",
                (Column("active_patients_monthly.retention_rate", colour="green", mark="line"),),
            ),
            Figure(
                "New, recaptured and lost",
                "SELECT date_trunc('month', month_end_date)::date, sum(new_patients),"
                " [active_patients_monthly.recaptured_patients], [active_patients_monthly.lost_patients]"
                " FROM active_patients_monthly WHERE month_end_date >= [first] GROUP BY 1 ORDER BY 1",
                (
                    Column(
                        label="New",
                        colour="green",
                        definition="Patients whose first ever visit was in the month.",
                    ),
                    Column("active_patients_monthly.recaptured_patients", label="Recaptured"),
                    Column("active_patients_monthly.lost_patients", label="Lost", colour="red"),
                ),
            ),
        ),
    ),
    Subject(
        "recall",
        "Recall and hygiene",
        (
            Figure(
                "Recalls by their standing",
                "SELECT coalesce(recall_standing, 'none'), count(*) FROM recalls GROUP BY 1 ORDER BY 2 DESC, 1",
                (Column(label="Recalls", colour="violet"),),
                by="Standing",
                flat=True,
                explained=("recalls.recalls_on_list", "recalls.recalls_overdue"),
            ),
            Figure(
                "Hygiene visits that left with the next one booked",
                monthly(
                    "hygiene_visits", "visit_date", "hygiene_reappointment_rate", "hygiene_visits"
                ),
                (
                    Column(
                        "hygiene_visits.hygiene_reappointment_rate", colour="green", mark="line"
                    ),
                    Column("hygiene_visits.hygiene_visits", mark="table"),
                ),
            ),
        ),
    ),
    Subject(
        "treatment",
        "Treatment plans",
        (
            Figure(
                "Presented or planned, and what became of it",
                "SELECT presented_month, sum(gross_presented), sum(gross_scheduled), sum(gross_completed),"
                " [case_acceptance.treatment_presented] FROM case_acceptance"
                " WHERE presented_month BETWEEN [first] AND [as_of] GROUP BY 1 ORDER BY 1",
                (
                    Column(label="Presented or planned", unit="money", colour="grey"),
                    Column(label="Scheduled", unit="money", colour="amber"),
                    Column(label="Completed", unit="money", colour="green"),
                    Column(
                        "case_acceptance.treatment_presented",
                        label="Presented in saved plans",
                        mark="table",
                    ),
                ),
                note="By month of presentation.",
            ),
            Figure(
                "Case acceptance",
                monthly(
                    "case_acceptance",
                    "presented_month",
                    "case_acceptance_by_amount",
                    "planned_treatment_acceptance",
                    "case_acceptance_by_procedures",
                    "case_acceptance_within_30_days",
                ),
                (
                    Column(
                        "case_acceptance.case_acceptance_by_amount",
                        label="Of saved plans",
                        colour="green",
                        mark="line",
                    ),
                    Column(
                        "case_acceptance.planned_treatment_acceptance",
                        label="Of all planned",
                        colour="grey",
                        mark="line",
                    ),
                    Column("case_acceptance.case_acceptance_by_procedures", mark="table"),
                    Column("case_acceptance.case_acceptance_within_30_days", mark="table"),
                ),
                note="By month of presentation, in amounts.",
            ),
        ),
    ),
    Subject(
        "schedule",
        "Unscheduled treatment, utilisation",
        (
            Figure(
                "Planned and not scheduled, the ten largest categories",
                ranked(
                    "unscheduled_treatment",
                    "procedure_category",
                    "unscheduled_treatment_value",
                    "unscheduled_treatment_patients",
                ),
                (
                    Column("unscheduled_treatment.unscheduled_treatment_value", colour="amber"),
                    Column("unscheduled_treatment.unscheduled_treatment_patients", mark="table"),
                ),
                by="Category",
                flat=True,
            ),
            Figure(
                "Schedule utilisation",
                "SELECT month, chairs, providers FROM (SELECT date_trunc('month', utilisation_date)::date AS month,"
                " [schedule_utilisation.chair_utilisation] AS chairs FROM schedule_utilisation"
                " WHERE utilisation_date BETWEEN [first] AND [as_of] GROUP BY 1) AS by_chair"
                " FULL JOIN (SELECT date_trunc('month', productivity_date)::date AS month,"
                " [provider_productivity.provider_utilisation] AS providers FROM provider_productivity"
                " WHERE productivity_date BETWEEN [first] AND [as_of] GROUP BY 1) AS by_provider USING (month) ORDER BY month",
                (
                    Column("schedule_utilisation.chair_utilisation", mark="line"),
                    Column(
                        "provider_productivity.provider_utilisation", colour="violet", mark="line"
                    ),
                ),
            ),
        ),
    ),
)

HEADLINE = (
    Headline(
        Column("daily_production.net_production"),
        monthly("daily_production", "production_date", "net_production", until="[this_month] - 1"),
        1,
    ),
    Headline(
        Column("daily_collections.collections"),
        monthly("daily_collections", "collection_date", "collections", until="[this_month] - 1"),
        1,
    ),
    Headline(
        COLLECTION_RATE,
        f"SELECT month, collected / nullif(net, 0) FROM {MONTHS} WHERE month < [this_month] ORDER BY month",
        1,
    ),
    Headline(
        Column("ar_aging.accounts_receivable"),
        "SELECT month_end_date, [ar_aging_monthly.accounts_receivable_at_month_end] FROM ar_aging_monthly"
        " WHERE month_end_date >= [first] AND month_end_date < [this_month] GROUP BY 1"
        " UNION ALL SELECT [as_of], [ar_aging.accounts_receivable] FROM ar_aging ORDER BY 1",
        -1,
    ),
    Headline(
        Column("appointment_outcomes.no_show_rate"),
        monthly("appointment_outcomes", "outcome_date", "no_show_rate", until="[this_month] - 1"),
        -1,
    ),
    Headline(
        Column("active_patients_monthly.active_patients"),
        "SELECT reckoned_date, sum(active_patients) FROM active_patients_monthly WHERE month_end_date >= [first] GROUP BY 1 ORDER BY 1",
        1,
    ),
)


def everything() -> tuple[Figure | Headline, ...]:
    """Return all that is read for the page."""
    return (*HEADLINE, *(figure for subject in SUBJECTS for figure in subject.figures))
