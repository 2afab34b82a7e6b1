-- What payers are to pay of their payment plans, and what was paid on plans; in version 2 of plans that are not closed.
with

settings as not materialized (

    select * from {{ ref('int_preferences_pivoted') }}

),

payment_plans as not materialized (

    select * from {{ ref('stg_opendental__payment_plans') }}

),

payment_plan_charges as (

    select * from {{ ref('stg_opendental__payment_plan_charges') }}

),

pay_splits as (

    select * from {{ ref('stg_opendental__pay_splits') }}

),

hidden_unearned_types as (

    select * from {{ ref('stg_opendental__definitions') }}
    where definition_category_code = 29
        and item_value is not null

),

final as (

    select
        'Payment plan charge' as transaction_kind,
        payment_plan_charges.payment_plan_charge_id as record_id,
        payment_plan_charges.guarantor_id as patient_id,
        payment_plan_charges.charge_date - settings.payment_plan_bill_in_advance_days as due_date,
        false as is_payment,
        payment_plan_charges.principal + payment_plan_charges.interest as amount
    from payment_plan_charges
    cross join settings
    inner join payment_plans
        on payment_plans.payment_plan_id = payment_plan_charges.payment_plan_id
    where payment_plan_charges.charge_type_code = 0
        and payment_plans.insurance_plan_id is null
        and (settings.payment_plans_version <> 2 or not payment_plans.is_closed)

    union all

    select
        'Pay split',
        pay_splits.pay_split_id,
        pay_splits.patient_id,
        pay_splits.payment_date,
        true,
        -pay_splits.split_amount
    from pay_splits
    cross join settings
    left join payment_plans
        on payment_plans.payment_plan_id = pay_splits.payment_plan_id
    left join hidden_unearned_types
        on hidden_unearned_types.definition_id = pay_splits.unearned_type_id
    where pay_splits.payment_plan_id is not null
        and hidden_unearned_types.definition_id is null
        and (settings.payment_plans_version <> 2 or not coalesce(payment_plans.is_closed, false))

)

select * from final
