{{ config(touched_column='record_id', unread=['definition', 'claimpayment', 'claimsnapshot']) }}

with

claims as (

    select * from {{ ref('stg_opendental__claims') }}
    {{ only_touched('claim_id') }}

),

claim_procedures as (

    select * from {{ ref('int_claim_procedures_aggregated_to_claims') }}
    {{ only_touched('claim_id') }}

),

-- Claim procedures whose claim does not exist are compared with nothing.
compared as (

    select
        coalesce(claims.claim_id, claim_procedures.claim_id) as claim_id,
        claims.patient_id,
        claims.claim_type,
        claims.claim_status,
        claims.service_date,
        claims.updated_at,
        amounts.check_name,
        coalesce(amounts.ours, 0) as ours,
        coalesce(amounts.opendentals, 0) as opendentals
    from claims
    full join claim_procedures
        on claim_procedures.claim_id = claims.claim_id
    cross join lateral (
        values
            ('claim fee', claim_procedures.fee_billed, claims.claim_fee),
            ('claim estimate', claim_procedures.estimated_payment, claims.estimated_payment),
            ('claim payment', claim_procedures.insurance_payment, claims.insurance_payment),
            ('claim write-off', claim_procedures.write_off, claims.write_off),
            ('claim deductible', claim_procedures.deductible_applied, claims.deductible_applied)
    ) as amounts (check_name, ours, opendentals)
    -- OpenDental keeps both at 0 with a capitation claim, so that they touch no balance
    where not (
        coalesce(claims.claim_type = 'Capitation', false)
        and amounts.check_name in ('claim estimate', 'claim payment')
    )

),

final as (

    select
        check_name || '|' || claim_id as reconciliation_id,
        check_name,
        claim_id as record_id,
        service_date as record_date,
        ours,
        opendentals,
        ours - opendentals as difference,
        abs(ours - opendentals) >= 0.005 as is_different,
        patient_id,
        claim_type,
        claim_status,
        updated_at
    from compared

)

select * from final
