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
        'adjustments',
        (select count(*) from {{ ref('fct_adjustments') }}),
        (select count(*) from {{ ref('stg_opendental__adjustments') }})
    union all
    select
        'pay splits',
        (select count(*) from {{ ref('fct_pay_splits') }}),
        (select count(*) from {{ ref('stg_opendental__pay_splits') }})
    union all
    select
        'claim procedures',
        (select count(*) from {{ ref('fct_claim_procedures') }}),
        (select count(*) from {{ ref('stg_opendental__claim_procedures') }})
    union all
    select
        'claims',
        (select count(*) from {{ ref('claims') }}),
        (select count(*) from {{ ref('stg_opendental__claims') }})
    union all
    select
        'procedure codes',
        (select count(*) from {{ ref('dim_procedure_codes') }}),
        (select count(*) from {{ ref('stg_opendental__procedure_codes') }})
    union all
    select
        'clinics',
        (select count(*) from {{ ref('dim_clinics') }}),
        (select count(*) from {{ ref('stg_opendental__clinics') }})
    union all
    select
        'carriers',
        (select count(*) from {{ ref('dim_carriers') }}),
        (select count(*) from {{ ref('stg_opendental__carriers') }})
    union all
    select
        'insurance plans',
        (select count(*) from {{ ref('dim_insurance_plans') }}),
        (select count(*) from {{ ref('stg_opendental__insurance_plans') }})

),

final as (

    select * from counted
    where mart <> staging

)

select * from final
