with

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}

),

procedures as (

    select * from {{ ref('stg_opendental__procedures') }}
    where procedure_status_code = 2

),

final as (

    select
        claim_procedures.claim_procedure_id,
        claim_procedures.patient_id,
        claim_procedures.procedure_date as expected_from_date,
        case when claim_procedures.claim_procedure_status_code = 1 then claim_procedures.payment_date end as received_date,
        claim_procedures.claim_procedure_status_code = 0 as is_pending,
        claim_procedures.estimated_payment,
        claim_procedures.write_off as expected_write_off,
        claim_procedures.estimated_payment + claim_procedures.write_off as amount
    from claim_procedures
    left join procedures
        on procedures.procedure_id = claim_procedures.procedure_id
    -- What was received, but on no day, is expected on none.
    where (claim_procedures.claim_procedure_status_code = 0 or (claim_procedures.claim_procedure_status_code = 1 and claim_procedures.payment_date is not null))
        and (claim_procedures.procedure_id is null or procedures.procedure_id is not null)
        and (claim_procedures.estimated_payment <> 0 or claim_procedures.write_off <> 0)

)

select * from final
