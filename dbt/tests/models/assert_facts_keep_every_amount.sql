-- A fact adds up to the table it describes: no join has doubled or dropped an amount.
with

compared as (

    select
        'procedures' as what,
        (select sum(fee_total) from {{ ref('fct_procedures') }}) as mart,
        (select sum(procedure_fee * (unit_quantity + base_units)) from {{ ref('stg_opendental__procedures') }}) as staging
    union all
    select
        'adjustments',
        (select sum(adjustment_amount) from {{ ref('fct_adjustments') }}),
        (select sum(adjustment_amount) from {{ ref('stg_opendental__adjustments') }})
    union all
    select
        'pay splits',
        (select sum(split_amount) from {{ ref('fct_pay_splits') }}),
        (select sum(split_amount) from {{ ref('stg_opendental__pay_splits') }})
    union all
    select
        'insurance payments',
        (select sum(insurance_payment) from {{ ref('fct_claim_procedures') }}),
        (select sum(insurance_payment) from {{ ref('stg_opendental__claim_procedures') }})
    union all
    select
        'write-offs',
        (select sum(write_off) from {{ ref('fct_claim_procedures') }}),
        (select sum(write_off) from {{ ref('stg_opendental__claim_procedures') }})
    union all
    select
        'claims',
        (select sum(claim_fee) from {{ ref('claims') }}),
        (select sum(claim_fee) from {{ ref('stg_opendental__claims') }})

),

final as (

    select * from compared
    where mart is distinct from staging

)

select * from final
