-- Nothing is lost or doubled where production, hours and appointments meet; the hours are counted again, minute by minute of the day's borders.
with

productivity as (

    select
        coalesce(sum(gross_production), 0) as gross_production,
        coalesce(sum(net_production), 0) as net_production,
        coalesce(sum(scheduled_production), 0) as scheduled_production,
        coalesce(sum(scheduled_minutes), 0) as scheduled_minutes,
        coalesce(sum(kept_minutes), 0) as kept_minutes
    from {{ ref('provider_productivity') }}

),

production as (

    select
        coalesce(sum(gross_production), 0) as gross_production,
        coalesce(sum(net_production), 0) as net_production,
        coalesce(sum(scheduled_production), 0) as scheduled_production
    from {{ ref('daily_production') }}

),

schedules as (

    select
        provider_id,
        schedule_date,
        starts_at,
        stops_at,
        max(stops_at) over (
            partition by provider_id, schedule_date
            order by starts_at, schedule_id
            rows between unbounded preceding and 1 preceding
        ) as stopped_before
    from {{ ref('stg_opendental__schedules') }}
    where schedule_type = 'Provider'
        and schedule_status = 'Open'
        and provider_id is not null
        and stops_at > starts_at

),

hours as (

    select
        coalesce(sum(
            extract(epoch from greatest(stops_at, stopped_before) - greatest(starts_at, stopped_before))
        ), 0) / 60 as scheduled_minutes
    from schedules

),

appointments as (

    select coalesce(sum(length_minutes), 0) as kept_minutes
    from {{ ref('fct_appointments') }}
    where appointment_outcome = 'Kept'

),

final as (

    select
        productivity.*,
        production.gross_production as produced_gross,
        production.net_production as produced_net,
        hours.scheduled_minutes as minutes_of_schedules,
        appointments.kept_minutes as minutes_of_appointments
    from productivity
    cross join production
    cross join hours
    cross join appointments
    where productivity.gross_production <> production.gross_production
        or productivity.net_production <> production.net_production
        or productivity.scheduled_production <> production.scheduled_production
        or abs(productivity.scheduled_minutes - hours.scheduled_minutes) > 1
        or productivity.kept_minutes <> appointments.kept_minutes

)

select * from final
