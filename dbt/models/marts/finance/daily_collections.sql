{{ config(touched_column='collection_date', touched_type='date') }}

with

pay_splits as (

    select * from {{ ref('fct_pay_splits') }}
    {{ only_touched('payment_date') }} {{ only_touched('payment_header_date', 'or') }}

),

insurance_payments as (

    select * from {{ ref('fct_claim_procedures') }}
    where is_on_payment
        {{ only_touched('check_date', 'and') }}

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

-- the splits have two dates: summed once by both, and the sums by each
split_sums as (

    select
        payment_date,
        payment_header_date,
        provider_id,
        clinic_id,
        sum(patient_income) as patient_income,
        coalesce(sum(patient_income) filter (where is_unearned), 0) as patient_income_unearned,
        coalesce(sum(split_amount) filter (where is_hidden_unearned), 0) as hidden_unearned,
        count(*) as payment_lines
    from pay_splits
    group by payment_date, payment_header_date, provider_id, clinic_id

),

amounts as (

    select
        payment_date as collection_date,
        provider_id,
        clinic_id,
        patient_income,
        patient_income_unearned,
        0 as patient_income_by_payment,
        0 as insurance_income,
        0 as insurance_income_received,
        hidden_unearned,
        payment_lines
    from split_sums

    union all

    select
        payment_header_date,
        provider_id,
        clinic_id,
        0,
        0,
        patient_income,
        0,
        0,
        0,
        0
    from split_sums
    where patient_income <> 0

    union all

    select
        check_date,
        provider_id,
        clinic_id,
        0,
        0,
        0,
        insurance_income,
        case when is_received then insurance_income else 0 end,
        0,
        1
    from insurance_payments

),

summed as (

    select
        collection_date,
        provider_id,
        clinic_id,
        sum(patient_income) as patient_income,
        sum(patient_income) - sum(patient_income_unearned) as patient_income_earned,
        sum(patient_income_unearned) as patient_income_unearned,
        sum(patient_income_by_payment) as patient_income_by_payment,
        sum(insurance_income) as insurance_income,
        sum(insurance_income_received) as insurance_income_received,
        sum(patient_income) + sum(insurance_income) as total_income,
        sum(hidden_unearned) as hidden_unearned,
        cast(sum(payment_lines) as bigint) as payment_lines
    from amounts
    {{ only_touched('collection_date') }}
    group by collection_date, provider_id, clinic_id

),

keyed as (

    select
        {{ day_key('collection_date') }} as daily_collections_id,
        summed.*
    from summed

),

final as (

    select
        keyed.daily_collections_id,
        keyed.collection_date,
        keyed.provider_id,
        providers.abbreviation as provider_abbreviation,
        keyed.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        keyed.patient_income,
        keyed.patient_income_earned,
        keyed.patient_income_unearned,
        keyed.patient_income_by_payment,
        keyed.insurance_income,
        keyed.insurance_income_received,
        keyed.total_income,
        keyed.hidden_unearned,
        keyed.payment_lines
    from keyed
    left join providers
        on providers.provider_id = keyed.provider_id
    left join clinics
        on clinics.clinic_id = keyed.clinic_id

)

select * from final
