with

claim_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'claim_status'

),

claim_type_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'claim_type'

),

final as (

    select
        -- ids
        claims.claim_num as claim_id,
        nullif(claims.pat_num, 0) as patient_id,
        nullif(claims.plan_num, 0) as insurance_plan_id,
        nullif(claims.ins_sub_num, 0) as insurance_subscriber_id,
        nullif(claims.prov_treat, 0) as provider_id,
        nullif(claims.prov_bill, 0) as billing_provider_id,
        nullif(claims.clinic_num, 0) as clinic_id,
        nullif(claims.custom_tracking, 0) as custom_tracking_id,

        -- names, codes and flags
        claims.claim_status as claim_status_code,
        claim_status_labels.label as claim_status,
        claims.claim_type as claim_type_code,
        claim_type_labels.label as claim_type,

        -- amounts
        {{ money('claims.claim_fee') }} as claim_fee,
        {{ money('claims.ins_pay_est') }} as estimated_payment,
        {{ money('claims.ins_pay_amt') }} as insurance_payment,
        {{ money('claims.ded_applied') }} as deductible_applied,
        {{ money('claims.write_off') }} as write_off,

        -- dates and times, the practice's local time
        claims.date_service as service_date,
        claims.date_sent as sent_date,
        claims.date_sent_orig as first_sent_date,
        claims.date_received as received_date,

        -- stamps, UTC
        claims.sec_date_t_edit as updated_at
    from {{ source('opendental', 'claim') }} as claims
    left join claim_status_labels
        on claim_status_labels.code = claims.claim_status
    left join claim_type_labels
        on claim_type_labels.code = claims.claim_type

)

select * from final
