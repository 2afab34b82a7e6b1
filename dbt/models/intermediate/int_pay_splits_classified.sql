with

pay_splits as (

    select * from {{ ref('stg_opendental__pay_splits') }}

),

payments as (

    select * from {{ ref('stg_opendental__payments') }}

),

unearned_types as (

    select * from {{ ref('stg_opendental__definitions') }}
    where definition_category_code = 29

),

classified as (

    select
        pay_splits.*,
        payments.payment_type_id,
        payments.payment_date as payment_header_date,
        unearned_types.item_name as unearned_type,
        pay_splits.unearned_type_id is not null as is_unearned,
        -- a value on the unearned type marks it as hidden
        unearned_types.item_value is not null as is_hidden_unearned,
        payments.payment_id is not null and payments.payment_type_id is null as is_income_transfer
    from pay_splits
    left join payments
        on payments.payment_id = pay_splits.payment_id
    left join unearned_types
        on unearned_types.definition_id = pay_splits.unearned_type_id

),

final as (

    select
        classified.*,
        not is_discount and not is_hidden_unearned as is_income
    from classified

)

select * from final
