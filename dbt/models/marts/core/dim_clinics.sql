with

clinics as (

    select * from {{ ref('stg_opendental__clinics') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

final as (

    select
        clinics.clinic_id,
        clinics.abbreviation,
        clinics.clinic_name,
        definitions.item_name as region,
        clinics.is_hidden,
        clinics.list_order
    from clinics
    left join definitions
        on definitions.definition_id = clinics.region_id

)

select * from final
