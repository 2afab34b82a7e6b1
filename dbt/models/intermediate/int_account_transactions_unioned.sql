-- What changes patients' accounts, as OpenDental's ledger counts it; the practice's payment plan version decides about payment plans.
with

-- Not materialized: what is named more than once would be written to disk with every column.
settings as not materialized (

    select * from {{ ref('int_preferences_pivoted') }}

),

procedures as not materialized (

    select * from {{ ref('stg_opendental__procedures') }}

),

claim_procedures as (

    select * from {{ ref('stg_opendental__claim_procedures') }}

),

adjustments as (

    select * from {{ ref('stg_opendental__adjustments') }}

),

pay_splits as (

    select * from {{ ref('stg_opendental__pay_splits') }}

),

hidden_unearned_types as (

    select * from {{ ref('stg_opendental__definitions') }}
    where definition_category_code = 29
        and item_value is not null

),

payment_plans as not materialized (

    select * from {{ ref('stg_opendental__payment_plans') }}

),

payment_plan_charges as not materialized (

    select * from {{ ref('stg_opendental__payment_plan_charges') }}

),

payment_plan_credits as (

    select * from {{ ref('int_payment_plan_links_priced') }}

),

final as (

    select
        'Procedure' as transaction_kind,
        procedure_id as record_id,
        patient_id,
        provider_id,
        clinic_id,
        procedure_id,
        cast(null as bigint) as netting_procedure_id,
        cast(null as date) as netting_procedure_date,
        procedure_date as transaction_date,
        cast(null as date) as counted_from_date,
        procedure_fee * (unit_quantity + base_units) as amount
    from procedures
    where procedure_status_code = 2

    union all

    -- What an insurance payment plan tracks is credited by the plan, not by its payments.
    select
        'Claim procedure',
        claim_procedures.claim_procedure_id,
        claim_procedures.patient_id,
        claim_procedures.provider_id,
        claim_procedures.clinic_id,
        claim_procedures.procedure_id,
        cast(null as bigint),
        cast(null as date),
        claim_procedures.payment_date,
        cast(null as date),
        -claim_procedures.write_off
            - case when claim_procedures.payment_plan_id is null then claim_procedures.insurance_payment else 0 end
    from claim_procedures
    left join procedures
        on procedures.procedure_id = claim_procedures.procedure_id
    where claim_procedures.claim_procedure_status_code in (1, 4, 5, 7)
        and (claim_procedures.procedure_id is null or procedures.procedure_status_code = 2)

    union all

    select
        'Adjustment',
        adjustment_id,
        patient_id,
        provider_id,
        clinic_id,
        procedure_id,
        procedure_id,
        procedure_date,
        adjustment_date,
        cast(null as date),
        adjustment_amount
    from adjustments

    union all

    select
        'Pay split',
        pay_splits.pay_split_id,
        pay_splits.patient_id,
        pay_splits.provider_id,
        pay_splits.clinic_id,
        pay_splits.procedure_id,
        cast(null as bigint),
        cast(null as date),
        pay_splits.payment_date,
        cast(null as date),
        -pay_splits.split_amount
    from pay_splits
    cross join settings
    left join hidden_unearned_types
        on hidden_unearned_types.definition_id = pay_splits.unearned_type_id
    where hidden_unearned_types.definition_id is null
        and (settings.payment_plans_version in (2, 4) or pay_splits.payment_plan_id is null)

    union all

    -- Versions 1 and 4: the plan as a whole; in version 4 only if it tracks insurance.
    select
        'Payment plan',
        payment_plans.payment_plan_id,
        payment_plans.patient_id,
        cast(null as bigint),
        cast(null as bigint),
        cast(null as bigint),
        cast(null as bigint),
        cast(null as date),
        payment_plans.payment_plan_date,
        cast(null as date),
        -payment_plans.completed_amount
    from payment_plans
    cross join settings
    where settings.payment_plans_version = 1
        or (settings.payment_plans_version = 4 and payment_plans.insurance_plan_id is not null)

    union all

    -- Version 2: what is due is charged to the one who pays the plan, unless that is insurance.
    select
        'Payment plan charge',
        payment_plan_charges.payment_plan_charge_id,
        payment_plan_charges.guarantor_id,
        payment_plan_charges.provider_id,
        payment_plan_charges.clinic_id,
        payment_plan_charges.procedure_id,
        cast(null as bigint),
        cast(null as date),
        payment_plan_charges.charge_date,
        payment_plan_charges.charge_date,
        payment_plan_charges.principal + payment_plan_charges.interest
    from payment_plan_charges
    cross join settings
    inner join payment_plans
        on payment_plans.payment_plan_id = payment_plan_charges.payment_plan_id
    where settings.payment_plans_version = 2
        and payment_plan_charges.charge_type_code = 0
        and payment_plans.insurance_plan_id is null

    union all

    -- Versions 2 and 3: what the plan takes over is taken off the account of the patient who was treated.
    select
        'Payment plan credit',
        payment_plan_charges.payment_plan_charge_id,
        case when settings.payment_plans_version = 2 then payment_plans.patient_id else payment_plan_charges.patient_id end,
        payment_plan_charges.provider_id,
        payment_plan_charges.clinic_id,
        payment_plan_charges.procedure_id,
        payment_plan_charges.procedure_id,
        -- without a day that it could belong to, what is netted below zero is in no bucket on any day
        case when payment_plan_charges.procedure_id is not null and procedures.procedure_id is null then 'infinity' else procedures.procedure_date end,
        payment_plan_charges.charge_date,
        payment_plan_charges.charge_date,
        -payment_plan_charges.principal
    from payment_plan_charges
    cross join settings
    left join payment_plans
        on payment_plans.payment_plan_id = payment_plan_charges.payment_plan_id
    left join procedures
        on procedures.procedure_id = payment_plan_charges.procedure_id
    where settings.payment_plans_version in (2, 3)
        and payment_plan_charges.charge_type_code = 1

    union all

    -- Versions 2 and 3, dynamic plans: the same by their links.
    select
        'Payment plan link',
        payment_plan_credits.payment_plan_link_id,
        payment_plan_credits.patient_id,
        payment_plan_credits.provider_id,
        payment_plan_credits.clinic_id,
        payment_plan_credits.procedure_id,
        payment_plan_credits.procedure_id,
        payment_plan_credits.production_date,
        case
            when settings.is_payment_plan_link_dated_by_production then payment_plan_credits.production_date
            else payment_plan_credits.linked_date
        end,
        cast(null as date),
        -payment_plan_credits.linked_amount
    from payment_plan_credits
    cross join settings
    where settings.payment_plans_version in (2, 3)

    union all

    -- Before version 24.2: the discounts of planned procedures that a dynamic plan treats as complete.
    select
        'Payment plan discount',
        payment_plan_credits.payment_plan_link_id,
        payment_plan_credits.payment_plan_patient_id,
        payment_plan_credits.provider_id,
        payment_plan_credits.clinic_id,
        payment_plan_credits.procedure_id,
        payment_plan_credits.procedure_id,
        payment_plan_credits.production_date,
        payment_plan_credits.production_date,
        cast(null as date),
        payment_plan_credits.planned_discount
    from payment_plan_credits
    cross join settings
    where settings.payment_plans_version in (2, 3)
        and payment_plan_credits.planned_discount <> 0

)

select * from final
