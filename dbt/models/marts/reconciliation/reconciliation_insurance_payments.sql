with

-- a partial one is still being entered
claim_payments as (

    select * from {{ ref('stg_opendental__claim_payments') }}
    where not is_partial

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

compared as (

    select
        claim_payments.*,
        coalesce(claim_procedure_sums.insurance_payment, 0) as insurance_payment
    from claim_payments
    left join claim_procedure_sums
        on claim_procedure_sums.claim_payment_id = claim_payments.claim_payment_id

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
