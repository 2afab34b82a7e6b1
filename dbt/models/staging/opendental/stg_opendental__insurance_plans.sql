with

plan_type_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'plan_type'

),

final as (

    select
        -- ids
        insurance_plans.plan_num as insurance_plan_id,
        nullif(insurance_plans.carrier_num, 0) as carrier_id,
        nullif(insurance_plans.employer_num, 0) as employer_id,
        nullif(insurance_plans.fee_sched, 0) as fee_schedule_id,

        -- names, codes and flags
        nullif(insurance_plans.group_name, '') as group_name,
        nullif(insurance_plans.group_num, '') as group_number,
        insurance_plans.plan_type as plan_type_code,
        plan_type_labels.label as plan_type,
        (insurance_plans.is_medical <> 0) as is_medical,
        (insurance_plans.is_hidden <> 0) as is_hidden,

        -- stamps, UTC
        insurance_plans.sec_date_t_edit as updated_at
    from {{ source('opendental', 'insplan') }} as insurance_plans
    left join plan_type_labels
        on plan_type_labels.code = coalesce(nullif(insurance_plans.plan_type, ''), 'blank')

)

select * from final
