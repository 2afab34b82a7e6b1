with

balances as (

    select * from {{ ref('int_family_balances_aged') }}

),

aging_dates as (

    select * from {{ ref('int_aging_dates_listed') }}
    where is_month_end

),

patients as (

    select * from {{ ref('stg_opendental__patients') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

summed as (

    select
        aging_dates.as_of_date as month_end_date,
        patients.clinic_id,
        sum(balances.balance_0_to_30) as balance_0_to_30,
        sum(balances.balance_31_to_60) as balance_31_to_60,
        sum(balances.balance_61_to_90) as balance_61_to_90,
        sum(balances.balance_over_90) as balance_over_90,
        sum(balances.ar_total) as ar_total,
        sum(balances.credit_balance) as credit_balance,
        sum(balances.balance_total) as balance_total,
        sum(balances.insurance_estimate) as insurance_estimate,
        count(*) filter (where balances.ar_total > 0) as families_owing,
        count(*) filter (where balances.credit_balance < 0) as families_in_credit
    from balances
    inner join aging_dates
        on aging_dates.aging_date_id = balances.aging_date_id
    inner join patients
        on patients.patient_id = balances.guarantor_id
    group by aging_dates.as_of_date, patients.clinic_id

),

final as (

    select
        summed.month_end_date || '|' || coalesce(cast(summed.clinic_id as text), 'no clinic') as ar_aging_monthly_id,
        summed.month_end_date,
        summed.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        summed.balance_0_to_30,
        summed.balance_31_to_60,
        summed.balance_61_to_90,
        summed.balance_over_90,
        summed.ar_total,
        summed.credit_balance,
        summed.balance_total,
        summed.insurance_estimate,
        summed.balance_total - summed.insurance_estimate as patient_portion,
        summed.families_owing,
        summed.families_in_credit
    from summed
    left join clinics
        on clinics.clinic_id = summed.clinic_id

)

select * from final
