with

insurance_plans as (

    select * from {{ ref('stg_opendental__insurance_plans') }}

),

carriers as (

    select * from {{ ref('stg_opendental__carriers') }}

),

insurance_subscribers as (

    select * from {{ ref('stg_opendental__insurance_subscribers') }}

),

patient_plans as (

    select * from {{ ref('int_patient_plans_joined_to_carriers') }}

),

subscribers as (

    select
        insurance_plan_id,
        count(*) as subscribers
    from insurance_subscribers
    where insurance_plan_id is not null
    group by insurance_plan_id

),

-- a patient's way to a plan leads through the subscriber
covered as (

    select
        insurance_plan_id,
        count(distinct patient_id) as patients_covered,
        count(distinct patient_id) filter (where coverage_rank = 1) as patients_covered_first
    from patient_plans
    where insurance_plan_id is not null
    group by insurance_plan_id

),

final as (

    select
        insurance_plans.insurance_plan_id,
        insurance_plans.carrier_id,
        carriers.carrier_name,
        insurance_plans.employer_id,
        insurance_plans.fee_schedule_id,
        insurance_plans.group_name,
        insurance_plans.group_number,
        insurance_plans.plan_type,
        insurance_plans.is_medical,
        insurance_plans.is_hidden,
        coalesce(subscribers.subscribers, 0) as subscribers,
        coalesce(covered.patients_covered, 0) as patients_covered,
        coalesce(covered.patients_covered_first, 0) as patients_covered_first,
        insurance_plans.updated_at
    from insurance_plans
    left join carriers
        on carriers.carrier_id = insurance_plans.carrier_id
    left join subscribers
        on subscribers.insurance_plan_id = insurance_plans.insurance_plan_id
    left join covered
        on covered.insurance_plan_id = insurance_plans.insurance_plan_id

)

select * from final
