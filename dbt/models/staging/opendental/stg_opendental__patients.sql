with

patient_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'patient_status'

),

gender_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'patient_gender'

),

marital_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'patient_position'

),

final as (

    select
        -- ids
        patients.pat_num as patient_id,
        nullif(patients.guarantor, 0) as guarantor_id,
        nullif(patients.pri_prov, 0) as primary_provider_id,
        nullif(patients.sec_prov, 0) as secondary_provider_id,
        nullif(patients.clinic_num, 0) as clinic_id,
        nullif(patients.billing_type, 0) as billing_type_id,
        nullif(patients.fee_sched, 0) as fee_schedule_id,
        nullif(patients.super_family, 0) as super_family_head_id,

        -- names, codes and flags
        nullif(patients.l_name, '') as last_name,
        nullif(patients.f_name, '') as first_name,
        nullif(patients.middle_i, '') as middle_name,
        nullif(patients.preferred, '') as preferred_name,
        nullif(patients.chart_number, '') as chart_number,
        nullif(patients.city, '') as city,
        nullif(patients.state, '') as state,
        nullif(patients.zip, '') as postal_code,
        patients.pat_status as patient_status_code,
        patient_status_labels.label as patient_status,
        patients.gender as gender_code,
        gender_labels.label as gender,
        patients.position as marital_status_code,
        marital_status_labels.label as marital_status,

        -- amounts
        {{ money('patients.est_balance') }} as estimated_balance,
        {{ money('patients.bal_0_30') }} as balance_0_to_30,
        {{ money('patients.bal_31_60') }} as balance_31_to_60,
        {{ money('patients.bal_61_90') }} as balance_61_to_90,
        {{ money('patients.bal_over90') }} as balance_over_90,
        {{ money('patients.bal_total') }} as balance_total,
        {{ money('patients.ins_est') }} as insurance_estimate,
        {{ money('patients.pay_plan_due') }} as payment_plan_due,

        -- dates and times, the practice's local time
        patients.birthdate as birth_date,
        patients.date_first_visit as recorded_first_visit_date,
        patients.sec_date_entry as entered_date,

        -- stamps, UTC
        patients.date_t_stamp as updated_at
    from {{ source('opendental', 'patient') }} as patients
    left join patient_status_labels
        on patient_status_labels.code = cast(patients.pat_status as text)
    left join gender_labels
        on gender_labels.code = cast(patients.gender as text)
    left join marital_status_labels
        on marital_status_labels.code = cast(patients.position as text)

)

select * from final
