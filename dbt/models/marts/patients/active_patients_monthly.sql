{% set months = var('active_history_months') %}
with

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

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

-- 18 months more than are shown, for who was active then; the current month is reckoned as of the day
months as (

    select
        months.month_number,
        cast(date_trunc('month', as_of_date.as_of_date) + (months.month_number + 1) * interval '1 month' - interval '1 day' as date) as month_end_date,
        least(
            as_of_date.as_of_date,
            cast(date_trunc('month', as_of_date.as_of_date) + (months.month_number + 1) * interval '1 month' - interval '1 day' as date)
        ) as reckoned_date
    from as_of_date
    cross join generate_series(-({{ months }} + 18), 0) as months (month_number)

),

-- a visit makes active until a day before 18 (or 24) months later; visits that follow within that time make one period of it
windows as (

    select
        window_months,
        window_months * interval '1 month' as window_length
    from (values (18), (24)) as lengths (window_months)

),

dated_visits as (

    select
        windows.window_months,
        visits.patient_id,
        patients.clinic_id,
        visits.visit_date,
        cast(visits.visit_date + windows.window_length as date) as inactive_date,
        coalesce(visits.visit_date > visits.previous_visit_date + windows.window_length, true) as is_period_start,
        min(visits.visit_date) over (partition by visits.patient_id, windows.window_months) as first_visit_date
    from visits
    inner join patients
        on patients.patient_id = visits.patient_id
    cross join windows

),

numbered_visits as (

    select
        dated_visits.*,
        count(*) filter (where is_period_start) over (partition by window_months, patient_id order by visit_date) as period_number
    from dated_visits

),

periods as (

    select
        window_months,
        patient_id,
        clinic_id,
        first_visit_date,
        min(visit_date) as active_date,
        max(inactive_date) as inactive_date
    from numbered_visits
    group by window_months, patient_id, clinic_id, first_visit_date, period_number

),

-- one row per patient and month in which the patient is active
active_months as (

    select
        periods.window_months,
        periods.patient_id,
        periods.clinic_id,
        periods.first_visit_date,
        months.month_number,
        months.reckoned_date
    from periods
    inner join months
        on months.reckoned_date >= periods.active_date
        and months.reckoned_date < periods.inactive_date

),

compared_months as (

    select
        active_months.*,
        previous_months.reckoned_date as previous_date,
        lag(active_months.month_number) over patient_months as previous_active_month,
        lead(active_months.month_number) over patient_months as next_active_month,
        count(*) over (
            partition by active_months.patient_id order by active_months.month_number range between 18 preceding and 18 preceding
        ) as months_active_before_window
    from active_months
    left join months as previous_months
        on previous_months.month_number = active_months.month_number - 1
    where active_months.window_months = 18
    window patient_months as (partition by active_months.patient_id order by active_months.month_number)

),

pre_appointed as (

    select distinct appointments.patient_id
    from appointments
    inner join as_of_date
        on appointments.appointment_at > as_of_date.as_of_date

),

counts as (

    select
        compared_months.month_number,
        compared_months.clinic_id,
        1 as active_patients,
        0 as active_patients_24_months,
        case when previous_active_month = month_number - 1 then 1 else 0 end as active_at_start,
        case when first_visit_date > previous_date then 1 else 0 end as new_patients,
        case when first_visit_date <= previous_date and coalesce(previous_active_month < month_number - 1, true) then 1 else 0 end as recaptured_patients,
        0 as lost_patients,
        0 as active_at_window_start,
        cast(months_active_before_window as integer) as retained_patients,
        case when month_number = 0 and pre_appointed.patient_id is not null then 1 else 0 end as pre_appointed_patients
    from compared_months
    left join pre_appointed
        on pre_appointed.patient_id = compared_months.patient_id

    union all

    -- active in one month and not in the next
    select
        month_number + 1,
        clinic_id,
        0,
        0,
        1,
        0,
        0,
        1,
        0,
        0,
        0
    from compared_months
    where coalesce(next_active_month > month_number + 1, true)

    union all

    select
        month_number + 18,
        clinic_id,
        0,
        0,
        0,
        0,
        0,
        0,
        1,
        0,
        0
    from compared_months

    union all

    select
        month_number,
        clinic_id,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
        0
    from active_months
    where window_months = 24

),

summed as (

    select
        month_number,
        clinic_id,
        sum(active_patients) as active_patients,
        sum(active_patients_24_months) as active_patients_24_months,
        sum(active_at_start) as active_at_start,
        sum(new_patients) as new_patients,
        sum(recaptured_patients) as recaptured_patients,
        sum(lost_patients) as lost_patients,
        sum(active_at_window_start) as active_at_window_start,
        sum(retained_patients) as retained_patients,
        sum(pre_appointed_patients) as pre_appointed_patients
    from counts
    group by month_number, clinic_id

),

final as (

    select
        months.month_end_date || '|' || coalesce(cast(summed.clinic_id as text), 'no clinic') as active_patients_monthly_id,
        months.month_end_date,
        months.reckoned_date,
        months.month_number = 0 as is_current_month,
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
        case when months.month_number = 0 then summed.pre_appointed_patients end as pre_appointed_patients
    from summed
    inner join months
        on months.month_number = summed.month_number
    left join clinics
        on clinics.clinic_id = summed.clinic_id
    where months.month_number > -{{ months }}

)

select * from final
