{{
    config(
        touched_column='production_date',
        touched_type='date',
        settings=['write_off_dating_mode', 'is_scheduled_production_less_write_offs']
    )
}}

with

procedures as (

    select * from {{ ref('fct_procedures') }}
    where is_completed
        {{ only_touched('procedure_date', 'and') }}

),

scheduled as (

    select * from {{ ref('int_procedures_scheduled') }}
    {{ only_touched('scheduled_date') }}

),

adjustments as (

    select * from {{ ref('fct_adjustments') }}
    {{ only_touched('adjustment_date') }}

),

-- Not materialized: each of the dates by which a write-off may count is looked for by itself.
claim_procedures as not materialized (

    select * from {{ ref('fct_claim_procedures') }}
    where is_received or is_pending

),

settings as (

    select * from {{ ref('int_preferences_pivoted') }}

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

amounts as (

    select
        procedure_date as production_date,
        provider_id,
        clinic_id,
        count(*) as procedures_completed,
        sum(gross_production) as gross_production,
        0 as adjustments,
        0 as write_offs_by_payment_date,
        0 as write_offs_by_procedure_date,
        0 as write_offs_by_claim_date,
        0 as procedures_scheduled,
        0 as scheduled_production,
        0 as scheduled_discounts
    from procedures
    group by procedure_date, provider_id, clinic_id

    union all

    select adjustment_date, provider_id, clinic_id, 0, 0, adjustment_amount, 0, 0, 0, 0, 0, 0
    from adjustments

    union all

    select payment_date, provider_id, clinic_id, 0, 0, 0, write_off_by_payment_date, 0, write_off_by_claim_date_difference, 0, 0, 0
    from claim_procedures
    where (write_off_by_payment_date <> 0 or write_off_by_claim_date_difference <> 0)
        {{ only_touched('payment_date', 'and') }}

    union all

    select procedure_date, provider_id, clinic_id, 0, 0, 0, 0, write_off_by_procedure_date, 0, 0, 0, 0
    from claim_procedures
    where write_off_by_procedure_date <> 0
        {{ only_touched('procedure_date', 'and') }}

    union all

    select snapshot_date, provider_id, clinic_id, 0, 0, 0, 0, 0, write_off_by_claim_date_expected, 0, 0, 0
    from claim_procedures
    where write_off_by_claim_date_expected <> 0
        {{ only_touched('snapshot_date', 'and') }}

    union all

    select scheduled_date, provider_id, appointment_clinic_id, 0, 0, 0, 0, 0, 0, 1, scheduled_production, 0
    from scheduled

    union all

    select scheduled_date, provider_id, clinic_id, 0, 0, 0, 0, 0, 0, 0, 0, scheduled_discount
    from scheduled
    where scheduled_discount <> 0

),

summed as (

    select
        production_date,
        provider_id,
        clinic_id,
        cast(sum(procedures_completed) as bigint) as procedures_completed,
        sum(gross_production) as gross_production,
        sum(adjustments) as adjustments,
        sum(write_offs_by_payment_date) as write_offs_by_payment_date,
        sum(write_offs_by_procedure_date) as write_offs_by_procedure_date,
        sum(write_offs_by_claim_date) as write_offs_by_claim_date,
        cast(sum(procedures_scheduled) as bigint) as procedures_scheduled,
        sum(scheduled_production) as scheduled_production,
        sum(scheduled_discounts) as scheduled_discounts
    from amounts
    group by production_date, provider_id, clinic_id

),

keyed as (

    select
        {{ day_key('production_date') }} as daily_production_id,
        summed.*,
        gross_production + adjustments - write_offs_by_payment_date as net_production_by_payment_date,
        gross_production + adjustments - write_offs_by_procedure_date as net_production_by_procedure_date,
        gross_production + adjustments - write_offs_by_claim_date as net_production_by_claim_date
    from summed

),

chosen as (

    select
        keyed.*,
        settings.write_off_dating_mode,
        case settings.write_off_dating_mode
            when 0 then keyed.net_production_by_payment_date
            when 1 then keyed.net_production_by_procedure_date
            when 2 then keyed.net_production_by_claim_date
        end as net_production
    from keyed
    cross join settings

),

final as (

    select
        chosen.daily_production_id,
        chosen.production_date,
        chosen.provider_id,
        providers.abbreviation as provider_abbreviation,
        chosen.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        chosen.procedures_completed,
        chosen.gross_production,
        chosen.adjustments,
        chosen.write_offs_by_payment_date,
        chosen.write_offs_by_procedure_date,
        chosen.write_offs_by_claim_date,
        chosen.net_production_by_payment_date,
        chosen.net_production_by_procedure_date,
        chosen.net_production_by_claim_date,
        chosen.write_off_dating_mode,
        chosen.net_production,
        chosen.procedures_scheduled,
        chosen.scheduled_production,
        chosen.scheduled_discounts,
        chosen.net_production + chosen.scheduled_production + chosen.scheduled_discounts as net_production_with_scheduled
    from chosen
    left join providers
        on providers.provider_id = chosen.provider_id
    left join clinics
        on clinics.clinic_id = chosen.clinic_id

)

select * from final
