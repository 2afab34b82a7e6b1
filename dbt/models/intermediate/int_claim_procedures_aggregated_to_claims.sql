with

claim_procedures as (

    select * from {{ ref('int_claim_procedures_dated') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

aggregated as (

    select
        claim_id,
        count(*) as claim_procedures,
        count(distinct procedure_id) as procedures,
        sum(fee_billed) as fee_billed,
        sum(estimated_payment) as estimated_payment,
        sum(insurance_payment) as insurance_payment,
        sum(write_off) as write_off,
        sum(deductible_applied) as deductible_applied,
        bool_or(coalesce(claim_procedure_status = 'Supplemental', false)) as has_supplemental,
        count(distinct claim_payment_id) as insurance_payments,
        min(check_date) as first_check_date,
        max(check_date) as last_check_date,
        -- several are rare: the one of the first claim procedure that has one stands for the claim
        (array_agg(payment_tracking_id order by claim_procedure_id) filter (where payment_tracking_id is not null))[1] as payment_tracking_id
    from claim_procedures
    where claim_id is not null
    group by claim_id

),

final as (

    select
        aggregated.*,
        definitions.item_name as payment_tracking
    from aggregated
    left join definitions
        on definitions.definition_id = aggregated.payment_tracking_id

)

select * from final
