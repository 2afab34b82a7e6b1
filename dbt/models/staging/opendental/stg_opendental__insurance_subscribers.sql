with

final as (

    select
        -- ids
        insurance_subscribers.ins_sub_num as insurance_subscriber_id,
        nullif(insurance_subscribers.plan_num, 0) as insurance_plan_id,
        nullif(insurance_subscribers.subscriber, 0) as subscriber_patient_id,

        -- dates and times, the practice's local time
        insurance_subscribers.date_effective as effective_date,
        insurance_subscribers.date_term as termination_date,

        -- stamps, UTC
        insurance_subscribers.sec_date_t_edit as updated_at
    from {{ source('opendental', 'inssub') }} as insurance_subscribers

)

select * from final
