with

procedure_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'procedure_status'

),

final as (

    select
        -- ids
        procedures.proc_num as procedure_id,
        nullif(procedures.pat_num, 0) as patient_id,
        nullif(procedures.apt_num, 0) as appointment_id,
        nullif(procedures.planned_apt_num, 0) as planned_appointment_id,
        nullif(procedures.prov_num, 0) as provider_id,
        nullif(procedures.clinic_num, 0) as clinic_id,
        nullif(procedures.code_num, 0) as procedure_code_id,

        -- names, codes and flags
        procedures.proc_status as procedure_status_code,
        procedure_status_labels.label as procedure_status,
        nullif(procedures.tooth_num, '') as tooth_number,
        nullif(procedures.surf, '') as surface,
        nullif(procedures.tooth_range, '') as tooth_range,
        procedures.unit_qty as unit_quantity,
        procedures.base_units,

        -- amounts
        {{ money('procedures.proc_fee') }} as procedure_fee,
        {{ money('procedures.discount') }} as discount,
        {{ money('procedures.discount_plan_amt') }} as discount_plan_amount,
        {{ money('procedures.tax_amt') }} as tax_amount,

        -- dates and times, the practice's local time
        procedures.proc_date as procedure_date,
        procedures.date_tp as treatment_planned_date,
        procedures.sec_date_entry as entered_at,

        -- stamps, UTC
        procedures.date_t_stamp as updated_at
    from {{ source('opendental', 'procedurelog') }} as procedures
    left join procedure_status_labels
        on procedure_status_labels.code = cast(procedures.proc_status as text)

)

select * from final
