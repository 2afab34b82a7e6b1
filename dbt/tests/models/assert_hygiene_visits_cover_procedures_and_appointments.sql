-- Every visit with a hygiene procedure and every kept appointment with a hygienist is a hygiene visit.
with

missing_visits as (

    select
        visits.patient_id,
        visits.visit_date
    from {{ ref('fct_visits') }} as visits
    left join {{ ref('hygiene_visits') }} as hygiene_visits
        on hygiene_visits.patient_id = visits.patient_id
        and hygiene_visits.visit_date = visits.visit_date
    where visits.hygiene_procedures_completed > 0
        and hygiene_visits.patient_id is null

),

missing_appointments as (

    select
        appointments.patient_id,
        cast(appointments.appointment_at as date) as visit_date
    from {{ ref('stg_opendental__appointments') }} as appointments
    left join {{ ref('hygiene_visits') }} as hygiene_visits
        on hygiene_visits.patient_id = appointments.patient_id
        and hygiene_visits.visit_date = cast(appointments.appointment_at as date)
    where appointments.appointment_status_code = 2
        and appointments.hygienist_id is not null
        and appointments.patient_id is not null
        and appointments.appointment_at is not null
        and hygiene_visits.patient_id is null

),

final as (

    select * from missing_visits
    union all
    select * from missing_appointments

)

select * from final
