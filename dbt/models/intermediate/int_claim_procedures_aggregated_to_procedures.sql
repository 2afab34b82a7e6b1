with

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}

),

final as (

    select
        procedure_id,
        coalesce(sum(write_off) filter (
            where claim_procedure_status = 'Capitation complete'
        ), 0) as capitation_write_off,
        coalesce(sum(write_off) filter (
            where claim_procedure_status in ('Received', 'Supplemental')
        ), 0) as insurance_write_off,
        coalesce(sum(insurance_payment) filter (
            where claim_procedure_status in ('Received', 'Supplemental', 'Capitation claim', 'Capitation complete')
        ), 0) as insurance_paid,
        coalesce(sum(estimated_payment) filter (
            where claim_procedure_status = 'Not received'
        ), 0) as insurance_pending,
        coalesce(sum(coalesce(estimated_write_off_override, estimated_write_off)) filter (
            where claim_procedure_status = 'Estimate'
        ), 0) as estimated_write_off,
        coalesce(sum(coalesce(estimated_write_off_override, estimated_write_off)) filter (
            where claim_procedure_status = 'Capitation estimate'
        ), 0) as estimated_capitation_write_off
    from claim_procedures
    where procedure_id is not null
    group by procedure_id

)

select * from final
