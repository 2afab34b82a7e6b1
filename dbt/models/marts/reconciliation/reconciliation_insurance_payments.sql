with

claim_payments as (

    select * from {{ ref('stg_opendental__claim_payments') }}

),

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}

),

claim_procedure_sums as (

    select
        claim_payment_id,
        sum(insurance_payment) as insurance_payment
    from claim_procedures
    where claim_payment_id is not null
    group by claim_payment_id

),

-- A partial payment is still being entered. What is on one that does not exist is compared with nothing.
compared as (

    select
        coalesce(claim_payments.claim_payment_id, claim_procedure_sums.claim_payment_id) as claim_payment_id,
        claim_payments.check_date,
        claim_payments.carrier_name,
        claim_payments.clinic_id,
        claim_payments.updated_at,
        coalesce(claim_payments.check_amount, 0) as check_amount,
        coalesce(claim_procedure_sums.insurance_payment, 0) as insurance_payment
    from claim_payments
    full join claim_procedure_sums
        on claim_procedure_sums.claim_payment_id = claim_payments.claim_payment_id
    where not coalesce(claim_payments.is_partial, false)

),

final as (

    select
        'insurance payment|' || claim_payment_id as reconciliation_id,
        'insurance payment' as check_name,
        claim_payment_id as record_id,
        check_date as record_date,
        insurance_payment as ours,
        check_amount as opendentals,
        insurance_payment - check_amount as difference,
        abs(insurance_payment - check_amount) >= 0.005 as is_different,
        carrier_name,
        clinic_id,
        updated_at
    from compared

)

select * from final
