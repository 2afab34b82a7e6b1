with

charge_type_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'payment_plan_charge_type'

),

final as (

    select
        -- ids
        charges.pay_plan_charge_num as payment_plan_charge_id,
        nullif(charges.pay_plan_num, 0) as payment_plan_id,
        nullif(charges.guarantor, 0) as guarantor_id,
        nullif(charges.pat_num, 0) as patient_id,
        nullif(charges.prov_num, 0) as provider_id,
        nullif(charges.clinic_num, 0) as clinic_id,
        nullif(charges.proc_num, 0) as procedure_id,

        -- names, codes and flags
        charges.charge_type as charge_type_code,
        charge_type_labels.label as charge_type,

        -- amounts
        {{ money('charges.principal') }} as principal,
        {{ money('charges.interest') }} as interest,

        -- dates and times, the practice's local time
        charges.charge_date,

        -- stamps, UTC
        charges.sec_date_t_edit as updated_at
    from {{ source('opendental', 'payplancharge') }} as charges
    left join charge_type_labels
        on charge_type_labels.code = cast(charges.charge_type as text)

)

select * from final
