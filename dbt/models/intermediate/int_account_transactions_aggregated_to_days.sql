{# A table, as the aging, the oldest charges and the patients' balances are reckoned from it, and it takes a scan of every ledger. #}
{{
    config(
        materialized='table',
        unique_key='account_day_id',
        touched_column='coalesce(patient_id, 0)',
        settings=['payment_plans_version', 'is_aging_by_procedure', 'is_payment_plan_link_dated_by_production']
    )
}}

with

transactions as (

    select * from {{ ref('int_account_transactions_netted') }}
    {{ only_touched('coalesce(patient_id, 0)') }}

),

summed as (

    select
        patient_id,
        aging_date,
        case when is_netted then effective_date else aging_date end as effective_date,
        early_aging_date,
        counted_from_date,
        coalesce(sum(amount) filter (where is_netted or amount > 0), 0) as charge,
        coalesce(sum(amount) filter (where not is_netted and amount < 0), 0) as credit,
        bool_or(transaction_kind = 'Pay split' and amount <> 0) as has_pay_splits
    from transactions
    group by 1, 2, 3, 4, 5

),

-- What belongs to another day until its own is there before (1), and gone then (2).
parts as (

    select
        summed.*,
        unnest(case when early_aging_date is null then array[0] else array[0, 1, 2] end) as part
    from summed

),

final as (

    select
        coalesce(cast(patient_id as text), 'no patient') || '|' || coalesce(cast(aging_date as text), 'undated')
            || '|' || coalesce(cast(effective_date as text), 'undated')
            || case when counted_from_date is null then '' else '|' || cast(counted_from_date as text) end
            || case when early_aging_date is null then '' else '|' || cast(early_aging_date as text) || '|' || part end as account_day_id,
        patient_id,
        case when part = 0 then aging_date else early_aging_date end as aging_date,
        case when part <> 1 then effective_date end as effective_date,
        counted_from_date,
        case when part = 2 then -charge else charge end as charge,
        credit,
        has_pay_splits
    from parts

)

select * from final
