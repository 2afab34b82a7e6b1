with

claim_procedures as (

    select * from {{ ref('int_claim_procedures_dated') }}
    where is_received or is_pending

),

-- one pass over the claim procedures, four parts of each
parts as (

    select
        claim_procedures.claim_procedure_id,
        parts.write_off_dating_mode,
        parts.write_off_part,
        claim_procedures.patient_id,
        claim_procedures.provider_id,
        claim_procedures.clinic_id,
        parts.write_off_date,
        parts.amount
    from claim_procedures
    cross join lateral (
        values
            (0, 'actual', claim_procedures.payment_date, claim_procedures.write_off_by_payment_date),
            (1, 'actual', claim_procedures.procedure_date, claim_procedures.write_off_by_procedure_date),
            (2, 'expected', claim_procedures.snapshot_date, claim_procedures.write_off_by_claim_date_expected),
            (2, 'difference', claim_procedures.payment_date, claim_procedures.write_off_by_claim_date_difference)
    ) as parts (write_off_dating_mode, write_off_part, write_off_date, amount)

),

final as (

    select
        claim_procedure_id || '|' || write_off_dating_mode || '|' || write_off_part as write_off_id,
        parts.*
    from parts
    where amount <> 0

)

select * from final
