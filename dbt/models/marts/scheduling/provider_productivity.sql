with

daily_production as (

    select * from {{ ref('daily_production') }}

),

provider_hours as (

    select * from {{ ref('int_provider_hours_unioned') }}

),

-- broken appointments have given their time back
appointments as (

    select * from {{ ref('fct_appointments') }}
    where appointment_outcome in ('Kept', 'Scheduled', 'Unresolved')

),

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

-- in whatever clinic: who is with a patient is not free elsewhere
booked_ranges as (

    select
        performing_provider_id as provider_id,
        appointment_date,
        range_agg(tsrange(appointment_at, appointment_at + make_interval(mins => length_minutes))) as booked_ranges
    from appointments
    where appointment_at is not null
        and length_minutes > 0
    group by performing_provider_id, appointment_date

),

hours_left as (

    select
        provider_hours.provider_id,
        provider_hours.schedule_date,
        provider_hours.clinic_id,
        provider_hours.scheduled_minutes,
        coalesce(totals.open_minutes, 0) as open_minutes
    from provider_hours
    left join booked_ranges
        on booked_ranges.provider_id = provider_hours.provider_id
        and booked_ranges.appointment_date = provider_hours.schedule_date
    cross join lateral (
        select cast(round(sum(extract(epoch from upper(open_range) - lower(open_range))) / 60) as bigint) as open_minutes
        from unnest(provider_hours.working_ranges - coalesce(booked_ranges.booked_ranges, cast('{}' as tsmultirange))) as open_range
    ) as totals

),

amounts as (

    select
        production_date as productivity_date,
        provider_id,
        clinic_id,
        procedures_completed,
        gross_production,
        net_production,
        scheduled_production,
        0 as scheduled_minutes,
        0 as open_minutes,
        0 as appointments_kept,
        0 as kept_minutes,
        0 as booked_minutes
    from daily_production

    union all

    select
        schedule_date,
        provider_id,
        clinic_id,
        0,
        0,
        0,
        0,
        scheduled_minutes,
        open_minutes,
        0,
        0,
        0
    from hours_left

    union all

    select
        appointment_date,
        performing_provider_id,
        clinic_id,
        0,
        0,
        0,
        0,
        0,
        0,
        case when appointment_outcome = 'Kept' then 1 else 0 end,
        case when appointment_outcome = 'Kept' then coalesce(length_minutes, 0) else 0 end,
        coalesce(length_minutes, 0)
    from appointments

),

summed as (

    select
        productivity_date,
        provider_id,
        clinic_id,
        cast(sum(procedures_completed) as bigint) as procedures_completed,
        sum(gross_production) as gross_production,
        sum(net_production) as net_production,
        sum(scheduled_production) as scheduled_production,
        cast(sum(scheduled_minutes) as bigint) as scheduled_minutes,
        cast(sum(open_minutes) as bigint) as open_minutes,
        cast(sum(appointments_kept) as bigint) as appointments_kept,
        cast(sum(kept_minutes) as bigint) as kept_minutes,
        cast(sum(booked_minutes) as bigint) as booked_minutes
    from amounts
    group by productivity_date, provider_id, clinic_id

),

keyed as (

    select
        {{ day_key('productivity_date') }} as provider_productivity_id,
        summed.*,
        provider_id is not null
        and sum(scheduled_minutes) over (partition by provider_id, productivity_date) > 0 as has_scheduled_hours
    from summed

),

final as (

    select
        keyed.provider_productivity_id,
        keyed.productivity_date,
        keyed.provider_id,
        providers.abbreviation as provider_abbreviation,
        coalesce(providers.is_hygienist, false) as is_hygienist,
        coalesce(providers.is_hidden_on_reports, false) as is_hidden_on_reports,
        keyed.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        coalesce(keyed.productivity_date > as_of.as_of_date, false) as is_future,
        keyed.has_scheduled_hours,
        keyed.procedures_completed,
        keyed.gross_production,
        keyed.net_production,
        keyed.scheduled_production,
        keyed.scheduled_minutes,
        trim_scale(keyed.scheduled_minutes / 60.0) as scheduled_hours,
        coalesce(providers.hourly_production_goal, 0) as hourly_production_goal,
        trim_scale(keyed.scheduled_minutes * coalesce(providers.hourly_production_goal, 0) / 60) as production_goal,
        keyed.appointments_kept,
        keyed.kept_minutes,
        keyed.booked_minutes,
        keyed.open_minutes
    from keyed
    cross join as_of
    left join providers
        on providers.provider_id = keyed.provider_id
    left join clinics
        on clinics.clinic_id = keyed.clinic_id

)

select * from final
