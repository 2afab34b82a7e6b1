with

appointments as (

    select * from {{ ref('fct_appointments') }}
    where appointment_outcome <> 'Not a visit'

),

appointment_breaks as (

    select * from {{ ref('int_appointment_breaks_matched') }}
    where not is_current
        and not is_undone

),

deleted_appointments as (

    select * from {{ ref('int_appointments_deleted') }}
    where not was_broken

),

procedures as (

    select * from {{ ref('fct_procedures') }}
    where is_completed
        and procedure_code in ('D9986', 'D9987')

),

adjustments as (

    select * from {{ ref('stg_opendental__adjustments') }}

),

settings as (

    select * from {{ ref('int_preferences_pivoted') }}

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

outcomes as (

    select
        appointment_date as outcome_date,
        performing_provider_id as provider_id,
        clinic_id,
        appointment_outcome as counted_as,
        length_minutes
    from appointments

    union all

    select
        break_date,
        coalesce(hygienist_id, provider_id),
        clinic_id,
        break_outcome,
        length_minutes
    from appointment_breaks

    union all

    select
        appointment_date,
        coalesce(hygienist_id, provider_id),
        clinic_id,
        'Deleted',
        length_minutes
    from deleted_appointments

    union all

    select
        appointment_date,
        performing_provider_id,
        clinic_id,
        'Mode status',
        0
    from appointments
    where appointment_status = 'Broken'

    union all

    select
        procedure_date,
        provider_id,
        clinic_id,
        'Mode ' || procedure_code,
        0
    from procedures

    union all

    select
        adjustments.adjustment_date,
        adjustments.provider_id,
        adjustments.clinic_id,
        'Mode adjustment',
        0
    from adjustments
    inner join settings
        on settings.broken_appointment_adjustment_type_id = adjustments.adjustment_type_id

),

counted as (

    select
        outcome_date,
        provider_id,
        clinic_id,
        count(*) filter (where counted_as = 'Kept') as kept,
        count(*) filter (where counted_as = 'Missed') as missed,
        count(*) filter (where counted_as = 'Cancelled') as cancelled,
        count(*) filter (where counted_as = 'Broken') as broken,
        count(*) filter (where counted_as = 'Unresolved') as unresolved,
        count(*) filter (where counted_as = 'Scheduled') as scheduled,
        count(*) filter (where counted_as = 'Deleted') as deleted,
        coalesce(sum(length_minutes) filter (where counted_as = 'Kept'), 0) as kept_minutes,
        coalesce(sum(length_minutes) filter (where counted_as = 'Missed'), 0) as missed_minutes,
        coalesce(sum(length_minutes) filter (where counted_as = 'Cancelled'), 0) as cancelled_minutes,
        coalesce(sum(length_minutes) filter (where counted_as = 'Broken'), 0) as broken_minutes,
        coalesce(sum(length_minutes) filter (where counted_as = 'Unresolved'), 0) as unresolved_minutes,
        coalesce(sum(length_minutes) filter (where counted_as = 'Scheduled'), 0) as scheduled_minutes,
        count(*) filter (where counted_as = 'Mode D9986') as missed_by_procedure,
        count(*) filter (where counted_as = 'Mode D9987') as cancelled_by_procedure,
        count(*) filter (where counted_as = 'Mode adjustment') as broken_by_adjustment,
        count(*) filter (where counted_as = 'Mode status') as broken_by_status
    from outcomes
    group by outcome_date, provider_id, clinic_id

),

keyed as (

    select
        {{ day_key('outcome_date') }} as appointment_outcomes_id,
        counted.*
    from counted

),

final as (

    select
        keyed.appointment_outcomes_id,
        keyed.outcome_date,
        keyed.provider_id,
        providers.abbreviation as provider_abbreviation,
        keyed.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        keyed.kept,
        keyed.missed,
        keyed.cancelled,
        keyed.broken,
        keyed.unresolved,
        keyed.scheduled,
        keyed.deleted,
        keyed.kept_minutes,
        keyed.missed_minutes,
        keyed.cancelled_minutes,
        keyed.broken_minutes,
        keyed.unresolved_minutes,
        keyed.scheduled_minutes,
        keyed.missed_by_procedure,
        keyed.cancelled_by_procedure,
        keyed.broken_by_adjustment,
        keyed.broken_by_status
    from keyed
    left join providers
        on providers.provider_id = keyed.provider_id
    left join clinics
        on clinics.clinic_id = keyed.clinic_id

)

select * from final
