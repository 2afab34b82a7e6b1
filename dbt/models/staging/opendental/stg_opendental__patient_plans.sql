with

relationship_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'relationship'

),

final as (

    select
        -- ids
        patient_plans.pat_plan_num as patient_plan_id,
        nullif(patient_plans.pat_num, 0) as patient_id,
        nullif(patient_plans.ins_sub_num, 0) as insurance_subscriber_id,

        -- names, codes and flags
        patient_plans.relationship as relationship_code,
        relationship_labels.label as relationship,
        patient_plans.ordinal as coverage_order,
        (patient_plans.is_pending <> 0) as is_pending,

        -- stamps, UTC
        patient_plans.sec_date_t_edit as updated_at
    from {{ source('opendental', 'patplan') }} as patient_plans
    left join relationship_labels
        on relationship_labels.code = cast(patient_plans.relationship as text)

)

select * from final
