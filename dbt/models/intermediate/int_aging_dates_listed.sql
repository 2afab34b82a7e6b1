{# A table, so that it is known which days are new in it. #}
{{ config(materialized='table', unique_key='aging_date_id', keeps_changes=true) }}

with

as_of_dates as (

    select * from {{ ref('int_as_of_date') }}

),

settings as (

    select * from {{ ref('int_preferences_pivoted') }}

),

snapshots as (

    select * from {{ ref('stg_opendental__receivable_snapshots') }}

),

month_ends as (

    select cast(date_trunc('month', cast(as_of_dates.as_of_date + 1 as timestamp)) - make_interval(months => months.months_back) as date) - 1 as month_end
    from as_of_dates
    cross join generate_series(0, {{ var('ar_history_months') }} - 1) as months (months_back)

),

listed as (

    select
        as_of_date,
        is_historic,
        true as is_as_of_date,
        false as is_last_aging_date,
        false as is_month_end,
        false as is_snapshot_date
    from as_of_dates

    union all

    -- The balances that OpenDental stored were those of the day itself.
    select last_aging_date, false, false, true, false, false
    from settings
    where last_aging_date is not null

    union all

    select month_end, true, false, false, true, false
    from month_ends

    union all

    select snapshots.snapshot_date, true, false, false, false, true
    from snapshots
    cross join as_of_dates
    where snapshots.snapshot_date <= as_of_dates.as_of_date

),

final as (

    select
        cast(as_of_date as text) || case when is_historic then ' historic' else '' end as aging_date_id,
        as_of_date,
        is_historic,
        bool_or(is_as_of_date) as is_as_of_date,
        bool_or(is_last_aging_date) as is_last_aging_date,
        bool_or(is_month_end) as is_month_end,
        bool_or(is_snapshot_date) as is_snapshot_date
    from listed
    group by as_of_date, is_historic

)

select * from final
