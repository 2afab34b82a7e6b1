{%- set months = var('active_history_months') %}
with

as_of_date as (

    select
        as_of_date,
        cast(12 * extract(year from as_of_date) + extract(month from as_of_date) as integer) as current_month
    from {{ ref('int_as_of_date') }}

),

visits as (

    select * from {{ ref('fct_visits') }}

),

patients as (

    select * from {{ ref('dim_patients') }}
    where patient_status = 'Patient'

),

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}
    where appointment_status = 'Scheduled'

),

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

month_ends as (

    select
        months.month_number,
        as_of_date.as_of_date,
        cast(date_trunc('month', as_of_date.as_of_date) + (months.month_number + 1) * interval '1 month' - interval '1 day' as date) as month_end_date
    from as_of_date
    cross join generate_series(1 - {{ months }}, 0) as months (month_number)

),

-- a visit makes active until the day before it is 18 (or 24) months old; visits that follow within that time make one period
period_starts as (

    select
        windows.window_months,
        visits.patient_id,
        patients.clinic_id,
        visits.visit_date as active_date,
        visits.previous_visit_date is null as is_first_period,
        lead(visits.previous_visit_date) over (
            partition by windows.window_months, visits.patient_id order by visits.visit_date
        ) as last_visit_date
    from visits
    inner join patients
        on patients.patient_id = visits.patient_id
    cross join (values (18), (24)) as windows (window_months)
    where visits.previous_visit_date is null
        or visits.visit_date > visits.previous_visit_date + windows.window_months * interval '1 month'

),

last_visits as (

    select
        patient_id,
        max(visit_date) as visit_date
    from visits
    group by patient_id

),

periods as (

    select
        period_starts.*,
        as_of_date.as_of_date,
        as_of_date.current_month,
        cast(
            coalesce(period_starts.last_visit_date, last_visits.visit_date) + period_starts.window_months * interval '1 month' as date
        ) as inactive_date
    from period_starts
    cross join as_of_date
    inner join last_visits
        on last_visits.patient_id = period_starts.patient_id

),

-- the months, counted from the current one, at whose ends the patient is active; the current month is reckoned as of the day
active_months as (

    select
        window_months,
        patient_id,
        clinic_id,
        is_first_period,
        case when active_date > as_of_date then 1 else cast(12 * extract(year from active_date) + extract(month from active_date) as integer) - current_month end as first_month,
        case when inactive_date > as_of_date then 0 else cast(12 * extract(year from inactive_date) + extract(month from inactive_date) as integer) - current_month - 1 end as last_month
    from periods

),

ordered_months as (

    select
        active_months.*,
        lag(last_month) over patient_periods as previous_last_month,
        lead(first_month) over patient_periods as next_first_month
    from active_months
    where window_months = 18
    window patient_periods as (partition by patient_id order by first_month)

),

pre_appointed as (

    select distinct appointments.patient_id
    from appointments
    inner join as_of_date
        on appointments.appointment_at > as_of_date.as_of_date

),

-- what is counted, from month to month
spans as (

    select
        'active' as what,
        clinic_id,
        first_month as from_month,
        last_month as to_month
    from ordered_months

    union all

    select
        'active in 24 months',
        clinic_id,
        first_month,
        last_month
    from active_months
    where window_months = 24

    union all

    select
        'active at start',
        clinic_id,
        first_month + 1,
        last_month + 1
    from ordered_months

    union all

    select
        'new',
        clinic_id,
        first_month,
        first_month
    from ordered_months
    where is_first_period

    union all

    select
        'recaptured',
        clinic_id,
        first_month,
        first_month
    from ordered_months
    where previous_last_month < first_month - 1

    union all

    select
        'lost',
        clinic_id,
        last_month + 1,
        last_month + 1
    from ordered_months
    where coalesce(next_first_month > last_month + 1, true)

    union all

    select
        'active at window start',
        clinic_id,
        first_month + 18,
        last_month + 18
    from ordered_months

    union all

    select
        'retained',
        then_active.clinic_id,
        greatest(then_active.first_month + 18, now_active.first_month),
        least(then_active.last_month + 18, now_active.last_month)
    from ordered_months as then_active
    inner join ordered_months as now_active
        on now_active.patient_id = then_active.patient_id

    union all

    select
        'pre-appointed',
        ordered_months.clinic_id,
        0,
        0
    from ordered_months
    inner join pre_appointed
        on pre_appointed.patient_id = ordered_months.patient_id
    where ordered_months.first_month <= 0
        and ordered_months.last_month = 0

),

-- many spans are alike: counted before they are spread over the months
counted_spans as (

    select
        what,
        clinic_id,
        greatest(from_month, 1 - {{ months }}) as from_month,
        least(to_month, 0) as to_month,
        count(*) as patients
    from spans
    group by 1, 2, 3, 4

),

summed as (

    select
        month_ends.month_number,
        month_ends.month_end_date,
        month_ends.as_of_date,
        counted_spans.clinic_id,
        cast(coalesce(sum(patients) filter (where what = 'active'), 0) as bigint) as active_patients,
        cast(coalesce(sum(patients) filter (where what = 'active in 24 months'), 0) as bigint) as active_patients_24_months,
        cast(coalesce(sum(patients) filter (where what = 'active at start'), 0) as bigint) as active_at_start,
        cast(coalesce(sum(patients) filter (where what = 'new'), 0) as bigint) as new_patients,
        cast(coalesce(sum(patients) filter (where what = 'recaptured'), 0) as bigint) as recaptured_patients,
        cast(coalesce(sum(patients) filter (where what = 'lost'), 0) as bigint) as lost_patients,
        cast(coalesce(sum(patients) filter (where what = 'active at window start'), 0) as bigint) as active_at_window_start,
        cast(coalesce(sum(patients) filter (where what = 'retained'), 0) as bigint) as retained_patients,
        cast(coalesce(sum(patients) filter (where what = 'pre-appointed'), 0) as bigint) as pre_appointed_patients
    from month_ends
    inner join counted_spans
        on month_ends.month_number between counted_spans.from_month and counted_spans.to_month
    group by month_ends.month_number, month_ends.month_end_date, month_ends.as_of_date, counted_spans.clinic_id

),

final as (

    select
        summed.month_end_date || '|' || coalesce(cast(summed.clinic_id as text), 'no clinic') as active_patients_monthly_id,
        summed.month_end_date,
        least(summed.month_end_date, summed.as_of_date) as reckoned_date,
        summed.month_number = 0 as is_current_month,
        summed.clinic_id,
        clinics.abbreviation as clinic_abbreviation,
        summed.active_patients,
        summed.active_patients_24_months,
        summed.active_at_start,
        summed.new_patients,
        summed.recaptured_patients,
        summed.lost_patients,
        summed.active_at_window_start,
        summed.retained_patients,
        case when summed.month_number = 0 then summed.pre_appointed_patients end as pre_appointed_patients
    from summed
    left join clinics
        on clinics.clinic_id = summed.clinic_id

)

select * from final
