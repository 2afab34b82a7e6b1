with

treatment_planned_option_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'payment_plan_treatment_planned_option'

),

final as (

    select
        -- ids
        payment_plans.pay_plan_num as payment_plan_id,
        nullif(payment_plans.pat_num, 0) as patient_id,
        nullif(payment_plans.guarantor, 0) as guarantor_id,
        nullif(payment_plans.plan_num, 0) as insurance_plan_id,
        nullif(payment_plans.plan_category, 0) as plan_category_id,

        -- names, codes and flags
        (payment_plans.is_closed <> 0) as is_closed,
        (payment_plans.is_dynamic <> 0) as is_dynamic,
        payment_plans.dynamic_pay_plan_tp_option as treatment_planned_option_code,
        treatment_planned_option_labels.label as treatment_planned_option,

        -- amounts
        {{ money('payment_plans.completed_amt') }} as completed_amount,

        -- dates and times, the practice's local time
        payment_plans.pay_plan_date as payment_plan_date
    from {{ source('opendental', 'payplan') }} as payment_plans
    left join treatment_planned_option_labels
        on treatment_planned_option_labels.code = cast(payment_plans.dynamic_pay_plan_tp_option as text)

)

select * from final
