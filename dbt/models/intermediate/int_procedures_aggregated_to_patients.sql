with

procedures as (

    select * from {{ ref('int_procedures_priced') }}
    where is_completed

),

procedure_codes as (

    select * from {{ ref('stg_opendental__procedure_codes') }}

),

visits as (

    select
        procedures.*,
        -- charted for a missed or cancelled appointment: no visit
        coalesce(procedure_codes.procedure_code, '') not in ('D9986', 'D9987') as is_visit
    from procedures
    left join procedure_codes
        on procedure_codes.procedure_code_id = procedures.procedure_code_id

),

final as (

    select
        patient_id,
        min(procedure_date) filter (where is_visit) as first_visit_date,
        max(procedure_date) filter (where is_visit) as last_visit_date,
        count(distinct procedure_date) filter (where is_visit) as visit_days,
        sum(gross_production) as gross_production
    from visits
    where patient_id is not null
    group by patient_id

)

select * from final
