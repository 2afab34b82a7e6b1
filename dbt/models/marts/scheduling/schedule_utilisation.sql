with

schedules as (

    select * from {{ ref('stg_opendental__schedules') }}
    where schedule_type = 'Provider'
        and schedule_status = 'Open'
        and stops_at > starts_at

),

schedule_operatories as (

    select * from {{ ref('stg_opendental__schedule_operatories') }}
    where operatory_id is not null

),

operatories as (

    select * from {{ ref('stg_opendental__operatories') }}

),

appointments as (

    select * from {{ ref('fct_appointments') }}
    where appointment_outcome in ('Kept', 'Scheduled', 'Unresolved')
        and operatory_id is not null
        and appointment_at is not null

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

-- hours that name no operatory are in the operatories where the provider works by default
in_operatories as (

    select
        schedule_operatories.operatory_id,
        schedules.schedule_date,
        tsrange(schedules.starts_at, schedules.stops_at) as working_range
    from schedules
    inner join schedule_operatories
        on schedule_operatories.schedule_id = schedules.schedule_id

    union all

    select
        operatories.operatory_id,
        schedules.schedule_date,
        tsrange(schedules.starts_at, schedules.stops_at)
    from schedules
    left join schedule_operatories
        on schedule_operatories.schedule_id = schedules.schedule_id
    inner join operatories
        on schedules.provider_id = case when operatories.is_hygiene then operatories.hygienist_id else operatories.provider_id end
    where schedule_operatories.schedule_id is null

),

working_ranges as (

    select
        operatory_id,
        schedule_date,
        range_agg(working_range) as working_ranges
    from in_operatories
    group by operatory_id, schedule_date

),

booked as (

    select
        operatory_id,
        appointment_date,
        range_agg(
            tsrange(appointment_at, appointment_at + make_interval(mins => length_minutes))
        ) filter (where length_minutes > 0) as booked_ranges,
        count(*) as appointments_booked,
        coalesce(sum(length_minutes), 0) as booked_minutes,
        coalesce(sum(length_minutes) filter (where appointment_outcome = 'Kept'), 0) as kept_minutes
    from appointments
    group by operatory_id, appointment_date

),

joined as (

    select
        coalesce(working_ranges.operatory_id, booked.operatory_id) as operatory_id,
        coalesce(working_ranges.schedule_date, booked.appointment_date) as utilisation_date,
        coalesce(working_ranges.working_ranges, cast('{}' as tsmultirange)) as working_ranges,
        coalesce(booked.booked_ranges, cast('{}' as tsmultirange)) as booked_ranges,
        coalesce(booked.appointments_booked, 0) as appointments_booked,
        coalesce(booked.booked_minutes, 0) as booked_minutes,
        coalesce(booked.kept_minutes, 0) as kept_minutes
    from working_ranges
    full join booked
        on booked.operatory_id = working_ranges.operatory_id
        and booked.appointment_date = working_ranges.schedule_date

),

measured as (

    select
        joined.*,
        coalesce(working.minutes, 0) as scheduled_minutes,
        coalesce(unbooked.minutes, 0) as open_minutes
    from joined
    cross join lateral (
        select cast(round(sum(extract(epoch from upper(part) - lower(part))) / 60) as bigint) as minutes
        from unnest(joined.working_ranges) as part
    ) as working
    cross join lateral (
        select cast(round(sum(extract(epoch from upper(part) - lower(part))) / 60) as bigint) as minutes
        from unnest(joined.working_ranges - joined.booked_ranges) as part
    ) as unbooked

),

final as (

    select
        measured.utilisation_date || '|' || measured.operatory_id as schedule_utilisation_id,
        measured.utilisation_date,
        measured.operatory_id,
        operatories.operatory_name,
        coalesce(operatories.is_hygiene, false) as is_hygiene,
        operatories.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        measured.utilisation_date > as_of.as_of_date as is_future,
        measured.scheduled_minutes,
        measured.appointments_booked,
        measured.booked_minutes,
        measured.kept_minutes,
        measured.scheduled_minutes - measured.open_minutes as occupied_minutes,
        measured.open_minutes
    from measured
    cross join as_of
    left join operatories
        on operatories.operatory_id = measured.operatory_id
    left join clinics
        on clinics.clinic_id = operatories.clinic_id

)

select * from final
