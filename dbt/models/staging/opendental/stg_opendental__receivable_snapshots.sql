with

final as (

    select
        -- ids
        snapshots.dashboard_ar_num as receivable_snapshot_id,

        -- amounts
        {{ money('snapshots.bal_total') }} as receivables,
        {{ money('snapshots.ins_est') }} as insurance_estimate,

        -- dates and times, the practice's local time
        snapshots.date_calc as snapshot_date
    from {{ source('opendental', 'dashboardar') }} as snapshots

)

select * from final
