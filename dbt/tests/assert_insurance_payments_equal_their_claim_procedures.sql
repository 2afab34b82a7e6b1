-- OpenDental keeps a cheque equal to what its claim procedures paid; a difference is one in the practice's data.
{{ config(severity='warn') }}

with

claim_payments as (

    select * from {{ ref('stg_opendental__claim_payments') }}
    where not is_partial

),

claim_procedures as (

    select
        claim_payment_id,
        sum(insurance_payment) as amount
    from {{ ref('stg_opendental__claim_procedures') }}
    group by claim_payment_id

),

final as (

    select
        claim_payments.claim_payment_id,
        claim_payments.check_amount,
        claim_procedures.amount as claim_procedure_amount
    from claim_payments
    left join claim_procedures
        on claim_procedures.claim_payment_id = claim_payments.claim_payment_id
    where abs(claim_payments.check_amount - coalesce(claim_procedures.amount, 0)) >= 0.005

)

select * from final
