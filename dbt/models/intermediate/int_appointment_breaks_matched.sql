{# A table, as two marts are made of it, and of its changes. #}
{{ config(materialized='table', unique_key='appointment_break_id', keeps_changes=['appointment_id', 'break_date']) }}

with

appointment_changes as (

    select * from {{ ref('stg_opendental__appointment_changes') }}
    where appointment_action in ('Missed', 'Cancelled')
        and appointment_id is not null

),

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}

),

procedures as (

    select * from {{ ref('stg_opendental__procedures') }}
    where procedure_status = 'Complete'

),

procedure_codes as (

    select
        procedure_code_id,
        case procedure_code when 'D9986' then 'Missed' else 'Cancelled' end as break_outcome
    from {{ ref('stg_opendental__procedure_codes') }}
    where procedure_code in ('D9986', 'D9987')

),

-- a start that was recorded as broken twice, such as missed and then corrected to cancelled, was broken once
history_breaks as (

    select distinct on (appointment_id, appointment_at)
        appointment_change_id,
        appointment_id,
        patient_id,
        provider_id,
        hygienist_id,
        clinic_id,
        appointment_at,
        cast(changed_at as date) as charted_date,
        length_minutes,
        appointment_action as break_outcome
    from appointment_changes
    order by appointment_id, appointment_at, changed_at desc, appointment_change_id desc

),

status_breaks as (

    select appointments.*
    from appointments
    left join history_breaks
        on history_breaks.appointment_id = appointments.appointment_id
        and history_breaks.appointment_at is not distinct from appointments.appointment_at
    where appointments.appointment_status = 'Broken'
        and history_breaks.appointment_id is null

),

break_procedures as (

    select
        procedures.procedure_id,
        procedures.appointment_id,
        procedures.patient_id,
        procedures.provider_id,
        procedures.clinic_id,
        procedures.procedure_date,
        procedure_codes.break_outcome
    from procedures
    inner join procedure_codes
        on procedure_codes.procedure_code_id = procedures.procedure_code_id

),

-- OpenDental attaches the procedure to no appointment and dates it the day it is charted
procedures_in_history as (

    select break_procedures.procedure_id
    from break_procedures
    inner join history_breaks
        on history_breaks.appointment_id = break_procedures.appointment_id
    union
    select break_procedures.procedure_id
    from break_procedures
    inner join history_breaks
        on history_breaks.patient_id = break_procedures.patient_id
        and history_breaks.charted_date = break_procedures.procedure_date
    where break_procedures.appointment_id is null

),

procedures_without_history as (

    select break_procedures.*
    from break_procedures
    left join procedures_in_history
        on procedures_in_history.procedure_id = break_procedures.procedure_id
    where procedures_in_history.procedure_id is null

),

candidates as (

    select
        procedures_without_history.procedure_id,
        procedures_without_history.break_outcome,
        status_breaks.appointment_id,
        true as is_attached,
        0 as days_apart
    from procedures_without_history
    inner join status_breaks
        on status_breaks.appointment_id = procedures_without_history.appointment_id

    union all

    select
        procedures_without_history.procedure_id,
        procedures_without_history.break_outcome,
        status_breaks.appointment_id,
        false,
        abs(procedures_without_history.procedure_date - cast(status_breaks.appointment_at as date))
    from procedures_without_history
    inner join status_breaks
        on status_breaks.patient_id = procedures_without_history.patient_id
        and abs(procedures_without_history.procedure_date - cast(status_breaks.appointment_at as date)) <= 30
    where procedures_without_history.appointment_id is null

),

-- one appointment for a procedure, then one procedure for an appointment
nearest_appointments as (

    select distinct on (procedure_id) *
    from candidates
    order by procedure_id, is_attached desc, days_apart, appointment_id

),

matches as (

    select distinct on (appointment_id) *
    from nearest_appointments
    order by appointment_id, is_attached desc, days_apart, procedure_id desc

),

procedures_alone as (

    select procedures_without_history.*
    from procedures_without_history
    left join nearest_appointments
        on nearest_appointments.procedure_id = procedures_without_history.procedure_id
        and nearest_appointments.is_attached
    left join matches
        on matches.procedure_id = procedures_without_history.procedure_id
    where nearest_appointments.procedure_id is null
        and matches.procedure_id is null

),

final as (

    select
        'change ' || history_breaks.appointment_change_id as appointment_break_id,
        'History' as break_source,
        history_breaks.appointment_id,
        history_breaks.patient_id,
        history_breaks.provider_id,
        history_breaks.hygienist_id,
        history_breaks.clinic_id,
        history_breaks.appointment_at,
        coalesce(cast(history_breaks.appointment_at as date), history_breaks.charted_date) as break_date,
        history_breaks.length_minutes,
        history_breaks.break_outcome,
        coalesce(appointments.appointment_status = 'Broken', false) as is_current,
        coalesce(appointments.appointment_status in ('Complete', 'Scheduled', 'ASAP'), false) as is_undone
    from history_breaks
    left join appointments
        on appointments.appointment_id = history_breaks.appointment_id
        and appointments.appointment_at is not distinct from history_breaks.appointment_at

    union all

    select
        'appointment ' || status_breaks.appointment_id,
        'Status',
        status_breaks.appointment_id,
        status_breaks.patient_id,
        status_breaks.provider_id,
        status_breaks.hygienist_id,
        status_breaks.clinic_id,
        status_breaks.appointment_at,
        cast(status_breaks.appointment_at as date),
        status_breaks.length_minutes,
        coalesce(matches.break_outcome, 'Broken'),
        true,
        false
    from status_breaks
    left join matches
        on matches.appointment_id = status_breaks.appointment_id

    union all

    select
        'procedure ' || procedures_alone.procedure_id,
        'Procedure',
        procedures_alone.appointment_id,
        procedures_alone.patient_id,
        procedures_alone.provider_id,
        null,
        procedures_alone.clinic_id,
        null,
        procedures_alone.procedure_date,
        0,
        procedures_alone.break_outcome,
        false,
        false
    from procedures_alone

)

select * from final
