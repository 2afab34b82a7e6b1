-- Every visible pay split and every claim procedure on an insurance payment that exists is in daily_collections, once.
with

collections as (

    select
        coalesce(sum(patient_income), 0) as patient_income,
        coalesce(sum(insurance_income), 0) as insurance_income,
        coalesce(sum(total_income), 0) as total_income
    from {{ ref('daily_collections') }}

),

visible_splits as (

    select coalesce(sum(pay_splits.split_amount), 0) as amount
    from {{ ref('stg_opendental__pay_splits') }} as pay_splits
    where not pay_splits.is_discount
        and not exists (
            select 1
            from {{ ref('stg_opendental__definitions') }} as definitions
            where definitions.definition_id = pay_splits.unearned_type_id
                and definitions.definition_category_code = 29
                and definitions.item_value <> ''
        )

),

insurance as (

    select coalesce(sum(insurance_payment), 0) as amount
    from {{ ref('stg_opendental__claim_procedures') }}
    where claim_payment_id in (
            select claim_payment_id
            from {{ ref('stg_opendental__claim_payments') }}
        )

),

final as (

    select
        collections.*,
        visible_splits.amount as splits,
        insurance.amount as insurance_payments
    from collections
    cross join visible_splits
    cross join insurance
    where collections.patient_income <> visible_splits.amount
        or collections.insurance_income <> insurance.amount
        or collections.total_income <> visible_splits.amount + insurance.amount

)

select * from final
