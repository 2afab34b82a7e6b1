with

carriers as (

    select * from {{ ref('stg_opendental__carriers') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

final as (

    select
        carriers.carrier_id,
        carriers.carrier_name,
        definitions.item_name as carrier_group,
        carriers.electronic_id,
        carriers.is_hidden,
        carriers.updated_at
    from carriers
    left join definitions
        on definitions.definition_id = carriers.carrier_group_id

)

select * from final
