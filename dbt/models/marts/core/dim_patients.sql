{{ config(touched_column='patient_id') }}

with

patients as (

    select * from {{ ref('stg_opendental__patients') }}
    {{ only_touched('patient_id') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

visits as (

    select
        patient_id,
        min(visit_date) as first_visit_date,
        max(visit_date) as last_visit_date,
        count(*) as visit_days
    from {{ ref('fct_visits') }}
    {{ only_touched('patient_id') }}
    group by patient_id

),

-- what was charged for a broken appointment is production, though no visit
production as (

    select
        patient_id,
        sum(gross_production) as gross_production
    from {{ ref('fct_procedures') }}
    where is_completed
        {{ only_touched('patient_id', 'and') }}
    group by patient_id

),

primary_coverage as (

    select * from {{ ref('int_patient_plans_joined_to_carriers') }}
    where coverage_rank = 1
        {{ only_touched('patient_id', 'and') }}

),

merge_links as (

    select distinct on (from_patient_id)
        from_patient_id,
        to_patient_id
    from {{ ref('stg_opendental__patient_links') }}
    where patient_link_type = 'Merge'
    order by from_patient_id, linked_at desc nulls last, patient_link_id desc

),

final as (

    select
        patients.patient_id,
        patients.guarantor_id,
        coalesce(patients.guarantor_id = patients.patient_id, false) as is_guarantor,
        patients.primary_provider_id,
        patients.secondary_provider_id,
        patients.clinic_id,
        patients.last_name,
        patients.first_name,
        patients.preferred_name,
        patients.chart_number,
        patients.patient_status,
        merge_links.to_patient_id as merged_into_patient_id,
        patients.gender,
        patients.marital_status,
        patients.birth_date,
        patients.city,
        patients.state,
        patients.postal_code,
        definitions.item_name as billing_type,
        primary_coverage.insurance_plan_id as primary_insurance_plan_id,
        primary_coverage.carrier_name as primary_carrier_name,
        visits.first_visit_date,
        visits.last_visit_date,
        coalesce(visits.visit_days, 0) as visit_days,
        coalesce(production.gross_production, 0) as gross_production,
        patients.estimated_balance,
        patients.balance_0_to_30,
        patients.balance_31_to_60,
        patients.balance_61_to_90,
        patients.balance_over_90,
        patients.balance_total,
        patients.insurance_estimate,
        patients.payment_plan_due,
        patients.entered_date,
        patients.updated_at
    from patients
    left join definitions
        on definitions.definition_id = patients.billing_type_id
    left join primary_coverage
        on primary_coverage.patient_id = patients.patient_id
    left join merge_links
        on merge_links.from_patient_id = patients.patient_id
    left join visits
        on visits.patient_id = patients.patient_id
    left join production
        on production.patient_id = patients.patient_id

)

select * from final
