with

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}

),

claim_payments as (

    select * from {{ ref('stg_opendental__claim_payments') }}

),

claim_snapshots as (

    select * from {{ ref('stg_opendental__claim_snapshots') }}

),

-- a claim procedure has one snapshot; should it have more, the first one is what was expected when the claim was made
first_snapshots as (

    select distinct on (claim_procedure_id)
        claim_procedure_id,
        cast(snapshot_at as date) as snapshot_date,
        coalesce(write_off, 0) as snapshot_write_off,
        estimated_payment as snapshot_estimated_payment
    from claim_snapshots
    where claim_procedure_id is not null
    order by claim_procedure_id, claim_snapshot_id

),

classified as (

    select
        claim_procedures.*,
        coalesce(claim_procedures.claim_procedure_status in ('Received', 'Supplemental'), false) as is_received,
        coalesce(claim_procedures.claim_procedure_status = 'Not received', false) as is_pending,
        claim_payments.claim_payment_id is not null as is_on_payment,
        claim_payments.check_date,
        claim_payments.payment_type_id,
        claim_payments.carrier_name as payment_carrier_name,
        first_snapshots.claim_procedure_id is not null as has_snapshot,
        first_snapshots.snapshot_date,
        coalesce(first_snapshots.snapshot_write_off, 0) as snapshot_write_off,
        first_snapshots.snapshot_estimated_payment
    from claim_procedures
    left join claim_payments
        on claim_payments.claim_payment_id = claim_procedures.claim_payment_id
    left join first_snapshots
        on first_snapshots.claim_procedure_id = claim_procedures.claim_procedure_id

),

final as (

    select
        classified.*,
        case when is_on_payment then insurance_payment else 0 end as insurance_income,
        case when is_received then write_off else 0 end as write_off_by_payment_date,
        case when is_received or is_pending then write_off else 0 end as write_off_by_procedure_date,
        case when is_received or is_pending then snapshot_write_off else 0 end as write_off_by_claim_date_expected,
        case when is_received then write_off - snapshot_write_off else 0 end as write_off_by_claim_date_difference
    from classified

)

select * from final
