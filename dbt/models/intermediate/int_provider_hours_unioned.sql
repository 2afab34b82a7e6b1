with

schedules as (

    select * from {{ ref('stg_opendental__schedules') }}
    where schedule_type = 'Provider'
        and schedule_status = 'Open'
        and provider_id is not null
        and stops_at > starts_at

),

schedule_operatories as (

    select * from {{ ref('stg_opendental__schedule_operatories') }}
    where operatory_id is not null

),

operatories as (

    select * from {{ ref('stg_opendental__operatories') }}

),

in_clinics as (

    select
        schedules.provider_id,
        schedules.schedule_date,
        case when operatories.operatory_id is null then schedules.clinic_id else operatories.clinic_id end as clinic_id,
        tsrange(schedules.starts_at, schedules.stops_at) as working_range
    from schedules
    left join schedule_operatories
        on schedule_operatories.schedule_id = schedules.schedule_id
    left join operatories
        on operatories.operatory_id = schedule_operatories.operatory_id

),

-- overlapping, touching and contained ranges become one
by_clinic as (

    select
        provider_id,
        schedule_date,
        clinic_id,
        range_agg(working_range) as working_ranges
    from in_clinics
    group by provider_id, schedule_date, clinic_id

),

-- nobody works in two clinics at a time: OpenDental's report refuses such days
counted_once as (

    select
        provider_id,
        schedule_date,
        clinic_id,
        working_ranges - coalesce(
            range_agg(working_ranges) over (
                partition by provider_id, schedule_date
                order by clinic_id nulls last
                rows between unbounded preceding and 1 preceding
            ), cast('{}' as tsmultirange)
        ) as working_ranges
    from by_clinic

),

final as (

    select
        {{ day_key('counted_once.schedule_date') }} as provider_hours_id,
        counted_once.provider_id,
        counted_once.schedule_date,
        counted_once.clinic_id,
        counted_once.working_ranges,
        totals.scheduled_minutes
    from counted_once
    cross join lateral (
        select cast(round(sum(extract(epoch from upper(working_range) - lower(working_range))) / 60) as bigint) as scheduled_minutes
        from unnest(counted_once.working_ranges) as working_range
    ) as totals
    where not isempty(counted_once.working_ranges)

)

select * from final
