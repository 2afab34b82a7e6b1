with

appointment_changes as (

    select * from {{ ref('stg_opendental__appointment_changes') }}

),

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}

),

deleted as (

    select
        appointment_changes.appointment_id,
        max(appointment_changes.changed_at) as deleted_at
    from appointment_changes
    left join appointments
        on appointments.appointment_id = appointment_changes.appointment_id
    where appointment_changes.appointment_action = 'Deleted'
        and appointment_changes.appointment_id is not null
        and appointments.appointment_id is null
    group by appointment_changes.appointment_id

),

-- the row of the deletion may hold the number alone
last_changes as (

    select distinct on (appointment_changes.appointment_id)
        appointment_changes.*,
        deleted.deleted_at
    from appointment_changes
    inner join deleted
        on deleted.appointment_id = appointment_changes.appointment_id
    where appointment_changes.appointment_at is not null
    order by
        appointment_changes.appointment_id,
        appointment_changes.changed_at desc,
        appointment_changes.appointment_change_id desc

),

breaks as (

    select distinct
        appointment_id,
        appointment_at
    from appointment_changes
    where appointment_action in ('Missed', 'Cancelled')

),

final as (

    select
        last_changes.appointment_id,
        last_changes.patient_id,
        last_changes.provider_id,
        last_changes.hygienist_id,
        last_changes.clinic_id,
        last_changes.operatory_id,
        last_changes.appointment_at,
        cast(last_changes.appointment_at as date) as appointment_date,
        last_changes.length_minutes,
        last_changes.appointment_status,
        last_changes.deleted_at,
        breaks.appointment_id is not null as was_broken
    from last_changes
    left join breaks
        on breaks.appointment_id = last_changes.appointment_id
        and breaks.appointment_at = last_changes.appointment_at
    where last_changes.appointment_status in ('Scheduled', 'ASAP', 'Complete', 'Broken')

)

select * from final
