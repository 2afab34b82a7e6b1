{# A table, so that it is known whether a setting changed. #}
{{ config(materialized='table', unique_key='settings_id', keeps_changes=true) }}

with

preferences as (

    select * from {{ ref('stg_opendental__preferences') }}

),

pivoted as (

    select
        max(preference_value) filter (where preference_name = 'ReportsPPOwriteoffDefaultToProcDate') as write_off_dating,
        max(preference_value) filter (where preference_name = 'ReportPandIschedProdSubtractsWO') as scheduled_less_write_offs,
        max(preference_value) filter (where preference_name = 'AgingProcLifo') as aging_by_procedure,
        max(preference_value) filter (where preference_name = 'PayPlansVersion') as payment_plans,
        max(preference_value) filter (where preference_name = 'PayPlansBillInAdvanceDays') as payment_plan_days,
        max(preference_value) filter (where preference_name = 'DataBaseVersion') as database_version,
        max(preference_value) filter (where preference_name = 'DateLastAging') as last_aging,
        max(preference_value) filter (where preference_name = 'BrokenApptProcedure') as broken_appointment_codes,
        max(preference_value) filter (where preference_name = 'BrokenAppointmentAdjustmentType') as broken_appointment_adjustment,
        max(preference_value) filter (where preference_name = 'RecallTypesShowingInList') as recall_types,
        max(preference_value) filter (where preference_name = 'RecallExcludeIfAnyFutureAppt') as recall_exclusion,
        max(preference_value) filter (where preference_name = 'BalancesDontSubtractIns') as balances_with_insurance,
        max(preference_value) filter (where preference_name = 'PracticeTitle') as title
    from preferences

),

-- A day that no calendar has (the 30th of February) becomes another one, not an error.
dated as (

    select
        *,
        -- 24.3.10.0 is 2403; without a version, that of the newest
        case
            when database_version ~ '^\d{1,4}\.\d{1,2}(\.|$)'
                then cast(split_part(database_version, '.', 1) as integer) * 100 + cast(split_part(database_version, '.', 2) as integer)
            else 999999
        end as release,
        case
            when last_aging ~ '^\d{4}-\d{2}-\d{2}' and last_aging !~ '^0000'
                then cast(
                    cast(left(last_aging, 4) || '-01-01' as date)
                    + make_interval(months => cast(substr(last_aging, 6, 2) as integer) - 1, days => cast(substr(last_aging, 9, 2) as integer) - 1)
                    as date
                )
        end as last_aging_day
    from pivoted

),

final as (

    select
        1 as settings_id,
        cast(case when write_off_dating in ('0', '1', '2') then write_off_dating else '0' end as integer) as write_off_dating_mode,
        coalesce(scheduled_less_write_offs = '1', false) as is_scheduled_production_less_write_offs,
        -- OpenDental's yes, no and unknown are 1, 2 and 0
        coalesce(aging_by_procedure <> '2', true) as is_aging_by_procedure,
        cast(case when payment_plans in ('1', '2', '3', '4') then payment_plans else '2' end as integer) as payment_plans_version,
        cast(case when payment_plan_days ~ '^\d{1,4}$' then payment_plan_days else '0' end as integer) as payment_plan_bill_in_advance_days,
        release >= 2402 as is_payment_plan_link_dated_by_production,
        release between 2302 and 2401 as is_payment_plan_discount_charged,
        case when to_char(last_aging_day, 'YYYY-MM-DD') = left(last_aging, 10) then last_aging_day end as last_aging_date,
        cast(case when broken_appointment_codes in ('0', '1', '2', '3') then broken_appointment_codes else '0' end as integer) as broken_appointment_procedure_mode,
        nullif(cast(case when broken_appointment_adjustment ~ '^\d{1,18}$' then broken_appointment_adjustment else '0' end as bigint), 0) as broken_appointment_adjustment_type_id,
        case when recall_types ~ '^\d+(,\d+)*$' then recall_types end as recall_types_showing,
        coalesce(recall_exclusion = '1', false) as is_recall_excluded_by_any_future_appointment,
        coalesce(balances_with_insurance <> '1', true) as is_balance_less_insurance_estimate,
        title as practice_title
    from dated

)

select * from final
