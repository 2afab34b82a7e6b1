{# What it shows of a code, and of the definition of its kind, is in fct_procedures too. #}
{{ config(touched_column='production_month', touched_type='date', unread=['procedurecode', 'definition']) }}

with

procedures as (

    select * from {{ ref('fct_procedures') }}
    where is_completed
        {{ only_touched('procedure_date', 'and') }}

),

procedure_codes as (

    select * from {{ ref('dim_procedure_codes') }}

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

monthly as (

    select
        cast(date_trunc('month', cast(procedure_date as timestamp)) as date) as production_month,
        procedure_code_id,
        provider_id,
        clinic_id,
        count(*) as procedures_completed,
        cast(sum(units) as bigint) as units,
        sum(fee_total) as fee_total,
        sum(capitation_write_off) as capitation_write_offs,
        sum(gross_production) as gross_production,
        sum(insurance_write_off) as insurance_write_offs
    from procedures
    group by 1, 2, 3, 4

),

keyed as (

    select
        {{ day_key('production_month') }} || '|' || coalesce(cast(procedure_code_id as text), 'no code') as production_by_procedure_code_id,
        monthly.*
    from monthly

),

final as (

    select
        keyed.production_by_procedure_code_id,
        keyed.production_month,
        keyed.procedure_code_id,
        procedure_codes.procedure_code,
        procedure_codes.procedure_description,
        procedure_codes.procedure_category,
        coalesce(procedure_codes.is_hygiene, false) as is_hygiene,
        keyed.provider_id,
        providers.abbreviation as provider_abbreviation,
        keyed.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        keyed.procedures_completed,
        keyed.units,
        keyed.fee_total,
        keyed.capitation_write_offs,
        keyed.gross_production,
        keyed.insurance_write_offs
    from keyed
    left join procedure_codes
        on procedure_codes.procedure_code_id = keyed.procedure_code_id
    left join providers
        on providers.provider_id = keyed.provider_id
    left join clinics
        on clinics.clinic_id = keyed.clinic_id

)

select * from final
