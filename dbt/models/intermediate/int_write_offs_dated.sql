with

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}
    where claim_procedure_status in ('Not received', 'Received', 'Supplemental')

),

claim_snapshots as (

    select * from {{ ref('stg_opendental__claim_snapshots') }}

),

-- a claim procedure has one snapshot; should it have more, the first one is what was expected when the claim was made
first_snapshots as (

    select distinct on (claim_procedure_id)
        claim_procedure_id,
        cast(snapshot_at as date) as snapshot_date,
        coalesce(write_off, 0) as expected_write_off
    from claim_snapshots
    where claim_procedure_id is not null
    order by claim_procedure_id, claim_snapshot_id

),

with_snapshots as (

    select
        claim_procedures.*,
        claim_procedures.claim_procedure_status in ('Received', 'Supplemental') as is_received,
        first_snapshots.claim_procedure_id is not null as has_snapshot,
        first_snapshots.snapshot_date,
        coalesce(first_snapshots.expected_write_off, 0) as expected_write_off
    from claim_procedures
    left join first_snapshots
        on first_snapshots.claim_procedure_id = claim_procedures.claim_procedure_id

),

by_payment_date as (

    select
        claim_procedure_id,
        0 as write_off_dating_mode,
        'actual' as write_off_part,
        patient_id,
        provider_id,
        clinic_id,
        payment_date as write_off_date,
        write_off as amount
    from with_snapshots
    where is_received

),

by_procedure_date as (

    select
        claim_procedure_id,
        1 as write_off_dating_mode,
        'actual' as write_off_part,
        patient_id,
        provider_id,
        clinic_id,
        procedure_date as write_off_date,
        write_off as amount
    from with_snapshots

),

expected_by_claim_date as (

    select
        claim_procedure_id,
        2 as write_off_dating_mode,
        'expected' as write_off_part,
        patient_id,
        provider_id,
        clinic_id,
        snapshot_date as write_off_date,
        expected_write_off as amount
    from with_snapshots
    where has_snapshot

),

difference_by_payment_date as (

    select
        claim_procedure_id,
        2 as write_off_dating_mode,
        'difference' as write_off_part,
        patient_id,
        provider_id,
        clinic_id,
        payment_date as write_off_date,
        write_off - expected_write_off as amount
    from with_snapshots
    where is_received

),

unioned as (

    select * from by_payment_date
    union all
    select * from by_procedure_date
    union all
    select * from expected_by_claim_date
    union all
    select * from difference_by_payment_date

),

final as (

    select
        claim_procedure_id || '|' || write_off_dating_mode || '|' || write_off_part as write_off_id,
        unioned.*
    from unioned
    where amount <> 0

)

select * from final
