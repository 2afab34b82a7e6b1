with

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}

),

appointment_changes as (

    select * from {{ ref('int_appointment_changes_aggregated_to_appointments') }}

),

procedures as (

    select * from {{ ref('int_procedures_aggregated_to_appointments') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

final as (

    select
        appointments.appointment_id,
        appointments.patient_id,
        appointments.provider_id,
        appointments.hygienist_id,
        appointments.clinic_id,
        appointments.operatory_id,
        appointments.planned_appointment_id,
        appointments.appointment_at,
        cast(appointments.appointment_at as date) as appointment_date,
        appointments.length_minutes,
        appointments.appointment_status,
        case
            when appointments.appointment_status = 'Complete' then 'Kept'
            when appointments.appointment_status in ('Scheduled', 'ASAP') then 'Scheduled'
            when appointments.appointment_status = 'Broken' then 'Broken'
            else 'Not a visit'
        end as appointment_outcome,
        definitions.item_name as confirmation_status,
        appointments.appointment_priority,
        appointments.is_new_patient,
        appointments.hygienist_id is not null as has_hygienist,
        appointments.arrived_at,
        appointments.seated_at,
        appointments.dismissed_at,
        appointments.entered_at,
        coalesce(appointment_changes.times_missed, 0) as times_missed,
        coalesce(appointment_changes.times_cancelled, 0) as times_cancelled,
        coalesce(procedures.procedures_completed, 0) as procedures_completed,
        coalesce(procedures.gross_production, 0) as gross_production,
        coalesce(procedures.procedures_planned, 0) as procedures_planned,
        coalesce(procedures.planned_production, 0) as planned_production,
        appointments.updated_at
    from appointments
    left join appointment_changes
        on appointment_changes.appointment_id = appointments.appointment_id
    left join procedures
        on procedures.appointment_id = appointments.appointment_id
    left join definitions
        on definitions.definition_id = appointments.confirmation_id

)

select * from final
