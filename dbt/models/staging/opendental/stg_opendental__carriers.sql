with

final as (

    select
        -- ids
        carriers.carrier_num as carrier_id,
        nullif(carriers.carrier_group_name, 0) as carrier_group_id,

        -- names, codes and flags
        nullif(carriers.carrier_name, '') as carrier_name,
        nullif(carriers.elect_id, '') as electronic_id,
        (carriers.is_hidden <> 0) as is_hidden,

        -- stamps, UTC
        carriers.sec_date_t_edit as updated_at
    from {{ source('opendental', 'carrier') }} as carriers

)

select * from final
