with

treatment_plan_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'treatment_plan_status'

),

final as (

    select
        -- ids
        treatment_plans.treat_plan_num as treatment_plan_id,
        nullif(treatment_plans.pat_num, 0) as patient_id,
        nullif(treatment_plans.user_num_presenter, 0) as presenter_user_id,
        nullif(treatment_plans.sec_user_num_entry, 0) as entry_user_id,

        -- names, codes and flags
        nullif(treatment_plans.heading, '') as heading,
        treatment_plans.tp_status as treatment_plan_status_code,
        treatment_plan_status_labels.label as treatment_plan_status,

        -- dates and times, the practice's local time
        treatment_plans.date_tp as treatment_plan_date,
        treatment_plans.date_t_signed as signed_at,
        treatment_plans.sec_date_entry as entered_date,

        -- stamps, UTC
        treatment_plans.sec_date_t_edit as updated_at
    from {{ source('opendental', 'treatplan') }} as treatment_plans
    left join treatment_plan_status_labels
        on treatment_plan_status_labels.code = cast(treatment_plans.tp_status as text)

)

select * from final
