with

balances as (

    select * from {{ ref('int_family_balances_aged') }}

),

aging_dates as (

    select * from {{ ref('int_aging_dates_listed') }}
    where is_as_of_date

),

account_days as not materialized (

    select * from {{ ref('int_account_transactions_aggregated_to_days') }}

),

patients as (

    select * from {{ ref('stg_opendental__patients') }}

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

billing_types as (

    select * from {{ ref('stg_opendental__definitions') }}
    where definition_category_code = 4

),

members as (

    select
        patient_id,
        coalesce(guarantor_id, 0) as guarantor_id
    from patients

),

aged as (

    select balances.*
    from balances
    inner join aging_dates
        on aging_dates.aging_date_id = balances.aging_date_id

),

-- Of the oldest bucket that is still owed: its days, and what is left in it.
oldest_buckets as (

    select
        aged.guarantor_id,
        aged.as_of_date,
        buckets.first_date,
        buckets.last_date,
        buckets.balance
    from aged
    cross join lateral (
        values
            (4, cast('-infinity' as date), aged.as_of_date - 91, aged.balance_over_90),
            (3, aged.as_of_date - 90, aged.as_of_date - 61, aged.balance_61_to_90),
            (2, aged.as_of_date - 60, aged.as_of_date - 31, aged.balance_31_to_60),
            (1, aged.as_of_date - 30, aged.as_of_date, aged.balance_0_to_30)
    ) as buckets (bucket, first_date, last_date, balance)
    where buckets.bucket = case
            when aged.balance_over_90 > 0 then 4
            when aged.balance_61_to_90 > 0 then 3
            when aged.balance_31_to_60 > 0 then 2
            when aged.balance_0_to_30 > 0 then 1
        end

),

charged_days as (

    select
        oldest_buckets.guarantor_id,
        oldest_buckets.balance,
        coalesce(account_days.aging_date, '-infinity') as charge_date,
        sum(account_days.charge) as charge
    from account_days
    inner join members
        on members.patient_id = account_days.patient_id
    inner join oldest_buckets
        on oldest_buckets.guarantor_id = members.guarantor_id
            and coalesce(account_days.aging_date, '-infinity') between oldest_buckets.first_date and oldest_buckets.last_date
    where account_days.charge <> 0
        and coalesce(account_days.effective_date, '-infinity') <= oldest_buckets.as_of_date
    group by 1, 2, 3

),

summed_days as (

    select
        guarantor_id,
        charge_date,
        balance,
        sum(charge) over (partition by guarantor_id order by charge_date) as charged_so_far,
        sum(charge) over (partition by guarantor_id) as charged_in_bucket
    from charged_days

),

-- What was paid in the bucket went to its oldest charges.
oldest_charges as (

    select
        guarantor_id,
        nullif(min(charge_date), '-infinity') as oldest_charge_date
    from summed_days
    where charged_so_far > charged_in_bucket - balance
    group by guarantor_id

),

families as (

    select
        guarantor_id,
        count(*) as family_members
    from members
    group by guarantor_id

),

last_payments as (

    select
        members.guarantor_id,
        max(account_days.aging_date) as last_payment_date
    from account_days
    cross join aging_dates
    inner join members
        on members.patient_id = account_days.patient_id
    where account_days.has_pay_splits
        and account_days.aging_date <= aging_dates.as_of_date
    group by members.guarantor_id

),

final as (

    select
        aged.guarantor_id,
        aged.as_of_date,
        aged.is_historic,
        patients.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        patients.primary_provider_id as provider_id,
        providers.abbreviation as provider_abbreviation,
        patients.billing_type_id,
        billing_types.item_name as billing_type,
        patients.patient_status as guarantor_status,
        families.family_members,
        aged.balance_0_to_30,
        aged.balance_31_to_60,
        aged.balance_61_to_90,
        aged.balance_over_90,
        aged.ar_total,
        aged.credit_balance,
        aged.future_entries,
        aged.balance_total,
        aged.insurance_estimate,
        aged.balance_total - aged.insurance_estimate as patient_portion,
        aged.payment_plan_due,
        oldest_charges.oldest_charge_date,
        last_payments.last_payment_date
    from aged
    inner join patients
        on patients.patient_id = aged.guarantor_id
    left join families
        on families.guarantor_id = aged.guarantor_id
    left join oldest_charges
        on oldest_charges.guarantor_id = aged.guarantor_id
    left join last_payments
        on last_payments.guarantor_id = aged.guarantor_id
    left join clinics
        on clinics.clinic_id = patients.clinic_id
    left join providers
        on providers.provider_id = patients.primary_provider_id
    left join billing_types
        on billing_types.definition_id = patients.billing_type_id

)

select * from final
