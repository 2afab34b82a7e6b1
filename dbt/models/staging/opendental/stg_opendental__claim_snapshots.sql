with

claim_type_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'claim_type'

),

snapshot_trigger_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'snapshot_trigger'

),

final as (

    select
        -- ids
        claim_snapshots.claim_snapshot_num as claim_snapshot_id,
        nullif(claim_snapshots.claim_proc_num, 0) as claim_procedure_id,
        nullif(claim_snapshots.proc_num, 0) as procedure_id,

        -- names, codes and flags
        claim_snapshots.claim_type as claim_type_code,
        claim_type_labels.label as claim_type,
        claim_snapshots.snapshot_trigger as snapshot_trigger_code,
        snapshot_trigger_labels.label as snapshot_trigger,

        -- amounts
        nullif({{ money('claim_snapshots.writeoff') }}, -1) as write_off,
        nullif({{ money('claim_snapshots.ins_pay_est') }}, -1) as estimated_payment,
        {{ money('claim_snapshots.fee') }} as procedure_fee,

        -- dates and times, the practice's local time
        claim_snapshots.date_t_entry as snapshot_at
    from {{ source('opendental', 'claimsnapshot') }} as claim_snapshots
    left join claim_type_labels
        on claim_type_labels.code = claim_snapshots.claim_type
    left join snapshot_trigger_labels
        on snapshot_trigger_labels.code = cast(claim_snapshots.snapshot_trigger as text)

)

select * from final
