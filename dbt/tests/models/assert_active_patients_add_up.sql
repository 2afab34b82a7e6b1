-- Active = active at the start + new + recaptured - lost; the start is the end of the month before; the end is counted again from the visits.
with

months as (

    select * from {{ ref('active_patients_monthly') }}

),

ends as (

    select distinct
        month_end_date,
        reckoned_date
    from months

),

counted_again as (

    select
        ends.month_end_date,
        dim_patients.clinic_id,
        count(distinct visits.patient_id) as active_patients
    from ends
    inner join {{ ref('fct_visits') }} as visits
        on visits.visit_date <= ends.reckoned_date
        and visits.visit_date > ends.reckoned_date - interval '19 months'
        and visits.visit_date + interval '18 months' > ends.reckoned_date
    inner join {{ ref('dim_patients') }} as dim_patients
        on dim_patients.patient_id = visits.patient_id
    where dim_patients.patient_status = 'Patient'
    group by ends.month_end_date, dim_patients.clinic_id

),

compared as (

    select
        months.*,
        counted_again.active_patients as active_patients_again,
        previous_months.active_patients as active_patients_before,
        months.month_end_date = (select min(month_end_date) from ends) as is_first_month
    from months
    left join counted_again
        on counted_again.month_end_date = months.month_end_date
        and counted_again.clinic_id is not distinct from months.clinic_id
    left join months as previous_months
        on previous_months.month_end_date = cast(date_trunc('month', months.month_end_date) as date) - 1
        and previous_months.clinic_id is not distinct from months.clinic_id

),

final as (

    select * from compared
    where active_patients <> active_at_start + new_patients + recaptured_patients - lost_patients
        or active_patients <> coalesce(active_patients_again, 0)
        or (not is_first_month and active_at_start <> coalesce(active_patients_before, 0))
        or active_patients > active_patients_24_months
        or retained_patients > active_at_window_start
        or pre_appointed_patients > active_patients
        or is_current_month <> (pre_appointed_patients is not null)

)

select * from final
