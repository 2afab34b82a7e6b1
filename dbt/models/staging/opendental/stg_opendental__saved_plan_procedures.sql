with

final as (

    select
        -- ids
        saved_plan_procedures.proc_tp_num as saved_plan_procedure_id,
        nullif(saved_plan_procedures.treat_plan_num, 0) as treatment_plan_id,
        nullif(saved_plan_procedures.proc_num_orig, 0) as procedure_id,
        nullif(saved_plan_procedures.pat_num, 0) as patient_id,
        nullif(saved_plan_procedures.prov_num, 0) as provider_id,
        nullif(saved_plan_procedures.clinic_num, 0) as clinic_id,
        nullif(saved_plan_procedures.sec_user_num_entry, 0) as entry_user_id,

        -- names, codes and flags
        nullif(saved_plan_procedures.proc_code, '') as procedure_code,

        -- amounts
        {{ money('saved_plan_procedures.fee_amt') }} as fee_total,
        {{ money('saved_plan_procedures.pri_ins_amt') }} as primary_insurance_estimate,
        {{ money('saved_plan_procedures.sec_ins_amt') }} as secondary_insurance_estimate,
        {{ money('saved_plan_procedures.pat_amt') }} as patient_portion,
        {{ money('saved_plan_procedures.discount') }} as discount,

        -- dates and times, the practice's local time
        saved_plan_procedures.date_tp as treatment_planned_date,

        -- stamps, UTC
        saved_plan_procedures.sec_date_t_edit as updated_at
    from {{ source('opendental', 'proctp') }} as saved_plan_procedures

)

select * from final
