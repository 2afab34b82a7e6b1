with

claim_procedure_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'claim_procedure_status'

),

final as (

    select
        -- ids
        claim_procedures.claim_proc_num as claim_procedure_id,
        nullif(claim_procedures.proc_num, 0) as procedure_id,
        nullif(claim_procedures.claim_num, 0) as claim_id,
        nullif(claim_procedures.pat_num, 0) as patient_id,
        nullif(claim_procedures.prov_num, 0) as provider_id,
        nullif(claim_procedures.clinic_num, 0) as clinic_id,
        nullif(claim_procedures.plan_num, 0) as insurance_plan_id,
        nullif(claim_procedures.ins_sub_num, 0) as insurance_subscriber_id,
        nullif(claim_procedures.claim_payment_num, 0) as claim_payment_id,
        nullif(claim_procedures.pay_plan_num, 0) as payment_plan_id,
        nullif(claim_procedures.claim_payment_tracking, 0) as payment_tracking_id,

        -- names, codes and flags
        claim_procedures.status as claim_procedure_status_code,
        claim_procedure_status_labels.label as claim_procedure_status,
        (claim_procedures.is_transfer <> 0) as is_transfer,
        (claim_procedures.is_overpay <> 0) as is_overpayment,

        -- amounts
        {{ money('claim_procedures.fee_billed') }} as fee_billed,
        {{ money('claim_procedures.ins_pay_est') }} as estimated_payment,
        nullif({{ money('claim_procedures.ins_est_total_override') }}, -1) as estimated_payment_override,
        {{ money('claim_procedures.ins_pay_amt') }} as insurance_payment,
        {{ money('claim_procedures.ded_applied') }} as deductible_applied,
        {{ money('claim_procedures.write_off') }} as write_off,
        nullif({{ money('claim_procedures.write_off_est') }}, -1) as estimated_write_off,
        nullif({{ money('claim_procedures.write_off_est_override') }}, -1) as estimated_write_off_override,

        -- dates and times, the practice's local time
        claim_procedures.proc_date as procedure_date,
        claim_procedures.date_cp as payment_date,
        claim_procedures.date_entry as received_date,

        -- stamps, UTC
        claim_procedures.sec_date_t_edit as updated_at
    from {{ source('opendental', 'claimproc') }} as claim_procedures
    left join claim_procedure_status_labels
        on claim_procedure_status_labels.code = cast(claim_procedures.status as text)

)

select * from final
