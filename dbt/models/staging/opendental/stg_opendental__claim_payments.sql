with

final as (

    select
        -- ids
        claim_payments.claim_payment_num as claim_payment_id,
        nullif(claim_payments.clinic_num, 0) as clinic_id,
        nullif(claim_payments.deposit_num, 0) as deposit_id,
        nullif(claim_payments.pay_type, 0) as payment_type_id,

        -- names, codes and flags
        nullif(claim_payments.carrier_name, '') as carrier_name,
        (claim_payments.is_partial <> 0) as is_partial,

        -- amounts
        {{ money('claim_payments.check_amt') }} as check_amount,

        -- dates and times, the practice's local time
        claim_payments.check_date,
        claim_payments.date_issued as issued_date,

        -- stamps, UTC
        claim_payments.sec_date_t_edit as updated_at
    from {{ source('opendental', 'claimpayment') }} as claim_payments

)

select * from final
