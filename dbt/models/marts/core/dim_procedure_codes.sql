with

procedure_codes as (

    select * from {{ ref('stg_opendental__procedure_codes') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

final as (

    select
        procedure_codes.procedure_code_id,
        procedure_codes.procedure_code,
        procedure_codes.description as procedure_description,
        procedure_codes.short_description,
        definitions.item_name as procedure_category,
        procedure_codes.treatment_area,
        procedure_codes.is_hygiene,
        procedure_codes.is_prosthesis,
        procedure_codes.is_radiology,
        procedure_codes.updated_at
    from procedure_codes
    left join definitions
        on definitions.definition_id = procedure_codes.procedure_category_id

)

select * from final
