-- What OpenDental's ledger leaves out or cannot place, by its key.
with

balances as (

    select * from {{ ref('int_family_balances_aged') }}

),

aging_dates as (

    select * from {{ ref('int_aging_dates_listed') }}
    where is_as_of_date

),

account_days as (

    select * from {{ ref('int_account_transactions_aggregated_to_days') }}

),

patients as (

    select * from {{ ref('stg_opendental__patients') }}

),

procedures as (

    select * from {{ ref('stg_opendental__procedures') }}

),

payment_plan_charges as (

    select * from {{ ref('stg_opendental__payment_plan_charges') }}
    where charge_type_code = 1
        and procedure_id is not null

),

claim_procedures as (

    select * from {{ ref('int_claim_procedures_dated') }}
    where claim_payment_id is not null
        and not is_on_payment

),

found as (

    select
        'Family without a guarantor' as finding,
        balances.guarantor_id as record_id,
        cast(null as bigint) as patient_id,
        balances.balance_total as amount
    from balances
    inner join aging_dates
        on aging_dates.aging_date_id = balances.aging_date_id
    left join patients
        on patients.patient_id = balances.guarantor_id
    where patients.patient_id is null

    union all

    select
        'Account of a patient who does not exist',
        coalesce(account_days.patient_id, 0),
        account_days.patient_id,
        sum(account_days.charge + account_days.credit)
    from account_days
    left join patients
        on patients.patient_id = account_days.patient_id
    where patients.patient_id is null
    group by account_days.patient_id
    having bool_or(account_days.charge <> 0 or account_days.credit <> 0)

    union all

    select
        'Payment plan credit of a procedure that does not exist',
        payment_plan_charges.payment_plan_charge_id,
        payment_plan_charges.patient_id,
        payment_plan_charges.principal
    from payment_plan_charges
    left join procedures
        on procedures.procedure_id = payment_plan_charges.procedure_id
    where procedures.procedure_id is null

    union all

    select
        'Claim procedure of an insurance payment that does not exist',
        claim_procedure_id,
        patient_id,
        insurance_payment
    from claim_procedures

),

final as (

    select
        finding || '|' || record_id as ledger_finding_id,
        finding,
        record_id,
        patient_id,
        amount
    from found

)

select * from final
