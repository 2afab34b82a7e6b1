-- Two ways to the first visit lead to the same day.
with

final as (

    select
        dim_patients.patient_id,
        dim_patients.first_visit_date as of_patient,
        new_patients.first_visit_date as of_new_patient
    from {{ ref('dim_patients') }} as dim_patients
    left join {{ ref('new_patients') }} as new_patients
        on new_patients.patient_id = dim_patients.patient_id
    where dim_patients.first_visit_date is distinct from new_patients.first_visit_date

)

select * from final
