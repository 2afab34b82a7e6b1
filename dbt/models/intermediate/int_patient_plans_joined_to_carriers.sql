with

patient_plans as (

    select * from {{ ref('stg_opendental__patient_plans') }}

),

insurance_subscribers as (

    select * from {{ ref('stg_opendental__insurance_subscribers') }}

),

insurance_plans as (

    select * from {{ ref('stg_opendental__insurance_plans') }}

),

carriers as (

    select * from {{ ref('stg_opendental__carriers') }}

),

final as (

    select
        patient_plans.patient_plan_id,
        patient_plans.patient_id,
        patient_plans.coverage_order,
        patient_plans.relationship,
        insurance_subscribers.insurance_plan_id,
        insurance_plans.plan_type,
        insurance_plans.group_name,
        carriers.carrier_id,
        carriers.carrier_name,
        row_number() over (
            partition by patient_plans.patient_id
            order by patient_plans.coverage_order, patient_plans.patient_plan_id
        ) as coverage_rank
    from patient_plans
    left join insurance_subscribers
        on insurance_subscribers.insurance_subscriber_id = patient_plans.insurance_subscriber_id
    left join insurance_plans
        on insurance_plans.insurance_plan_id = insurance_subscribers.insurance_plan_id
    left join carriers
        on carriers.carrier_id = insurance_plans.carrier_id

)

select * from final
