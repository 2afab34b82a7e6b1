with

payments as (

    select * from {{ ref('stg_opendental__payments') }}

),

pay_splits as (

    select * from {{ ref('stg_opendental__pay_splits') }}

),

split_sums as (

    select
        payment_id,
        sum(split_amount) as split_amount
    from pay_splits
    where payment_id is not null
    group by payment_id

),

compared as (

    select
        payments.*,
        coalesce(split_sums.split_amount, 0) as split_amount
    from payments
    left join split_sums
        on split_sums.payment_id = payments.payment_id

),

checked as (

    select
        'payment' as check_name,
        compared.*,
        payment_amount as opendentals
    from compared

    union all

    -- a transfer takes from one provider what it gives to another
    select
        'income transfer' as check_name,
        compared.*,
        0 as opendentals
    from compared
    where payment_type_id is null

),

final as (

    select
        check_name || '|' || payment_id as reconciliation_id,
        check_name,
        payment_id as record_id,
        payment_date as record_date,
        split_amount as ours,
        opendentals,
        split_amount - opendentals as difference,
        abs(split_amount - opendentals) >= 0.005 as is_different,
        patient_id,
        clinic_id,
        updated_at
    from checked

)

select * from final
