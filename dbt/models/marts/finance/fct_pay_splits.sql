{{ config(touched_column='pay_split_id', keeps_changes=['payment_date', 'payment_header_date']) }}

with

pay_splits as (

    select * from {{ ref('int_pay_splits_classified') }}
    {{ only_touched('pay_split_id') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

final as (

    select
        pay_splits.pay_split_id,
        pay_splits.payment_id,
        pay_splits.patient_id,
        pay_splits.provider_id,
        pay_splits.clinic_id,
        pay_splits.procedure_id,
        pay_splits.adjustment_id,
        pay_splits.payment_plan_id,
        definitions.item_name as payment_type,
        pay_splits.unearned_type,
        pay_splits.payment_date,
        pay_splits.payment_header_date,
        pay_splits.entered_date,
        pay_splits.split_amount,
        case when pay_splits.is_income then pay_splits.split_amount else 0 end as patient_income,
        pay_splits.is_income,
        pay_splits.is_unearned,
        pay_splits.is_hidden_unearned,
        pay_splits.is_income_transfer,
        pay_splits.is_discount,
        pay_splits.updated_at
    from pay_splits
    left join definitions
        on definitions.definition_id = pay_splits.payment_type_id

)

select * from final
