with

final as (

    select
        -- ids
        schedule_operatories.schedule_op_num as schedule_operatory_id,
        nullif(schedule_operatories.schedule_num, 0) as schedule_id,
        nullif(schedule_operatories.operatory_num, 0) as operatory_id
    from {{ source('opendental', 'scheduleop') }} as schedule_operatories

)

select * from final
