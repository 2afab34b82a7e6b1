with

payments as (

    select * from {{ ref('fct_payments') }}

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

amounts as (

    select
        payments.*,
        case when payment_kind = 'Patient' and is_income then amount else 0 end as patient_income,
        case when payment_kind = 'Insurance' and is_income then amount else 0 end as insurance_income,
        coalesce(claim_procedure_status in ('Received', 'Supplemental'), false) as is_received
    from payments

),

summed as (

    select
        payment_date as collection_date,
        provider_id,
        clinic_id,
        sum(patient_income) as patient_income,
        coalesce(sum(patient_income) filter (where not is_unearned), 0) as patient_income_earned,
        coalesce(sum(patient_income) filter (where is_unearned), 0) as patient_income_unearned,
        sum(insurance_income) as insurance_income,
        coalesce(sum(insurance_income) filter (where is_received), 0) as insurance_income_received,
        sum(patient_income) + sum(insurance_income) as total_income,
        coalesce(sum(amount) filter (where is_hidden_unearned), 0) as hidden_unearned,
        count(*) as payment_lines
    from amounts
    group by payment_date, provider_id, clinic_id

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
