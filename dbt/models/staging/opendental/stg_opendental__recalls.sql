with

final as (

    select
        -- ids
        recalls.recall_num as recall_id,
        nullif(recalls.pat_num, 0) as patient_id,
        nullif(recalls.recall_type_num, 0) as recall_type_id,
        nullif(recalls.recall_status, 0) as recall_status_id,

        -- names, codes and flags
        recalls.recall_interval as packed_interval,
        (recalls.is_disabled <> 0) as is_disabled,

        -- amounts; 0 is not set
        nullif({{ money('recalls.disable_until_balance') }}, 0) as disabled_until_balance,

        -- dates and times, the practice's local time
        recalls.date_due as due_date,
        recalls.date_due_calc as calculated_due_date,
        recalls.date_previous as previous_date,
        recalls.date_scheduled as scheduled_date,
        recalls.disable_until_date as disabled_until_date,

        -- stamps, UTC
        recalls.date_t_stamp as updated_at
    from {{ source('opendental', 'recall') }} as recalls

)

select * from final
