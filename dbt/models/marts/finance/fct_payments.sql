with

pay_splits as (

    select * from {{ ref('int_pay_splits_classified') }}

),

insurance_payments as (

    select * from {{ ref('int_insurance_payments_dated') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

patient_lines as (

    select
        'Patient' as payment_kind,
        pay_split_id,
        cast(null as bigint) as claim_procedure_id,
        payment_id,
        cast(null as bigint) as claim_payment_id,
        patient_id,
        provider_id,
        clinic_id,
        procedure_id,
        cast(null as bigint) as claim_id,
        payment_type_id,
        payment_date,
        payment_header_date,
        split_amount as amount,
        is_income,
        is_unearned,
        is_hidden_unearned,
        unearned_type,
        is_income_transfer,
        cast(null as text) as claim_procedure_status,
        cast(null as text) as carrier_name,
        updated_at
    from pay_splits

),

insurance_lines as (

    select
        'Insurance' as payment_kind,
        cast(null as bigint) as pay_split_id,
        claim_procedure_id,
        cast(null as bigint) as payment_id,
        claim_payment_id,
        patient_id,
        provider_id,
        clinic_id,
        procedure_id,
        claim_id,
        payment_type_id,
        check_date as payment_date,
        check_date as payment_header_date,
        insurance_payment as amount,
        true as is_income,
        false as is_unearned,
        false as is_hidden_unearned,
        cast(null as text) as unearned_type,
        false as is_income_transfer,
        claim_procedure_status,
        carrier_name,
        updated_at
    from insurance_payments

),

unioned as (

    select * from patient_lines
    union all
    select * from insurance_lines

),

final as (

    select
        case unioned.payment_kind
            when 'Patient' then 'split|' || unioned.pay_split_id
            else 'claim procedure|' || unioned.claim_procedure_id
        end as payment_line_id,
        unioned.*,
        definitions.item_name as payment_type
    from unioned
    left join definitions
        on definitions.definition_id = unioned.payment_type_id

)

select * from final
