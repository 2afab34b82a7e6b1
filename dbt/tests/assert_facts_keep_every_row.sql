-- A fact or dimension has as many rows as the table it describes: nothing lost, nothing multiplied.
with

counted as (

    select
        'patients' as what,
        (select count(*) from {{ ref('dim_patients') }}) as mart,
        (select count(*) from {{ ref('stg_opendental__patients') }}) as staging
    union all
    select
        'providers',
        (select count(*) from {{ ref('dim_providers') }}),
        (select count(*) from {{ ref('stg_opendental__providers') }})
    union all
    select
        'procedures',
        (select count(*) from {{ ref('fct_procedures') }}),
        (select count(*) from {{ ref('stg_opendental__procedures') }})
    union all
    select
        'appointments',
        (select count(*) from {{ ref('fct_appointments') }}),
        (select count(*) from {{ ref('stg_opendental__appointments') }})
    union all
    select
        'recalls',
        (select count(*) from {{ ref('recalls') }}),
        (select count(*) from {{ ref('stg_opendental__recalls') }})
    union all
    select
        'payments',
        (select count(*) from {{ ref('fct_payments') }}),
        (select count(*) from {{ ref('stg_opendental__pay_splits') }})
        + (select count(*) from {{ ref('stg_opendental__claim_procedures') }} where claim_payment_id is not null)

),

final as (

    select * from counted
    where mart <> staging

)

select * from final
