with

recalls as (

    select * from {{ ref('stg_opendental__recalls') }}

),

-- a byte each
unpacked as (

    select
        recalls.*,
        (packed_interval >> 24) & 255 as interval_years,
        (packed_interval >> 16) & 255 as interval_months,
        (packed_interval >> 8) & 255 as interval_weeks,
        packed_interval & 255 as interval_days
    from recalls

),

final as (

    select
        unpacked.*,
        make_interval(interval_years, interval_months, interval_weeks, interval_days) as recall_interval
    from unpacked

)

select * from final
