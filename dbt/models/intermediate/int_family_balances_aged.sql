{#
    A table, as four marts read it. From changed rows it is made of the families that they touch, on all days, and of the other families on days that
    are new in the list.
#}
{{
    config(
        materialized='table',
        unique_key='family_balance_id',
        touched_column='guarantor_id',
        touched_days='aging_date_id',
        settings=['payment_plans_version', 'is_aging_by_procedure', 'is_payment_plan_link_dated_by_production', 'payment_plan_bill_in_advance_days'],
        indexes=[{'columns': ['family_balance_id'], 'unique': True}]
    )
}}
{%- set touched_families = only_touched('coalesce(guarantor_id, 0)') %}

with

account_days as not materialized (

    select * from {{ ref('int_account_transactions_aggregated_to_days') }}

),

-- Reckoned once, as it takes a scan of their ledgers.
insurance_estimates as materialized (

    select * from {{ ref('int_insurance_estimates_dated') }}

),

payment_plan_dues as materialized (

    select * from {{ ref('int_payment_plan_dues_dated') }}

),

final as (

    {%- if touched_families | trim %}
    select * from ({{ family_balances(touched_families) }}) as of_touched_families
    union all
    select *
    from ({{ family_balances('where not ' ~ is_touched('coalesce(guarantor_id, 0)'), 'where ' ~ is_changed_day('aging_date_id')) }}) as of_other_families
    {%- else %}
    select * from ({{ family_balances() }}) as of_all_families
    {%- endif %}

)

select * from final
