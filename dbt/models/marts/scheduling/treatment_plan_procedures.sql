{{ config(touched_column='procedure_id', keeps_changes=['presented_date']) }}

with

procedures as (

    select * from {{ ref('fct_procedures') }}
    where procedure_status <> 'Deleted'
        {{ only_touched('procedure_id', 'and') }}

),

saved_plan_procedures as (

    select * from {{ ref('stg_opendental__saved_plan_procedures') }}

),

treatment_plans as (

    select * from {{ ref('stg_opendental__treatment_plans') }}
    where treatment_plan_status = 'Saved'

),

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}
    where claim_procedure_status in ('Not received', 'Received', 'Supplemental', 'Estimate')
        and procedure_id is not null
        {{ only_touched('procedure_id', 'and') }}

),

adjustments as (

    select * from {{ ref('stg_opendental__adjustments') }}
    where procedure_id is not null
        {{ only_touched('procedure_id', 'and') }}

),

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}

),

users as (

    select * from {{ ref('stg_opendental__users') }}

),

presentations as (

    select
        saved_plan_procedures.procedure_id,
        treatment_plans.treatment_plan_id,
        treatment_plans.treatment_plan_date,
        treatment_plans.presenter_user_id,
        treatment_plans.entry_user_id
    from saved_plan_procedures
    inner join treatment_plans
        on treatment_plans.treatment_plan_id = saved_plan_procedures.treatment_plan_id
    where saved_plan_procedures.procedure_id is not null

),

first_presentations as (

    select distinct on (procedure_id) *
    from presentations
    order by procedure_id, treatment_plan_date, treatment_plan_id

),

all_presentations as (

    select
        procedure_id,
        max(treatment_plan_date) as last_presented_date,
        count(distinct treatment_plan_id) as times_presented
    from presentations
    group by procedure_id

),

-- without a saved plan, a procedure that was done on the day it was planned cannot be told from one that was never planned
presented as (

    select
        procedures.*,
        case when first_presentations.procedure_id is not null then 'Saved plan' else 'Planned date' end as presentation_source,
        first_presentations.treatment_plan_id,
        case
            when first_presentations.procedure_id is not null then first_presentations.treatment_plan_date
            else procedures.treatment_planned_date
        end as presented_date,
        case
            when first_presentations.procedure_id is not null then all_presentations.last_presented_date
            else procedures.treatment_planned_date
        end as last_presented_date,
        coalesce(all_presentations.times_presented, 0) as times_presented,
        first_presentations.presenter_user_id,
        first_presentations.entry_user_id
    from procedures
    left join first_presentations
        on first_presentations.procedure_id = procedures.procedure_id
    left join all_presentations
        on all_presentations.procedure_id = procedures.procedure_id
    where first_presentations.procedure_id is not null
        or (
            procedures.treatment_planned_date is not null
            and (
                procedures.procedure_status in ('Treatment planned', 'Treatment planned inactive')
                or (procedures.is_completed and procedures.treatment_planned_date < procedures.procedure_date)
            )
            and procedures.procedure_code is distinct from 'D9986'
            and procedures.procedure_code is distinct from 'D9987'
        )

),

write_offs as (

    select
        procedure_id,
        sum(write_off) filter (where claim_procedure_status <> 'Estimate') as actual_write_off,
        sum(coalesce(estimated_write_off_override, estimated_write_off)) filter (where claim_procedure_status = 'Estimate') as estimated_write_off
    from claim_procedures
    group by procedure_id

),

adjusted as (

    select
        procedure_id,
        sum(adjustment_amount) as adjustments
    from adjustments
    group by procedure_id

),

followed as (

    select
        presented.procedure_id,
        presented.presentation_source,
        presented.patient_id,
        presented.provider_id,
        presented.clinic_id,
        presented.procedure_code,
        presented.treatment_plan_id,
        presented.presented_date,
        presented.last_presented_date,
        presented.times_presented,
        presented.presenter_user_id,
        presented.entry_user_id,
        presented.procedure_status,
        presented.is_completed or presented.procedure_status = 'Treatment planned' as is_presented,
        presented.is_completed,
        coalesce(presented.procedure_status = 'Treatment planned' and appointments.appointment_status = 'Scheduled', false) as is_scheduled,
        presented.appointment_id,
        case when appointments.appointment_status in ('Scheduled', 'Complete') then cast(appointments.entered_at as date) end as booked_date,
        case when appointments.appointment_status in ('Scheduled', 'Complete') then cast(appointments.appointment_at as date) end as appointment_date,
        case when presented.is_completed then presented.procedure_date end as completed_date,
        presented.fee_total - presented.capitation_write_off as gross_amount,
        case
            when presented.is_completed then coalesce(write_offs.actual_write_off, 0)
            when presented.procedure_status = 'Treatment planned' then coalesce(write_offs.estimated_write_off, 0)
            else 0
        end as write_offs,
        coalesce(adjusted.adjustments, 0) as adjustments
    from presented
    left join appointments
        on appointments.appointment_id = presented.appointment_id
    left join write_offs
        on write_offs.procedure_id = presented.procedure_id
    left join adjusted
        on adjusted.procedure_id = presented.procedure_id

),

accepted as (

    select
        followed.*,
        is_scheduled or is_completed as is_accepted,
        case
            when booked_date is null or not (is_scheduled or is_completed) then completed_date
            else least(completed_date, greatest(booked_date, presented_date))
        end as accepted_date
    from followed

),

final as (

    select
        accepted.procedure_id,
        accepted.presentation_source,
        accepted.patient_id,
        accepted.provider_id,
        accepted.clinic_id,
        accepted.procedure_code,
        accepted.treatment_plan_id,
        accepted.presented_date,
        accepted.last_presented_date,
        accepted.times_presented,
        accepted.presenter_user_id,
        presenters.user_name as presenter_name,
        accepted.entry_user_id,
        entry_users.user_name as entry_user_name,
        accepted.procedure_status,
        accepted.is_presented,
        accepted.is_scheduled,
        accepted.is_completed,
        accepted.is_accepted,
        accepted.appointment_id,
        accepted.booked_date,
        accepted.appointment_date,
        accepted.completed_date,
        accepted.accepted_date,
        accepted.accepted_date - accepted.presented_date as days_to_acceptance,
        coalesce(accepted.accepted_date = accepted.presented_date, false) as is_accepted_same_day,
        coalesce(accepted.accepted_date - accepted.presented_date between 0 and 30, false) as is_accepted_within_30_days,
        coalesce(accepted.accepted_date - accepted.presented_date between 0 and 90, false) as is_accepted_within_90_days,
        coalesce(accepted.completed_date = accepted.presented_date, false) as is_completed_same_day,
        coalesce(accepted.completed_date - accepted.presented_date between 0 and 30, false) as is_completed_within_30_days,
        coalesce(accepted.completed_date - accepted.presented_date between 0 and 90, false) as is_completed_within_90_days,
        accepted.gross_amount,
        accepted.write_offs,
        accepted.adjustments,
        accepted.gross_amount - accepted.write_offs + accepted.adjustments as net_amount
    from accepted
    left join users as presenters
        on presenters.user_id = accepted.presenter_user_id
    left join users as entry_users
        on entry_users.user_id = accepted.entry_user_id

)

select * from final
