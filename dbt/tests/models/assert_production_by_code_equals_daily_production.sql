-- Month by month, provider by provider: the same procedures, once by their codes and once by their days.
with

by_code as (

    select
        production_month,
        provider_id,
        clinic_id,
        sum(procedures_completed) as procedures_completed,
        sum(gross_production) as gross_production
    from {{ ref('production_by_procedure_code') }}
    group by production_month, provider_id, clinic_id

),

by_day as (

    select
        cast(date_trunc('month', production_date) as date) as production_month,
        provider_id,
        clinic_id,
        sum(procedures_completed) as procedures_completed,
        sum(gross_production) as gross_production
    from {{ ref('daily_production') }}
    group by 1, 2, 3
    having sum(procedures_completed) <> 0

),

final as (

    (select * from by_code except all select * from by_day)
    union all
    (select * from by_day except all select * from by_code)

)

select * from final
