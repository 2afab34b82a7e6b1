with

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

procedures as (

    select * from {{ ref('stg_opendental__procedures') }}

),

adjustments as (

    select * from {{ ref('stg_opendental__adjustments') }}

),

pay_splits as (

    select * from {{ ref('stg_opendental__pay_splits') }}

),

claim_payments as (

    select * from {{ ref('stg_opendental__claim_payments') }}

),

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}

),

ranges as (

    select min(procedure_date) as first_date, max(procedure_date) as last_date from procedures
    union all
    select min(adjustment_date), max(adjustment_date) from adjustments
    union all
    select min(payment_date), max(payment_date) from pay_splits
    union all
    select min(check_date), max(check_date) from claim_payments
    union all
    select cast(min(appointment_at) as date), cast(max(appointment_at) as date) from appointments
    union all
    select as_of_date, as_of_date from as_of

),

-- whole years; a slip of the pen, such as the year 209, does not make a calendar of centuries
bounds as (

    select
        date_trunc('year', greatest(min(ranges.first_date), max(as_of.as_of_date) - interval '60 years')) as first_day,
        date_trunc('year', least(max(ranges.last_date), max(as_of.as_of_date) + interval '10 years')) + interval '1 year' - interval '1 day' as last_day
    from ranges
    cross join as_of

),

days as (

    select cast(series.day_at as date) as date_day
    from bounds
    cross join lateral generate_series(bounds.first_day, bounds.last_day, interval '1 day') as series (day_at)

),

final as (

    select
        date_day,
        cast(extract(year from date_day) as integer) as year_number,
        cast(extract(quarter from date_day) as integer) as quarter_number,
        cast(extract(month from date_day) as integer) as month_number,
        cast(extract(day from date_day) as integer) as day_of_month,
        cast(extract(isodow from date_day) as integer) as day_of_week,
        to_char(date_day, 'FMDay') as weekday_name,
        to_char(date_day, 'FMMonth') as month_name,
        extract(isodow from date_day) > 5 as is_weekend,
        cast(date_trunc('week', date_day) as date) as week_start_date,
        cast(date_trunc('month', date_day) as date) as month_start_date,
        cast(date_trunc('quarter', date_day) as date) as quarter_start_date,
        cast(date_trunc('year', date_day) as date) as year_start_date
    from days

)

select * from final
