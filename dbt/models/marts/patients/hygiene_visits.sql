{{ config(touched_column='patient_id') }}

with

visits as (

    select * from {{ ref('fct_visits') }}
    where hygiene_procedures_completed > 0
        {{ only_touched('patient_id', 'and') }}

),

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}
    where patient_id is not null
        and appointment_at is not null
        {{ only_touched('patient_id', 'and') }}

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

hygiene_appointments as (

    select
        appointments.appointment_id,
        appointments.patient_id,
        appointments.clinic_id,
        appointments.appointment_status,
        cast(appointments.appointment_at as date) as appointment_date,
        cast(appointments.entered_at as date) as entered_date,
        coalesce(appointments.hygienist_id, appointments.provider_id) as hygienist_id
    from appointments
    left join providers
        on providers.provider_id = appointments.provider_id
    where appointments.hygienist_id is not null
        or providers.is_hygienist

),

days as (

    select
        patient_id,
        visit_date,
        coalesce(hygiene_provider_id, provider_id) as provider_id,
        clinic_id,
        hygiene_procedures_completed,
        hygiene_production,
        cast(null as bigint) as appointment_id
    from visits

    union all

    select
        patient_id,
        appointment_date,
        hygienist_id,
        clinic_id,
        0,
        0,
        appointment_id
    from hygiene_appointments
    where appointment_status = 'Complete'

),

hygiene_days as (

    select
        patient_id,
        visit_date,
        -- the procedure's before the appointment's
        (array_agg(provider_id order by appointment_id nulls first))[1] as provider_id,
        (array_agg(clinic_id order by appointment_id nulls first))[1] as clinic_id,
        cast(sum(hygiene_procedures_completed) as bigint) as hygiene_procedures_completed,
        sum(hygiene_production) as hygiene_production,
        count(appointment_id) > 0 as has_kept_appointment
    from days
    group by patient_id, visit_date

),

next_appointments as (

    select
        hygiene_days.patient_id,
        hygiene_days.visit_date,
        min(hygiene_appointments.appointment_date) as next_appointment_date
    from hygiene_days
    inner join hygiene_appointments
        on hygiene_appointments.patient_id = hygiene_days.patient_id
        and hygiene_appointments.appointment_date > hygiene_days.visit_date
        and hygiene_appointments.entered_date <= hygiene_days.visit_date
    where hygiene_appointments.appointment_status in ('Scheduled', 'ASAP', 'Complete', 'Broken', 'Unscheduled')
    group by hygiene_days.patient_id, hygiene_days.visit_date

),

final as (

    select
        hygiene_days.patient_id || '|' || hygiene_days.visit_date as hygiene_visit_id,
        hygiene_days.patient_id,
        hygiene_days.visit_date,
        hygiene_days.provider_id,
        hygiene_days.clinic_id,
        hygiene_days.hygiene_procedures_completed,
        hygiene_days.hygiene_production,
        hygiene_days.has_kept_appointment,
        next_appointments.patient_id is not null as is_reappointed,
        next_appointments.next_appointment_date
    from hygiene_days
    left join next_appointments
        on next_appointments.patient_id = hygiene_days.patient_id
        and next_appointments.visit_date = hygiene_days.visit_date

)

select * from final
