{# What it shows of users is in treatment_plan_procedures too. #}
{{ config(touched_column='presented_month', touched_type='date', unread=['userod']) }}

with

-- Not materialized: each use reads only what it needs.
procedures as not materialized (

    select
        treatment_plan_procedures.*,
        cast(date_trunc('month', cast(presented_date as timestamp)) as date) as presented_month
    from {{ ref('treatment_plan_procedures') }} as treatment_plan_procedures
    {{ only_touched('presented_date') }}

),

users as (

    select * from {{ ref('stg_opendental__users') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

-- few rows, so that the many sums below are of them
by_flags as (

    select
        presented_month,
        presenter_user_id,
        clinic_id,
        presentation_source,
        is_presented,
        is_scheduled,
        is_completed,
        is_accepted_same_day,
        is_accepted_within_30_days,
        is_accepted_within_90_days,
        count(*) as procedures,
        sum(gross_amount) as gross_amount,
        sum(net_amount) as net_amount
    from procedures
    group by
        presented_month,
        presenter_user_id,
        clinic_id,
        presentation_source,
        is_presented,
        is_scheduled,
        is_completed,
        is_accepted_same_day,
        is_accepted_within_30_days,
        is_accepted_within_90_days

),

-- a patient is counted once, whatever the number of procedures
by_patient as (

    select
        presented_month,
        presenter_user_id,
        clinic_id,
        presentation_source,
        patient_id,
        bool_or(is_presented) as is_presented,
        bool_or(is_scheduled) as is_scheduled,
        bool_or(is_completed) as is_completed,
        bool_or(is_accepted_same_day) as is_accepted_same_day,
        bool_or(is_accepted_within_30_days) as is_accepted_within_30_days,
        bool_or(is_accepted_within_90_days) as is_accepted_within_90_days
    from procedures
    where patient_id is not null
    group by presented_month, presenter_user_id, clinic_id, presentation_source, patient_id

),

patients as (

    select
        presented_month,
        presenter_user_id,
        clinic_id,
        presentation_source,
        count(*) filter (where is_presented) as patients_presented,
        count(*) filter (where is_scheduled) as patients_scheduled,
        count(*) filter (where is_completed) as patients_completed,
        count(*) filter (where is_scheduled or is_completed) as patients_accepted,
        count(*) filter (where is_accepted_same_day) as patients_accepted_same_day,
        count(*) filter (where is_accepted_within_30_days) as patients_accepted_within_30_days,
        count(*) filter (where is_accepted_within_90_days) as patients_accepted_within_90_days
    from by_patient
    group by presented_month, presenter_user_id, clinic_id, presentation_source

),

plans as (

    select
        presented_month,
        presenter_user_id,
        clinic_id,
        presentation_source,
        count(distinct treatment_plan_id) as plans_presented
    from procedures
    where treatment_plan_id is not null
        and is_presented
    group by presented_month, presenter_user_id, clinic_id, presentation_source

),

summed as (

    select
        presented_month,
        presenter_user_id,
        clinic_id,
        presentation_source,
        cast(coalesce(sum(procedures) filter (where is_presented), 0) as bigint) as procedures_presented,
        cast(coalesce(sum(procedures) filter (where is_scheduled), 0) as bigint) as procedures_scheduled,
        cast(coalesce(sum(procedures) filter (where is_completed), 0) as bigint) as procedures_completed,
        cast(coalesce(sum(procedures) filter (where is_accepted_same_day), 0) as bigint) as procedures_accepted_same_day,
        cast(coalesce(sum(procedures) filter (where is_accepted_within_30_days), 0) as bigint) as procedures_accepted_within_30_days,
        cast(coalesce(sum(procedures) filter (where is_accepted_within_90_days), 0) as bigint) as procedures_accepted_within_90_days,
        cast(coalesce(sum(procedures) filter (where not is_presented), 0) as bigint) as procedures_withdrawn,
        coalesce(sum(gross_amount) filter (where is_presented), 0) as gross_presented,
        coalesce(sum(gross_amount) filter (where is_scheduled), 0) as gross_scheduled,
        coalesce(sum(gross_amount) filter (where is_completed), 0) as gross_completed,
        coalesce(sum(gross_amount) filter (where is_accepted_same_day), 0) as gross_accepted_same_day,
        coalesce(sum(gross_amount) filter (where is_accepted_within_30_days), 0) as gross_accepted_within_30_days,
        coalesce(sum(gross_amount) filter (where is_accepted_within_90_days), 0) as gross_accepted_within_90_days,
        coalesce(sum(net_amount) filter (where is_presented), 0) as net_presented,
        coalesce(sum(net_amount) filter (where is_scheduled), 0) as net_scheduled,
        coalesce(sum(net_amount) filter (where is_completed), 0) as net_completed
    from by_flags
    group by presented_month, presenter_user_id, clinic_id, presentation_source

),

final as (

    select
        coalesce(cast(summed.presented_month as text), 'undated')
            || '|' || coalesce(cast(summed.presenter_user_id as text), 'no presenter')
            || '|' || coalesce(cast(summed.clinic_id as text), 'no clinic')
            || '|' || summed.presentation_source as case_acceptance_id,
        summed.presented_month,
        summed.presenter_user_id,
        users.user_name as presenter_name,
        summed.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        summed.presentation_source,
        coalesce(plans.plans_presented, 0) as plans_presented,
        summed.procedures_presented,
        summed.procedures_scheduled,
        summed.procedures_completed,
        summed.procedures_accepted_same_day,
        summed.procedures_accepted_within_30_days,
        summed.procedures_accepted_within_90_days,
        summed.procedures_withdrawn,
        summed.gross_presented,
        summed.gross_scheduled,
        summed.gross_completed,
        summed.gross_accepted_same_day,
        summed.gross_accepted_within_30_days,
        summed.gross_accepted_within_90_days,
        summed.net_presented,
        summed.net_scheduled,
        summed.net_completed,
        coalesce(patients.patients_presented, 0) as patients_presented,
        coalesce(patients.patients_scheduled, 0) as patients_scheduled,
        coalesce(patients.patients_completed, 0) as patients_completed,
        coalesce(patients.patients_accepted, 0) as patients_accepted,
        coalesce(patients.patients_accepted_same_day, 0) as patients_accepted_same_day,
        coalesce(patients.patients_accepted_within_30_days, 0) as patients_accepted_within_30_days,
        coalesce(patients.patients_accepted_within_90_days, 0) as patients_accepted_within_90_days
    from summed
    left join plans
        on plans.presentation_source = summed.presentation_source
        and plans.presented_month is not distinct from summed.presented_month
        and plans.presenter_user_id is not distinct from summed.presenter_user_id
        and plans.clinic_id is not distinct from summed.clinic_id
    left join patients
        on patients.presentation_source = summed.presentation_source
        and patients.presented_month is not distinct from summed.presented_month
        and patients.presenter_user_id is not distinct from summed.presenter_user_id
        and patients.clinic_id is not distinct from summed.clinic_id
    left join users
        on users.user_id = summed.presenter_user_id
    left join clinics
        on clinics.clinic_id = summed.clinic_id

)

select * from final
