-- Every appointment is counted once, as what it is now; what is counted besides are breaks of earlier starts and deleted appointments.
with

counted as (

    select
        'Kept' as outcome,
        sum(kept) as counted
    from {{ ref('appointment_outcomes') }}
    union all
    select
        'Missed',
        sum(missed)
    from {{ ref('appointment_outcomes') }}
    union all
    select
        'Cancelled',
        sum(cancelled)
    from {{ ref('appointment_outcomes') }}
    union all
    select
        'Broken',
        sum(broken)
    from {{ ref('appointment_outcomes') }}
    union all
    select
        'Unresolved',
        sum(unresolved)
    from {{ ref('appointment_outcomes') }}
    union all
    select
        'Scheduled',
        sum(scheduled)
    from {{ ref('appointment_outcomes') }}

),

appointments as (

    select
        appointment_outcome as outcome,
        count(*) as appointments
    from {{ ref('fct_appointments') }}
    group by appointment_outcome

),

breaks as (

    select
        break_outcome as outcome,
        count(*) as breaks
    from {{ ref('int_appointment_breaks_matched') }}
    where not is_current
        and not is_undone
    group by break_outcome

),

final as (

    select
        counted.outcome,
        counted.counted,
        appointments.appointments,
        breaks.breaks
    from counted
    left join appointments
        on appointments.outcome = counted.outcome
    left join breaks
        on breaks.outcome = counted.outcome
    where coalesce(counted.counted, 0) <> coalesce(appointments.appointments, 0) + coalesce(breaks.breaks, 0)

)

select * from final
