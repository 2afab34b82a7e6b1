-- OpenDental keeps claims, payments and cheques equal to their parts; a difference is one in the practice's data.
{{ config(severity='warn') }}

with

unioned as (

    select reconciliation_id, record_date, ours, opendentals, difference, is_different
    from {{ ref('reconciliation_claims') }}
    union all
    select reconciliation_id, record_date, ours, opendentals, difference, is_different
    from {{ ref('reconciliation_payments') }}
    union all
    select reconciliation_id, record_date, ours, opendentals, difference, is_different
    from {{ ref('reconciliation_insurance_payments') }}

),

final as (

    select * from unioned
    where is_different

)

select * from final
