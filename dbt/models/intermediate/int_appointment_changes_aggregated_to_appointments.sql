with

appointment_changes as (

    select * from {{ ref('stg_opendental__appointment_changes') }}

),

final as (

    select
        appointment_id,
        count(*) filter (where appointment_action = 'Missed') as times_missed,
        count(*) filter (where appointment_action = 'Cancelled') as times_cancelled
    from appointment_changes
    where appointment_id is not null
    group by appointment_id

)

select * from final
