with

procedures as (

    select * from {{ ref('fct_procedures') }}
    where procedure_status = 'Treatment planned'
        and appointment_id is null

),

treatment_plan_attachments as (

    select * from {{ ref('stg_opendental__treatment_plan_attachments') }}

),

treatment_plans as (

    select * from {{ ref('stg_opendental__treatment_plans') }}
    where treatment_plan_status = 'Active'

),

patients as (

    select * from {{ ref('dim_patients') }}

),

appointments as (

    select * from {{ ref('fct_appointments') }}
    where appointment_outcome = 'Scheduled'

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

-- a patient has one active plan; should there be more, the procedure still is one
active_plans as (

    select
        treatment_plan_attachments.procedure_id,
        min(treatment_plans.treatment_plan_id) as treatment_plan_id
    from treatment_plan_attachments
    inner join treatment_plans
        on treatment_plans.treatment_plan_id = treatment_plan_attachments.treatment_plan_id
    group by treatment_plan_attachments.procedure_id

),

next_appointments as (

    select
        patient_id,
        min(appointment_date) as next_appointment_date
    from appointments
    group by patient_id

),

final as (

    select
        procedures.procedure_id,
        active_plans.treatment_plan_id,
        procedures.patient_id,
        patients.patient_status,
        procedures.provider_id,
        procedures.clinic_id,
        procedures.procedure_code,
        procedures.procedure_description,
        procedures.procedure_category,
        procedures.is_hygiene,
        procedures.tooth_number,
        procedures.surface,
        procedures.treatment_planned_date,
        as_of.as_of_date - procedures.treatment_planned_date as days_since_planned,
        procedures.fee_total,
        procedures.planned_appointment_id,
        procedures.planned_appointment_id is not null as has_planned_appointment,
        patients.last_visit_date,
        next_appointments.next_appointment_date,
        next_appointments.patient_id is not null as has_future_appointment
    from procedures
    inner join active_plans
        on active_plans.procedure_id = procedures.procedure_id
    cross join as_of
    left join patients
        on patients.patient_id = procedures.patient_id
    left join next_appointments
        on next_appointments.patient_id = procedures.patient_id

)

select * from final
