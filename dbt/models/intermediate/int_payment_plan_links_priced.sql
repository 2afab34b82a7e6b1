{#
    A table, as it has few rows for the scan of every ledger that it takes, and what reads it is planned by their number.
#}
{{
    config(
        materialized='table',
        unique_key='payment_plan_link_id',
        keeps_changes=true,
        pre_hook="create or replace function pg_temp.linked_procedures() returns bigint[] language sql immutable as $$select coalesce(array_agg(linked_id), '{}') from {{ ref('stg_opendental__payment_plan_links') }} where link_type_code = 2$$"
    )
}}

with

links as (

    select * from {{ ref('stg_opendental__payment_plan_links') }}

),

payment_plans as (

    select * from {{ ref('stg_opendental__payment_plans') }}

),

settings as (

    select * from {{ ref('int_preferences_pivoted') }}

),

procedures as (

    select * from {{ ref('stg_opendental__procedures') }}

),

-- Not materialized: what is named twice would be written to disk with every row.
adjustments as not materialized (

    select * from {{ ref('stg_opendental__adjustments') }}

),

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}

),

pay_splits as not materialized (

    select * from {{ ref('stg_opendental__pay_splits') }}

),

-- Up to version 24.1 a planned procedure is taken over as well, unless its plan waits for it; from 23.2 on its discounts are charged back.
linked_procedures as (

    select
        links.payment_plan_link_id,
        payment_plans.patient_id as payment_plan_patient_id,
        procedures.procedure_id,
        procedures.patient_id,
        procedures.provider_id,
        procedures.clinic_id,
        procedures.procedure_date,
        procedures.procedure_fee * (procedures.unit_quantity + procedures.base_units) as fee_total,
        case
            when settings.is_payment_plan_discount_charged
                and procedures.procedure_status_code = 1
                and payment_plans.is_dynamic
                and payment_plans.treatment_planned_option_code = 2
                then procedures.discount + procedures.discount_plan_amount
            else 0
        end as planned_discount
    from links
    cross join settings
    inner join payment_plans
        on payment_plans.payment_plan_id = links.payment_plan_id
    inner join procedures
        on procedures.procedure_id = links.linked_id
    where links.link_type_code = 2
        {{ linked('procedures.procedure_id') }}
        and (
            procedures.procedure_status_code = 2
            or (not settings.is_payment_plan_link_dated_by_production and payment_plans.treatment_planned_option_code <> 1)
        )

),

linked_adjustments as (

    select
        links.payment_plan_link_id,
        adjustments.*
    from links
    inner join adjustments
        on adjustments.adjustment_id = links.linked_id
    where links.link_type_code = 1

),

-- Of adjustments only those of the procedure's own patient, provider and clinic.
procedure_adjustments as (

    select
        linked_procedures.payment_plan_link_id,
        sum(adjustments.adjustment_amount) as amount
    from linked_procedures
    inner join adjustments
        on adjustments.procedure_id = linked_procedures.procedure_id
            and adjustments.patient_id = linked_procedures.patient_id
            and adjustments.provider_id is not distinct from linked_procedures.provider_id
            and adjustments.clinic_id is not distinct from linked_procedures.clinic_id
            {{ linked('adjustments.procedure_id') }}
    group by linked_procedures.payment_plan_link_id

),

procedure_insurance as (

    select
        linked_procedures.payment_plan_link_id,
        sum(
            case
                when claim_procedures.claim_procedure_status_code in (1, 4, 7)
                    then claim_procedures.insurance_payment + claim_procedures.write_off
                else coalesce(claim_procedures.estimated_payment_override, claim_procedures.estimated_payment)
                    + coalesce(claim_procedures.estimated_write_off_override, claim_procedures.estimated_write_off, 0)
            end
        ) as amount
    from linked_procedures
    inner join claim_procedures
        on claim_procedures.procedure_id = linked_procedures.procedure_id
            {{ linked('claim_procedures.procedure_id') }}
    where claim_procedures.claim_procedure_status_code <> 2
    group by linked_procedures.payment_plan_link_id

),

-- Splits of payment plans are left out by FILTER: PostgreSQL takes a WHERE on a key that may be 0 to leave few rows, and loops.
procedure_payments as (

    select
        linked_procedures.payment_plan_link_id,
        sum(pay_splits.split_amount) filter (where pay_splits.payment_plan_id is null) as amount
    from linked_procedures
    inner join pay_splits
        on pay_splits.procedure_id = linked_procedures.procedure_id
            {{ linked('pay_splits.procedure_id') }}
    group by linked_procedures.payment_plan_link_id

),

adjustment_payments as (

    select
        linked_adjustments.payment_plan_link_id,
        sum(pay_splits.split_amount) filter (where pay_splits.payment_plan_id is null) as amount
    from linked_adjustments
    inner join pay_splits
        on pay_splits.adjustment_id = linked_adjustments.adjustment_id
    group by linked_adjustments.payment_plan_link_id

),

production as (

    select
        linked_procedures.payment_plan_link_id,
        linked_procedures.payment_plan_patient_id,
        linked_procedures.patient_id,
        linked_procedures.provider_id,
        linked_procedures.clinic_id,
        linked_procedures.procedure_id,
        linked_procedures.procedure_date as production_date,
        linked_procedures.planned_discount,
        linked_procedures.fee_total
            + coalesce(procedure_adjustments.amount, 0)
            - coalesce(procedure_insurance.amount, 0)
            - coalesce(procedure_payments.amount, 0) as remainder
    from linked_procedures
    left join procedure_adjustments
        on procedure_adjustments.payment_plan_link_id = linked_procedures.payment_plan_link_id
    left join procedure_insurance
        on procedure_insurance.payment_plan_link_id = linked_procedures.payment_plan_link_id
    left join procedure_payments
        on procedure_payments.payment_plan_link_id = linked_procedures.payment_plan_link_id

    union all

    select
        linked_adjustments.payment_plan_link_id,
        cast(null as bigint),
        linked_adjustments.patient_id,
        linked_adjustments.provider_id,
        linked_adjustments.clinic_id,
        cast(null as bigint),
        linked_adjustments.adjustment_date,
        0,
        linked_adjustments.adjustment_amount - coalesce(adjustment_payments.amount, 0)
    from linked_adjustments
    left join adjustment_payments
        on adjustment_payments.payment_plan_link_id = linked_adjustments.payment_plan_link_id

),

final as (

    select
        production.payment_plan_link_id,
        links.payment_plan_id,
        production.payment_plan_patient_id,
        production.patient_id,
        production.provider_id,
        production.clinic_id,
        production.procedure_id,
        production.production_date,
        cast(links.entered_at as date) as linked_date,
        coalesce(links.amount_override, production.remainder) as linked_amount,
        production.planned_discount
    from production
    inner join links
        on links.payment_plan_link_id = production.payment_plan_link_id

)

select * from final
