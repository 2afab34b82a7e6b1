with

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}

),

claim_payments as (

    select * from {{ ref('stg_opendental__claim_payments') }}

),

final as (

    select
        claim_procedures.*,
        claim_payments.check_date,
        claim_payments.payment_type_id,
        claim_payments.carrier_name,
        coalesce(claim_procedures.claim_procedure_status in ('Received', 'Supplemental'), false) as is_received
    from claim_procedures
    left join claim_payments
        on claim_payments.claim_payment_id = claim_procedures.claim_payment_id
    where claim_procedures.claim_payment_id is not null

)

select * from final
