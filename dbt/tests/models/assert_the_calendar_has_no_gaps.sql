-- Every day of whole years, once, and the day that everything is reckoned as of among them.
with

calendar as (

    select
        min(date_day) as first_day,
        max(date_day) as last_day,
        count(*) as days
    from {{ ref('dim_dates') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

final as (

    select
        calendar.*,
        as_of.as_of_date
    from calendar
    cross join as_of
    where calendar.days <> calendar.last_day - calendar.first_day + 1
        or extract(doy from calendar.first_day) <> 1
        or extract(doy from calendar.last_day + 1) <> 1
        or as_of.as_of_date not between calendar.first_day and calendar.last_day

)

select * from final
