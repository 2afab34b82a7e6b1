-- OpenDental keeps a payment equal to the sum of its splits; a difference is one in the practice's data.
{{ config(severity='warn') }}

with

payments as (

    select * from {{ ref('stg_opendental__payments') }}

),

splits as (

    select
        payment_id,
        sum(split_amount) as amount
    from {{ ref('stg_opendental__pay_splits') }}
    group by payment_id

),

final as (

    select
        payments.payment_id,
        payments.payment_amount,
        splits.amount as split_amount
    from payments
    left join splits
        on splits.payment_id = payments.payment_id
    where abs(payments.payment_amount - coalesce(splits.amount, 0)) >= 0.005

)

select * from final
