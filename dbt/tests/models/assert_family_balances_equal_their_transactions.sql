-- Of each day: what families owe, have too much and have coming adds up to the transactions; no bucket is negative, and nobody has both debts and credit.
-- A past day has a transaction by the day that it is aged by, which may be later or earlier than its own.
with

balances as (

    select * from {{ ref('int_family_balances_aged') }}

),

aging_dates as (

    select * from {{ ref('int_aging_dates_listed') }}

),

account_days as (

    select * from {{ ref('int_account_transactions_aggregated_to_days') }}
    where patient_id in (select patient_id from {{ ref('stg_opendental__patients') }})

),

transactions as (

    select * from {{ ref('int_account_transactions_netted') }}
    where patient_id in (select patient_id from {{ ref('stg_opendental__patients') }})

),

of_balances as (

    select
        aging_date_id,
        sum(balance_total) as balance_total
    from balances
    group by aging_date_id

),

of_transactions as (

    select
        greatest(coalesce(aging_date, '-infinity'), coalesce(effective_date, '-infinity')) as aged_from_date,
        early_aging_date,
        counted_from_date,
        sum(amount) as amount
    from transactions
    group by 1, 2, 3

),

of_days as (

    select sum(charge + credit) as amount
    from account_days

),

compared as (

    select
        aging_dates.aging_date_id as what,
        coalesce(max(of_balances.balance_total), 0) as ours,
        coalesce(sum(of_transactions.amount) filter (
            where coalesce(of_transactions.counted_from_date, '-infinity') <= aging_dates.as_of_date
                and (not aging_dates.is_historic or least(of_transactions.aged_from_date, of_transactions.early_aging_date) <= aging_dates.as_of_date)
        ), 0) as ledger
    from aging_dates
    cross join of_transactions
    left join of_balances
        on of_balances.aging_date_id = aging_dates.aging_date_id
    group by aging_dates.aging_date_id

    union all

    select
        'all days',
        coalesce(of_days.amount, 0),
        (select coalesce(sum(amount), 0) from of_transactions)
    from of_days

    union all

    select
        family_balance_id,
        balance_total,
        ar_total + credit_balance + future_entries
    from balances
    where balance_total <> ar_total + credit_balance + future_entries
        or ar_total <> balance_0_to_30 + balance_31_to_60 + balance_61_to_90 + balance_over_90

    union all

    select
        family_balance_id,
        ar_total,
        null
    from balances
    where least(balance_0_to_30, balance_31_to_60, balance_61_to_90, balance_over_90) < 0
        or credit_balance > 0
        or (ar_total > 0 and credit_balance < 0)

),

final as (

    select * from compared
    where ours is distinct from ledger

)

select * from final
