{{ config(touched_column='patient_id') }}

with

procedures as (

    select * from {{ ref('fct_procedures') }}
    where is_completed
        and patient_id is not null
        and procedure_date is not null
        -- charted for a missed or cancelled appointment: no visit
        and coalesce(procedure_code, '') not in ('D9986', 'D9987')
        {{ only_touched('patient_id', 'and') }}

),

summed as (

    select
        patient_id,
        procedure_date as visit_date,
        -- of the procedure with the greatest production
        (array_agg(provider_id order by gross_production desc, procedure_id))[1] as provider_id,
        (array_agg(clinic_id order by gross_production desc, procedure_id))[1] as clinic_id,
        (array_agg(provider_id order by gross_production desc, procedure_id) filter (where is_hygiene))[1] as hygiene_provider_id,
        count(*) as procedures_completed,
        count(*) filter (where is_hygiene) as hygiene_procedures_completed,
        sum(gross_production) as gross_production,
        coalesce(sum(gross_production) filter (where is_hygiene), 0) as hygiene_production
    from procedures
    group by patient_id, procedure_date

),

final as (

    select
        summed.patient_id || '|' || summed.visit_date as visit_id,
        summed.patient_id,
        summed.visit_date,
        summed.provider_id,
        summed.clinic_id,
        summed.hygiene_provider_id,
        summed.procedures_completed,
        summed.hygiene_procedures_completed,
        summed.gross_production,
        summed.hygiene_production,
        lag(summed.visit_date) over (partition by summed.patient_id order by summed.visit_date) as previous_visit_date
    from summed

)

select * from final
