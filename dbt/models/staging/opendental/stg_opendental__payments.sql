with

payment_source_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'payment_source'

),

process_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'process_status'

),

final as (

    select
        -- ids
        payments.pay_num as payment_id,
        nullif(payments.pat_num, 0) as patient_id,
        nullif(payments.clinic_num, 0) as clinic_id,
        nullif(payments.pay_type, 0) as payment_type_id,
        nullif(payments.deposit_num, 0) as deposit_id,

        -- names, codes and flags
        payments.payment_source as payment_source_code,
        payment_source_labels.label as payment_source,
        payments.process_status as process_status_code,
        process_status_labels.label as process_status,

        -- amounts
        {{ money('payments.pay_amt') }} as payment_amount,
        {{ money('payments.merchant_fee') }} as merchant_fee,

        -- dates and times, the practice's local time
        payments.pay_date as payment_date,
        payments.date_entry as entered_date,

        -- stamps, UTC
        payments.sec_date_t_edit as updated_at
    from {{ source('opendental', 'payment') }} as payments
    left join payment_source_labels
        on payment_source_labels.code = cast(payments.payment_source as text)
    left join process_status_labels
        on process_status_labels.code = cast(payments.process_status as text)

)

select * from final
