with

-- Not materialized: each use reads only what it needs.
transactions as not materialized (

    select * from {{ ref('int_account_transactions_unioned') }}

),

settings as not materialized (

    select * from {{ ref('int_preferences_pivoted') }}

),

single as (

    select
        transactions.transaction_kind,
        transactions.record_id,
        transactions.patient_id,
        transactions.transaction_date as aging_date,
        transactions.transaction_date as effective_date,
        transactions.counted_from_date,
        false as is_netted,
        transactions.amount
    from transactions
    cross join settings
    where transactions.netting_procedure_id is null or not settings.is_aging_by_procedure

),

attached as (

    select
        transactions.*,
        sum(transactions.amount) over same_day as net_amount,
        min(transactions.netting_procedure_date) over same_day as procedure_date
    from transactions
    cross join settings
    where transactions.netting_procedure_id is not null and settings.is_aging_by_procedure
    window same_day as (partition by transactions.patient_id, transactions.netting_procedure_id, transactions.transaction_date)

),

final as (

    select * from single

    union all

    select
        transaction_kind,
        record_id,
        patient_id,
        case when net_amount < 0 then procedure_date else transaction_date end as aging_date,
        transaction_date as effective_date,
        counted_from_date,
        true as is_netted,
        amount
    from attached

)

select * from final
