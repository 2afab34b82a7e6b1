-- Every completed procedure with a patient and a date, but those for broken appointments, is in one visit; each patient with visits has one first visit, and a row of new_patients.
with

visits as (

    select
        sum(procedures_completed) as procedures_completed,
        sum(gross_production) as gross_production,
        count(*) filter (where previous_visit_date is null) as first_visits
    from {{ ref('fct_visits') }}

),

procedures as (

    select
        count(*) as procedures_completed,
        sum(gross_production) as gross_production,
        count(distinct patient_id) as patients
    from {{ ref('fct_procedures') }}
    where procedure_status = 'Complete'
        and patient_id is not null
        and procedure_date is not null
        and procedure_code is distinct from 'D9986'
        and procedure_code is distinct from 'D9987'

),

new_patients as (

    select count(*) as patients
    from {{ ref('new_patients') }}

),

final as (

    select
        visits.*,
        procedures.procedures_completed as of_procedures,
        procedures.gross_production as gross_production_of_procedures,
        procedures.patients,
        new_patients.patients as new_patients
    from visits
    cross join procedures
    cross join new_patients
    where coalesce(visits.procedures_completed, 0) <> procedures.procedures_completed
        or visits.gross_production <> procedures.gross_production
        or visits.first_visits <> procedures.patients
        or new_patients.patients <> procedures.patients

)

select * from final
