-- A transfer takes from one provider what it gives to another; a difference is one in the practice's data.
{{ config(severity='warn') }}

with

transfers as (

    select * from {{ ref('fct_payments') }}
    where is_income_transfer

),

final as (

    select
        payment_id,
        sum(amount) as amount
    from transfers
    group by payment_id
    having abs(sum(amount)) >= 0.005

)

select * from final
