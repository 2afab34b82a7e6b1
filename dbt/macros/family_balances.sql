{#
    The balances of families on the days of int_aging_dates_listed, or of some families on some of the days: each is reckoned apart, from the CTEs
    account_days, insurance_estimates and payment_plan_dues of the model.

    All days are aged at once. A transaction's day matters only by which day of the list it is the first to be at least 0, 31,
    61 or 91 days old on. So the days are first put into the few classes that differ in that (`aged_by`: the last day of the
    class), the transactions are summed by family and class, each sum becomes at most four steps up on the way through the
    list, and the steps are added up along it.
#}
{% macro family_balances(of_patients='', of_dates='') -%}
with

patients as not materialized (

    select * from {{ ref('stg_opendental__patients') }}
    {{ of_patients }}

),

aging_dates as (

    select * from {{ ref('int_aging_dates_listed') }}
    {{ of_dates }}

),

days as (

    select
        array_agg(distinct as_of_date order by as_of_date) as days,
        count(distinct as_of_date) as number_of_days
    from aging_dates

),

numbered_days as (

    select
        listed.as_of_date,
        cast(listed.day_number as integer) as day_number
    from days
    cross join unnest(days.days) with ordinality as listed (as_of_date, day_number)

),

ages as (

    select *
    from (values (0, 0), (1, 31), (2, 61), (3, 91)) as listed (age, age_in_days)

),

classes as (

    select array_agg(distinct numbered_days.as_of_date - ages.age_in_days + 1 order by numbered_days.as_of_date - ages.age_in_days + 1) as ends
    from numbered_days
    cross join ages

),

-- What has no day is older than everything; what is younger than the last day of the list has no class.
summed as (

    select
        coalesce(patients.guarantor_id, 0) as guarantor_id,
        (select ends from classes)[width_bucket(coalesce(account_days.aging_date, '-infinity'), (select ends from classes)) + 1] - 1 as aged_by,
        width_bucket(coalesce(account_days.effective_date, '-infinity') - 1, (select days from days)) + 1 as effective_day,
        width_bucket(coalesce(account_days.counted_from_date, '-infinity') - 1, (select days from days)) + 1 as counted_day,
        sum(account_days.charge) as charge,
        sum(account_days.credit) as credit
    from account_days
    inner join patients
        on patients.patient_id = account_days.patient_id
    group by 1, 2, 3, 4

),

aged as (

    select
        summed.guarantor_id,
        ages.age,
        greatest(width_bucket(summed.aged_by + ages.age_in_days - 1, (select days from days)) + 1, summed.effective_day) as day_number,
        summed.charge,
        summed.credit
    from summed
    cross join ages
    where summed.aged_by is not null

),

estimated as (

    select
        coalesce(patients.guarantor_id, 0) as guarantor_id,
        width_bucket(coalesce(insurance_estimates.expected_from_date, '-infinity') - 1, (select days from days)) + 1 as first_day,
        width_bucket(coalesce(insurance_estimates.received_date, 'infinity') - 1, (select days from days)) + 1 as end_day,
        insurance_estimates.is_pending,
        sum(insurance_estimates.amount) as amount
    from insurance_estimates
    inner join patients
        on patients.patient_id = insurance_estimates.patient_id
    group by 1, 2, 3, 4

),

due as (

    select
        coalesce(patients.guarantor_id, 0) as guarantor_id,
        width_bucket(coalesce(payment_plan_dues.due_date, '-infinity') - 1, (select days from days)) + 1 as due_day,
        payment_plan_dues.is_payment,
        sum(payment_plan_dues.amount) as amount
    from payment_plan_dues
    inner join patients
        on patients.patient_id = payment_plan_dues.patient_id
    group by 1, 2, 3

),

-- Measures 0 to 3 are charges at least 0, 31, 61 and 91 days old, 4 credits, 5 what was entered, 6 and 7 insurance estimates, historic and now,
-- 8 and 9 what is due of payment plans, historic and now; now every payment counts.
steps as (

    select
        guarantor_id,
        day_number,
        age as measure,
        charge as amount
    from aged
    where charge <> 0

    union all

    select guarantor_id, day_number, 4, credit
    from aged
    where age = 0 and credit <> 0

    union all

    select guarantor_id, counted_day, 5, charge + credit
    from summed

    union all

    select guarantor_id, first_day, 6, amount
    from estimated
    where first_day < end_day

    union all

    select guarantor_id, end_day, 6, -amount
    from estimated
    where first_day < end_day

    union all

    select guarantor_id, 1, 7, amount
    from estimated
    where is_pending

    union all

    select guarantor_id, due_day, 8, amount
    from due

    union all

    select guarantor_id, case when is_payment then 1 else due_day end, 9, amount
    from due

),

daily_steps as (

    select
        guarantor_id,
        day_number,
        coalesce(sum(amount) filter (where measure = 0), 0) as charges,
        coalesce(sum(amount) filter (where measure = 1), 0) as charges_31,
        coalesce(sum(amount) filter (where measure = 2), 0) as charges_61,
        coalesce(sum(amount) filter (where measure = 3), 0) as charges_91,
        coalesce(sum(amount) filter (where measure = 4), 0) as credits,
        coalesce(sum(amount) filter (where measure = 5), 0) as entered,
        coalesce(sum(amount) filter (where measure = 6), 0) as estimate,
        coalesce(sum(amount) filter (where measure = 7), 0) as pending_estimate,
        coalesce(sum(amount) filter (where measure = 8), 0) as due,
        coalesce(sum(amount) filter (where measure = 9), 0) as present_due
    from steps
    where day_number <= (select number_of_days from days)
    group by guarantor_id, day_number

),

running as (

    select
        guarantor_id,
        day_number,
        lead(day_number) over in_order as next_day_number,
        sum(charges) over in_order as charges,
        sum(charges_31) over in_order as charges_31,
        sum(charges_61) over in_order as charges_61,
        sum(charges_91) over in_order as charges_91,
        sum(credits) over in_order as credits,
        sum(entered) over in_order as entered,
        sum(estimate) over in_order as estimate,
        sum(pending_estimate) over in_order as pending_estimate,
        sum(due) over in_order as due,
        sum(present_due) over in_order as present_due
    from daily_steps
    window in_order as (partition by guarantor_id order by day_number)

),

-- A bucket that netting brings below zero is emptied into the pool of credits.
pooled as (

    select
        guarantor_id,
        day_number,
        next_day_number,
        charges + credits as balance_to_date,
        entered,
        estimate,
        pending_estimate,
        due,
        present_due,
        greatest(charges - charges_31, 0) as charges_0_to_30,
        greatest(charges_31 - charges_61, 0) as charges_31_to_60,
        greatest(charges_61 - charges_91, 0) as charges_61_to_90,
        greatest(charges_91, 0) as charges_over_90,
        -credits - least(charges - charges_31, 0) - least(charges_31 - charges_61, 0)
            - least(charges_61 - charges_91, 0) - least(charges_91, 0) as pool
    from running
    where charges <> 0 or charges_31 <> 0 or charges_61 <> 0 or charges_91 <> 0 or credits <> 0
        or entered <> 0 or estimate <> 0 or pending_estimate <> 0 or due <> 0 or present_due <> 0

),

-- The pool pays the oldest bucket first; materialized, lest it is reckoned again for each day of the list.
paid as materialized (

    select
        guarantor_id,
        day_number,
        next_day_number,
        balance_to_date,
        entered,
        estimate,
        pending_estimate,
        due,
        present_due,
        greatest(least(charges_0_to_30, charges_over_90 + charges_61_to_90 + charges_31_to_60 + charges_0_to_30 - pool), 0) as balance_0_to_30,
        greatest(least(charges_31_to_60, charges_over_90 + charges_61_to_90 + charges_31_to_60 - pool), 0) as balance_31_to_60,
        greatest(least(charges_61_to_90, charges_over_90 + charges_61_to_90 - pool), 0) as balance_61_to_90,
        greatest(charges_over_90 - pool, 0) as balance_over_90,
        least(charges_over_90 + charges_61_to_90 + charges_31_to_60 + charges_0_to_30 - pool, 0) as credit_balance
    from pooled

),

daily as (

    select
        paid.*,
        generate_series(paid.day_number, coalesce(paid.next_day_number - 1, cast((select number_of_days from days) as integer))) as listed_day_number
    from paid

),

final as (

    select
        aging_dates.aging_date_id || ' ' || daily.guarantor_id as family_balance_id,
        aging_dates.aging_date_id,
        aging_dates.as_of_date,
        aging_dates.is_historic,
        daily.guarantor_id,
        daily.balance_0_to_30,
        daily.balance_31_to_60,
        daily.balance_61_to_90,
        daily.balance_over_90,
        daily.balance_0_to_30 + daily.balance_31_to_60 + daily.balance_61_to_90 + daily.balance_over_90 as ar_total,
        daily.credit_balance,
        case when aging_dates.is_historic then 0 else daily.entered - daily.balance_to_date end as future_entries,
        case when aging_dates.is_historic then daily.balance_to_date else daily.entered end as balance_total,
        case when aging_dates.is_historic then daily.estimate else daily.pending_estimate end as insurance_estimate,
        case when aging_dates.is_historic then daily.due else daily.present_due end as payment_plan_due
    from daily
    inner join numbered_days
        on numbered_days.day_number = daily.listed_day_number
    inner join aging_dates
        on aging_dates.as_of_date = numbered_days.as_of_date
    where daily.balance_to_date <> 0
        or daily.balance_0_to_30 <> 0
        or daily.balance_31_to_60 <> 0
        or daily.balance_61_to_90 <> 0
        or daily.balance_over_90 <> 0
        or (aging_dates.is_historic and (daily.estimate <> 0 or daily.due <> 0))
        or (not aging_dates.is_historic and (daily.entered <> 0 or daily.pending_estimate <> 0 or daily.present_due <> 0))

)

select * from final
{%- endmacro %}
