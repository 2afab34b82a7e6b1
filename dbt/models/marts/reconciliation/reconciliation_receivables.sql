with

balances as (

    select * from {{ ref('int_family_balances_aged') }}

),

aging_dates as (

    select * from {{ ref('int_aging_dates_listed') }}
    where is_snapshot_date

),

snapshots as (

    select * from {{ ref('stg_opendental__receivable_snapshots') }}

),

summed as (

    select
        aging_dates.as_of_date,
        coalesce(sum(balances.ar_total), 0) as ar_total,
        coalesce(sum(balances.insurance_estimate), 0) as insurance_estimate
    from aging_dates
    left join balances
        on balances.aging_date_id = aging_dates.aging_date_id
    group by aging_dates.as_of_date

),

compared as (

    select
        checks.check_name,
        snapshots.receivable_snapshot_id,
        snapshots.snapshot_date,
        checks.ours,
        checks.opendentals
    from snapshots
    inner join summed
        on summed.as_of_date = snapshots.snapshot_date
    cross join lateral (
        values
            ('receivables at month end', summed.ar_total, snapshots.receivables),
            ('insurance estimate at month end', summed.insurance_estimate, snapshots.insurance_estimate)
    ) as checks (check_name, ours, opendentals)

),

final as (

    select
        check_name || ' ' || receivable_snapshot_id as reconciliation_id,
        check_name,
        receivable_snapshot_id as record_id,
        snapshot_date as record_date,
        ours,
        opendentals,
        ours - opendentals as difference,
        abs(ours - opendentals) >= 0.005 as is_different
    from compared

)

select * from final
