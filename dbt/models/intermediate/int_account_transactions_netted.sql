-- Where aging puts each transaction: into a bucket (charge) or into the pool of credits (credit), and by which day.
with

transactions as (

    select * from {{ ref('int_account_transactions_unioned') }}

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
        greatest(transactions.amount, 0) as charge,
        least(transactions.amount, 0) as credit
    from transactions
    cross join settings
    where transactions.netting_procedure_id is null or not settings.is_aging_by_procedure

),

-- A payment plan's credit counts from its day on; what else is netted with it counts by itself until then.
netted as (

    select
        transactions.patient_id,
        transactions.netting_procedure_id,
        transactions.transaction_date,
        min(transactions.netting_procedure_date) as procedure_date,
        coalesce(sum(transactions.amount) filter (where transactions.counted_from_date is null), 0) as amount_before,
        sum(transactions.amount) as amount,
        max(transactions.counted_from_date) as counted_from_date
    from transactions
    cross join settings
    where transactions.netting_procedure_id is not null and settings.is_aging_by_procedure
    group by transactions.patient_id, transactions.netting_procedure_id, transactions.transaction_date

),

split as (

    select
        netted.*,
        parts.*
    from netted
    cross join lateral (
        values
            ('all', amount, counted_from_date),
            ('before', case when counted_from_date is not null then amount_before else 0 end, cast(null as date)),
            ('until', case when counted_from_date is not null then amount_before else 0 end, counted_from_date)
    ) as parts (part, part_amount, part_counted_from_date)

),

dated as (

    select
        'Procedure ' || netting_procedure_id || ' on ' || coalesce(cast(transaction_date as text), 'no day')
            || ' of patient ' || coalesce(cast(patient_id as text), 'none') || ', ' || part as account_entry_id,
        patient_id,
        case when part_amount < 0 then procedure_date else transaction_date end as aging_date,
        part_counted_from_date as counted_from_date,
        case part when 'until' then - part_amount else part_amount end as charge,
        cast(0 as numeric) as credit
    from split
    where part_amount <> 0

),

final as (

    select * from single

    union all

    select * from dated

)

select * from final
