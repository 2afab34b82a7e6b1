{# On a new day another outcome may come to those alone that are still scheduled, which are always made again. #}
{{ config(touched_column='appointment_id', keeps_changes=['appointment_date'], outlives_the_day=true) }}

with

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}
    {{ only_touched('appointment_id') }}

),

appointment_changes as (

    select * from {{ ref('int_appointment_changes_aggregated_to_appointments') }}
    {{ only_touched('appointment_id') }}

),

procedures as (

    select
        appointment_id,
        count(*) filter (where is_completed) as procedures_completed,
        sum(gross_production) as gross_production,
        count(*) filter (where procedure_status = 'Treatment planned') as procedures_planned,
        coalesce(sum(fee_total) filter (where procedure_status = 'Treatment planned'), 0) as planned_production
    from {{ ref('fct_procedures') }}
    where appointment_id is not null
        {{ only_touched('appointment_id', 'and') }}
    group by appointment_id

),

appointment_breaks as (

    select * from {{ ref('int_appointment_breaks_matched') }}
    where is_current
        {{ only_touched('appointment_id', 'and') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

final as (

    select
        appointments.appointment_id,
        appointments.patient_id,
        appointments.provider_id,
        appointments.hygienist_id,
        coalesce(appointments.hygienist_id, appointments.provider_id) as performing_provider_id,
        appointments.clinic_id,
        appointments.operatory_id,
        appointments.planned_appointment_id,
        appointments.appointment_at,
        cast(appointments.appointment_at as date) as appointment_date,
        appointments.length_minutes,
        appointments.appointment_status,
        case
            when appointments.appointment_status = 'Complete' then 'Kept'
            when appointments.appointment_status = 'Broken' then coalesce(appointment_breaks.break_outcome, 'Broken')
            when appointments.appointment_status in ('Scheduled', 'ASAP') and cast(appointments.appointment_at as date) < as_of.as_of_date then 'Unresolved'
            when appointments.appointment_status in ('Scheduled', 'ASAP') then 'Scheduled'
            else 'Not a visit'
        end as appointment_outcome,
        definitions.item_name as confirmation_status,
        appointments.appointment_priority,
        appointments.is_new_patient,
        appointments.hygienist_id is not null as has_hygienist,
        appointments.hygienist_id is not null or coalesce(providers.is_hygienist, false) as is_hygiene,
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
    cross join as_of
    left join appointment_breaks
        on appointment_breaks.appointment_id = appointments.appointment_id
    left join providers
        on providers.provider_id = appointments.provider_id
    left join appointment_changes
        on appointment_changes.appointment_id = appointments.appointment_id
    left join procedures
        on procedures.appointment_id = appointments.appointment_id
    left join definitions
        on definitions.definition_id = appointments.confirmation_id

)

select * from final
