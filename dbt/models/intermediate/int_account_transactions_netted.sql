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
        cast(null as date) as early_aging_date,
        transactions.counted_from_date,
        false as is_netted,
        transactions.amount
    from transactions
    cross join settings
    where transactions.netting_procedure_id is null or not settings.is_aging_by_procedure

),

-- Before its day a payment plan's credit is not there to be netted with.
attached as (

    select
        transactions.*,
        sum(transactions.amount) over same_day as net_amount,
        sum(case when transactions.counted_from_date is null then transactions.amount else 0 end) over same_day as early_net_amount,
        min(transactions.netting_procedure_date) over same_day as procedure_date
    from transactions
    cross join settings
    where transactions.netting_procedure_id is not null and settings.is_aging_by_procedure
    window same_day as (partition by transactions.patient_id, transactions.netting_procedure_id, transactions.transaction_date)

),

dated as (

    select
        attached.*,
        net_amount < 0 as is_negative,
        {{ 'false' if var('ar_as_known_on_the_day') else 'counted_from_date is null and early_net_amount < 0' }} as is_early
    from attached

),

final as (

    select * from single

    union all

    select
        transaction_kind,
        record_id,
        patient_id,
        case when is_negative then procedure_date else transaction_date end as aging_date,
        case when not (is_early and is_negative) then transaction_date end as effective_date,
        case when is_early and not is_negative then coalesce(procedure_date, '-infinity') end as early_aging_date,
        counted_from_date,
        true as is_netted,
        amount
    from dated

)

select * from final
