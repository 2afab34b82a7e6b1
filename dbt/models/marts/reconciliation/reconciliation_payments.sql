{{ config(touched_column='record_id') }}

with

payments as (

    select * from {{ ref('stg_opendental__payments') }}
    {{ only_touched('payment_id') }}

),

pay_splits as (

    select * from {{ ref('stg_opendental__pay_splits') }}
    {{ only_touched('payment_id') }}

),

split_sums as (

    select
        payment_id,
        sum(split_amount) as split_amount
    from pay_splits
    where payment_id is not null
    group by payment_id

),

-- Splits whose payment does not exist are compared with nothing.
compared as (

    select
        coalesce(payments.payment_id, split_sums.payment_id) as payment_id,
        payments.patient_id,
        payments.clinic_id,
        payments.payment_date,
        payments.updated_at,
        checks.check_name,
        coalesce(split_sums.split_amount, 0) as ours,
        checks.opendentals
    from payments
    full join split_sums
        on split_sums.payment_id = payments.payment_id
    cross join lateral (
        values
            ('payment', coalesce(payments.payment_amount, 0), true),
            -- a transfer takes from one provider what it gives to another
            ('income transfer', 0, payments.payment_id is not null and payments.payment_type_id is null)
    ) as checks (check_name, opendentals, is_due)
    where checks.is_due

),

final as (

    select
        check_name || '|' || payment_id as reconciliation_id,
        check_name,
        payment_id as record_id,
        payment_date as record_date,
        ours,
        opendentals,
        ours - opendentals as difference,
        abs(ours - opendentals) >= 0.005 as is_different,
        patient_id,
        clinic_id,
        updated_at
    from compared

)

select * from final
