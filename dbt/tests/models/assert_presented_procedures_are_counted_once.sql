-- Every procedure in a saved plan is presented once, unless it was deleted; and the months add up to the procedures.
with

saved as (

    select count(distinct procedures.procedure_id) as procedures
    from {{ ref('stg_opendental__saved_plan_procedures') }} as saved_plan_procedures
    inner join {{ ref('stg_opendental__treatment_plans') }} as treatment_plans
        on treatment_plans.treatment_plan_id = saved_plan_procedures.treatment_plan_id
        and treatment_plans.treatment_plan_status = 'Saved'
    inner join {{ ref('stg_opendental__procedures') }} as procedures
        on procedures.procedure_id = saved_plan_procedures.procedure_id
        and procedures.procedure_status <> 'Deleted'

),

presented as (

    select
        count(*) filter (where presentation_source = 'Saved plan') as procedures,
        count(*) filter (where is_presented) as procedures_presented,
        count(*) filter (where is_accepted) as procedures_accepted,
        coalesce(sum(gross_amount) filter (where is_presented), 0) as gross_presented,
        coalesce(sum(net_amount) filter (where is_presented), 0) as net_presented
    from {{ ref('treatment_plan_procedures') }}

),

accepted as (

    select
        coalesce(sum(procedures_presented), 0) as procedures_presented,
        coalesce(sum(procedures_scheduled + procedures_completed), 0) as procedures_accepted,
        coalesce(sum(gross_presented), 0) as gross_presented,
        coalesce(sum(net_presented), 0) as net_presented
    from {{ ref('case_acceptance') }}

),

final as (

    select
        saved.procedures as procedures_in_saved_plans,
        presented.*,
        accepted.procedures_presented as procedures_by_month,
        accepted.gross_presented as gross_by_month
    from saved
    cross join presented
    cross join accepted
    where saved.procedures <> presented.procedures
        or presented.procedures_presented <> accepted.procedures_presented
        or presented.procedures_accepted <> accepted.procedures_accepted
        or presented.gross_presented <> accepted.gross_presented
        or presented.net_presented <> accepted.net_presented

)

select * from final
