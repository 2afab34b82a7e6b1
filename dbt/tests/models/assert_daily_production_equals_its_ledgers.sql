-- Every completed procedure, adjustment and write-off is in daily_production, once.
with

production as (

    select
        sum(gross_production) as gross_production,
        sum(adjustments) as adjustments,
        sum(write_offs_by_payment_date) as write_offs_by_payment_date,
        sum(write_offs_by_procedure_date) as write_offs_by_procedure_date,
        sum(write_offs_by_claim_date) as write_offs_by_claim_date,
        sum(scheduled_production) as scheduled_production,
        sum(scheduled_discounts) as scheduled_discounts
    from {{ ref('daily_production') }}

),

completed_procedures as (

    select sum(procedure_fee * (unit_quantity + base_units)) as amount
    from {{ ref('stg_opendental__procedures') }}
    where procedure_status_code = 2

),

capitation as (

    select sum(write_off) as amount
    from {{ ref('stg_opendental__claim_procedures') }}
    where claim_procedure_status_code = 7
        and procedure_id in (
            select procedure_id
            from {{ ref('stg_opendental__procedures') }}
            where procedure_status_code = 2
        )

),

adjustments as (

    select sum(adjustment_amount) as amount
    from {{ ref('stg_opendental__adjustments') }}

),

write_offs as (

    select
        sum(write_off) filter (where claim_procedure_status_code in (1, 4)) as received,
        sum(write_off) filter (where claim_procedure_status_code = 0) as expected
    from {{ ref('stg_opendental__claim_procedures') }}

),

-- received ones end at the actual amount in every mode; the others stand with what their first snapshot expected
expected_snapshots as (

    select sum(claim_snapshots.write_off) as amount
    from {{ ref('stg_opendental__claim_snapshots') }} as claim_snapshots
    where claim_snapshots.claim_procedure_id in (
            select claim_procedure_id
            from {{ ref('stg_opendental__claim_procedures') }}
            where claim_procedure_status_code = 0
        )
        and claim_snapshots.claim_snapshot_id in (
            select min(claim_snapshot_id)
            from {{ ref('stg_opendental__claim_snapshots') }}
            group by claim_procedure_id
        )

),

scheduled_procedures as (

    select * from {{ ref('stg_opendental__procedures') }}
    where procedure_status_code = 1
        and appointment_id in (
            select appointment_id
            from {{ ref('stg_opendental__appointments') }}
            where appointment_status_code = 1
        )

),

scheduled as (

    select
        sum(procedure_fee * (unit_quantity + base_units)) as fees,
        sum(discount + discount_plan_amount) as discounts
    from scheduled_procedures

),

scheduled_write_offs as (

    select sum(coalesce(estimated_write_off_override, estimated_write_off)) as amount
    from {{ ref('stg_opendental__claim_procedures') }}
    where procedure_id in (select procedure_id from scheduled_procedures)
        and (
            claim_procedure_status_code = 8
            or claim_procedure_status_code = 6
            and (select is_scheduled_production_less_write_offs from {{ ref('int_preferences_pivoted') }})
        )

),

compared as (

    select 'gross production' as what, production.gross_production as mart, coalesce(completed_procedures.amount, 0) - coalesce(capitation.amount, 0) as ledger
    from production cross join completed_procedures cross join capitation
    union all
    select 'adjustments', production.adjustments, adjustments.amount
    from production cross join adjustments
    union all
    select 'write-offs by payment date', production.write_offs_by_payment_date, write_offs.received
    from production cross join write_offs
    union all
    select 'write-offs by procedure date', production.write_offs_by_procedure_date, coalesce(write_offs.received, 0) + coalesce(write_offs.expected, 0)
    from production cross join write_offs
    union all
    select 'write-offs by claim date', production.write_offs_by_claim_date, coalesce(write_offs.received, 0) + coalesce(expected_snapshots.amount, 0)
    from production cross join write_offs cross join expected_snapshots
    union all
    select 'scheduled production', production.scheduled_production, coalesce(scheduled.fees, 0) - coalesce(scheduled_write_offs.amount, 0)
    from production cross join scheduled cross join scheduled_write_offs
    union all
    select 'scheduled discounts', production.scheduled_discounts, -scheduled.discounts
    from production cross join scheduled

),

final as (

    select * from compared
    where coalesce(mart, 0) <> coalesce(ledger, 0)

)

select * from final
