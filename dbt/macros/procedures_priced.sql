{# Procedures with what they are worth, or some of them: a condition on procedures would not reach the sums of claim procedures by itself. #}
{% macro procedures_priced(of_procedures='') -%}
with

procedures as (

    select * from {{ ref('stg_opendental__procedures') }}
    {{ of_procedures }}

),

claim_procedures as (

    select * from {{ ref('int_claim_procedures_aggregated_to_procedures') }}
    {{ of_procedures }}

),

priced as (

    select
        procedures.*,
        procedures.unit_quantity + procedures.base_units as units,
        procedures.procedure_fee * (procedures.unit_quantity + procedures.base_units) as fee_total,
        coalesce(claim_procedures.capitation_write_off, 0) as capitation_write_off,
        coalesce(claim_procedures.insurance_write_off, 0) as insurance_write_off,
        coalesce(claim_procedures.insurance_paid, 0) as insurance_paid,
        coalesce(claim_procedures.insurance_pending, 0) as insurance_pending,
        coalesce(claim_procedures.estimated_write_off, 0) as estimated_write_off,
        coalesce(claim_procedures.estimated_capitation_write_off, 0) as estimated_capitation_write_off,
        coalesce(procedures.procedure_status = 'Complete', false) as is_completed
    from procedures
    left join claim_procedures
        on claim_procedures.procedure_id = procedures.procedure_id

),

final as (

    select
        priced.*,
        case when is_completed then fee_total - capitation_write_off else 0 end as gross_production
    from priced

)

select * from final
{%- endmacro %}
