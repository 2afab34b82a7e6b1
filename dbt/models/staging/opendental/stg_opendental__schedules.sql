with

schedule_type_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'schedule_type'

),

schedule_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'schedule_status'

),

final as (

    select
        -- ids
        schedules.schedule_num as schedule_id,
        nullif(schedules.prov_num, 0) as provider_id,
        nullif(schedules.employee_num, 0) as employee_id,
        nullif(schedules.clinic_num, 0) as clinic_id,
        nullif(schedules.blockout_type, 0) as blockout_type_id,

        -- names, codes and flags
        schedules.sched_type as schedule_type_code,
        schedule_type_labels.label as schedule_type,
        schedules.status as schedule_status_code,
        schedule_status_labels.label as schedule_status,

        -- dates and times, the practice's local time
        schedules.sched_date as schedule_date,
        schedules.sched_date + schedules.start_time as starts_at,
        schedules.sched_date + schedules.stop_time as stops_at,

        -- stamps, UTC
        schedules.date_t_stamp as updated_at
    from {{ source('opendental', 'schedule') }} as schedules
    left join schedule_type_labels
        on schedule_type_labels.code = cast(schedules.sched_type as text)
    left join schedule_status_labels
        on schedule_status_labels.code = cast(schedules.status as text)

)

select * from final
