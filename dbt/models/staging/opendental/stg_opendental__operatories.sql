with

final as (

    select
        -- ids
        operatories.operatory_num as operatory_id,
        nullif(operatories.prov_dentist, 0) as provider_id,
        nullif(operatories.prov_hygienist, 0) as hygienist_id,
        nullif(operatories.clinic_num, 0) as clinic_id,

        -- names, codes and flags
        nullif(operatories.op_name, '') as operatory_name,
        nullif(operatories.abbrev, '') as abbreviation,
        (operatories.is_hygiene <> 0) as is_hygiene,
        (operatories.is_hidden <> 0) as is_hidden,
        operatories.item_order as list_order,

        -- stamps, UTC
        operatories.date_t_stamp as updated_at
    from {{ source('opendental', 'operatory') }} as operatories

)

select * from final
