with

final as (

    select
        -- ids
        clinics.clinic_num as clinic_id,
        nullif(clinics.region, 0) as region_id,

        -- names, codes and flags
        nullif(clinics.abbr, '') as abbreviation,
        nullif(clinics.description, '') as clinic_name,
        (clinics.is_hidden <> 0) as is_hidden,
        clinics.item_order as list_order
    from {{ source('opendental', 'clinic') }} as clinics

)

select * from final
