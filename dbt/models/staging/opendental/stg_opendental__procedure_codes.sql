with

treatment_area_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'treatment_area'

),

final as (

    select
        -- ids
        procedure_codes.code_num as procedure_code_id,
        nullif(procedure_codes.proc_cat, 0) as procedure_category_id,

        -- names, codes and flags
        nullif(procedure_codes.proc_code, '') as procedure_code,
        nullif(procedure_codes.descript, '') as description,
        nullif(procedure_codes.abbr_desc, '') as short_description,
        procedure_codes.treat_area as treatment_area_code,
        treatment_area_labels.label as treatment_area,
        (procedure_codes.is_hygiene <> 0) as is_hygiene,
        (procedure_codes.is_prosth <> 0) as is_prosthesis,
        (procedure_codes.is_radiology <> 0) as is_radiology,

        -- stamps, UTC
        procedure_codes.date_t_stamp as updated_at
    from {{ source('opendental', 'procedurecode') }} as procedure_codes
    left join treatment_area_labels
        on treatment_area_labels.code = cast(procedure_codes.treat_area as text)

)

select * from final
