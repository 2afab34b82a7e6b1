-- Where aging puts each transaction: by which day, and whether into a bucket even if it is negative.
with

-- Twice the same view: each part reads only what it needs of it.
transactions as (

    select * from {{ ref('int_account_transactions_unioned') }}

),

attached_transactions as (

    select * from {{ ref('int_account_transactions_unioned') }}
    where netting_procedure_id is not null

),

settings as (

    select * from {{ ref('int_preferences_pivoted') }}

),

single as (

    select
        transactions.account_transaction_id as account_entry_id,
        transactions.patient_id,
        transactions.transaction_date as aging_date,
        transactions.counted_from_date,
        false as is_netted,
        transactions.amount
    from transactions
    cross join settings
    where transactions.netting_procedure_id is null or not settings.is_aging_by_procedure

),

-- A payment plan's credit counts from its day on; what else is netted with it counts by itself until then.
netted as (

    select
        attached_transactions.patient_id,
        attached_transactions.netting_procedure_id,
        attached_transactions.transaction_date,
        min(attached_transactions.netting_procedure_date) as procedure_date,
        coalesce(sum(attached_transactions.amount) filter (where attached_transactions.counted_from_date is null), 0) as amount_before,
        sum(attached_transactions.amount) as amount,
        max(attached_transactions.counted_from_date) as counted_from_date
    from attached_transactions
    cross join settings
    where settings.is_aging_by_procedure
    group by 1, 2, 3

),

split as (

    select
        netted.patient_id,
        netted.netting_procedure_id,
        netted.transaction_date,
        netted.procedure_date,
        parts.part,
        parts.part_amount,
        parts.part_date
    from netted
    cross join lateral (
        values
            ('all', netted.amount, netted.counted_from_date),
            ('before', case when netted.counted_from_date is not null then netted.amount_before else 0 end, cast(null as date)),
            ('until', case when netted.counted_from_date is not null then netted.amount_before else 0 end, netted.counted_from_date)
    ) as parts (part, part_amount, part_date)
    where parts.part_amount <> 0

),

dated as (

    select
        'Procedure ' || netting_procedure_id || ' on ' || coalesce(cast(transaction_date as text), 'no day')
            || ' of patient ' || coalesce(cast(patient_id as text), 'none') || ', ' || part as account_entry_id,
        patient_id,
        case when part_amount < 0 then procedure_date else transaction_date end as aging_date,
        part_date as counted_from_date,
        true as is_netted,
        case part when 'until' then - part_amount else part_amount end as amount
    from split

),

final as (

    select * from single

    union all

    select * from dated

)

select * from final
