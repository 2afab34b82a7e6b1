with

definition_category_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'definition_category'

),

final as (

    select
        -- ids
        definitions.def_num as definition_id,

        -- names, codes and flags
        definitions.category as definition_category_code,
        definition_category_labels.label as definition_category,
        definitions.item_order as list_order,
        nullif(definitions.item_name, '') as item_name,
        nullif(definitions.item_value, '') as item_value,
        (definitions.is_hidden <> 0) as is_hidden
    from {{ source('opendental', 'definition') }} as definitions
    left join definition_category_labels
        on definition_category_labels.code = cast(definitions.category as text)

)

select * from final
