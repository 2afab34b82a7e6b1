with

procedures as (

    select * from {{ ref('fct_procedures') }}
    where is_completed

),

adjustments as (

    select * from {{ ref('stg_opendental__adjustments') }}

),

write_offs as (

    select * from {{ ref('int_write_offs_dated') }}

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
        1 as procedures_completed,
        gross_production,
        0 as adjustments,
        0 as write_offs_by_payment_date,
        0 as write_offs_by_procedure_date,
        0 as write_offs_by_claim_date
    from procedures

    union all

    select
        adjustment_date,
        provider_id,
        clinic_id,
        0,
        0,
        adjustment_amount,
        0,
        0,
        0
    from adjustments

    union all

    select
        write_off_date,
        provider_id,
        clinic_id,
        0,
        0,
        0,
        case when write_off_dating_mode = 0 then amount else 0 end,
        case when write_off_dating_mode = 1 then amount else 0 end,
        case when write_off_dating_mode = 2 then amount else 0 end
    from write_offs

),

summed as (

    select
        production_date,
        provider_id,
        clinic_id,
        sum(procedures_completed) as procedures_completed,
        sum(gross_production) as gross_production,
        sum(adjustments) as adjustments,
        sum(write_offs_by_payment_date) as write_offs_by_payment_date,
        sum(write_offs_by_procedure_date) as write_offs_by_procedure_date,
        sum(write_offs_by_claim_date) as write_offs_by_claim_date
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

final as (

    select
        keyed.daily_production_id,
        keyed.production_date,
        keyed.provider_id,
        providers.abbreviation as provider_abbreviation,
        keyed.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        keyed.procedures_completed,
        keyed.gross_production,
        keyed.adjustments,
        keyed.write_offs_by_payment_date,
        keyed.write_offs_by_procedure_date,
        keyed.write_offs_by_claim_date,
        keyed.net_production_by_payment_date,
        keyed.net_production_by_procedure_date,
        keyed.net_production_by_claim_date,
        settings.write_off_dating_mode,
        case settings.write_off_dating_mode
            when 0 then keyed.net_production_by_payment_date
            when 1 then keyed.net_production_by_procedure_date
            when 2 then keyed.net_production_by_claim_date
        end as net_production
    from keyed
    cross join settings
    left join providers
        on providers.provider_id = keyed.provider_id
    left join clinics
        on clinics.clinic_id = keyed.clinic_id

)

select * from final
