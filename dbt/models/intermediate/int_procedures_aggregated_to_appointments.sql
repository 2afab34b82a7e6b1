with

procedures as (

    select * from {{ ref('int_procedures_priced') }}
    where appointment_id is not null

),

final as (

    select
        appointment_id,
        count(*) filter (where is_completed) as procedures_completed,
        sum(gross_production) as gross_production,
        count(*) filter (where procedure_status = 'Treatment planned') as procedures_planned,
        coalesce(sum(fee_total) filter (where procedure_status = 'Treatment planned'), 0) as planned_production
    from procedures
    group by appointment_id

)

select * from final
