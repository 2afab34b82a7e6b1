with

balances as (

    select * from {{ ref('reconciliation_balances') }}

),

receivables as (

    select * from {{ ref('reconciliation_receivables') }}

),

claims as (

    select * from {{ ref('reconciliation_claims') }}

),

payments as (

    select * from {{ ref('reconciliation_payments') }}

),

insurance_payments as (

    select * from {{ ref('reconciliation_insurance_payments') }}

),

compared as (

    select 'balances' as check_group, check_name, record_date, difference, is_different from balances
    union all
    select 'receivables', check_name, record_date, difference, is_different from receivables
    union all
    select 'claims', check_name, record_date, difference, is_different from claims
    union all
    select 'payments', check_name, record_date, difference, is_different from payments
    union all
    select 'insurance payments', check_name, record_date, difference, is_different from insurance_payments

),

final as (

    select
        check_group || ' | ' || check_name as reconciliation_summary_id,
        check_group,
        check_name,
        count(*) as records,
        count(*) filter (where is_different) as differing,
        coalesce(sum(difference) filter (where is_different), 0) as sum_of_differences,
        coalesce(sum(abs(difference)) filter (where is_different), 0) as sum_of_absolute_differences,
        max(record_date) as latest_record_date,
        max(record_date) filter (where is_different) as latest_differing_date
    from compared
    group by check_group, check_name

)

select * from final
