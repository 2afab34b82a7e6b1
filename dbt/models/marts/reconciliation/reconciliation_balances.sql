with

balances as (

    select * from {{ ref('int_family_balances_aged') }}

),

aging_dates as (

    select * from {{ ref('int_aging_dates_listed') }}
    where is_last_aging_date

),

account_days as (

    select * from {{ ref('int_account_transactions_aggregated_to_days') }}

),

patients as (

    select * from {{ ref('stg_opendental__patients') }}

),

aged as (

    select balances.*
    from balances
    inner join aging_dates
        on aging_dates.aging_date_id = balances.aging_date_id

),

-- OpenDental stores a family's balances with its guarantor; without one they are stored nowhere.
families as (

    select
        patients.patient_id,
        patients.guarantor_id,
        aging_dates.as_of_date,
        coalesce(aged.balance_0_to_30, 0) as balance_0_to_30,
        coalesce(aged.balance_31_to_60, 0) as balance_31_to_60,
        coalesce(aged.balance_61_to_90, 0) as balance_61_to_90,
        coalesce(aged.balance_over_90, 0) as balance_over_90,
        coalesce(aged.balance_total, 0) as balance_total,
        coalesce(aged.insurance_estimate, 0) as insurance_estimate,
        coalesce(aged.payment_plan_due, 0) as payment_plan_due,
        coalesce(patients.balance_0_to_30, 0) as stored_balance_0_to_30,
        coalesce(patients.balance_31_to_60, 0) as stored_balance_31_to_60,
        coalesce(patients.balance_61_to_90, 0) as stored_balance_61_to_90,
        coalesce(patients.balance_over_90, 0) as stored_balance_over_90,
        coalesce(patients.balance_total, 0) as stored_balance_total,
        coalesce(patients.insurance_estimate, 0) as stored_insurance_estimate,
        coalesce(patients.payment_plan_due, 0) as stored_payment_plan_due
    from patients
    cross join aging_dates
    left join aged
        on aged.guarantor_id = patients.patient_id

),

patient_balances as (

    select
        account_days.patient_id,
        sum(account_days.charge + account_days.credit) as balance
    from account_days
    cross join aging_dates
    where account_days.counted_from_date is null
        or account_days.counted_from_date <= aging_dates.as_of_date
    group by account_days.patient_id

),

compared as (

    select
        checks.check_name,
        families.patient_id,
        families.guarantor_id,
        families.as_of_date,
        checks.ours,
        checks.opendentals
    from families
    cross join lateral (
        values
            ('balance 0 to 30', families.balance_0_to_30, families.stored_balance_0_to_30),
            ('balance 31 to 60', families.balance_31_to_60, families.stored_balance_31_to_60),
            ('balance 61 to 90', families.balance_61_to_90, families.stored_balance_61_to_90),
            ('balance over 90', families.balance_over_90, families.stored_balance_over_90),
            ('balance total', families.balance_total, families.stored_balance_total),
            ('insurance estimate', families.insurance_estimate, families.stored_insurance_estimate),
            ('payment plan due', families.payment_plan_due, families.stored_payment_plan_due)
    ) as checks (check_name, ours, opendentals)

    union all

    select
        'patient balance',
        patients.patient_id,
        patients.guarantor_id,
        aging_dates.as_of_date,
        coalesce(patient_balances.balance, 0),
        coalesce(patients.estimated_balance, 0)
    from patients
    cross join aging_dates
    left join patient_balances
        on patient_balances.patient_id = patients.patient_id

),

final as (

    select
        check_name || ' ' || patient_id as reconciliation_id,
        check_name,
        patient_id as record_id,
        as_of_date as record_date,
        ours,
        opendentals,
        ours - opendentals as difference,
        abs(ours - opendentals) >= 0.005 as is_different,
        guarantor_id
    from compared
    where ours <> 0 or opendentals <> 0

)

select * from final
