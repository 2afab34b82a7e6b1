with

final as (

    select
        -- ids
        recall_types.recall_type_num as recall_type_id,

        -- names, codes and flags
        nullif(recall_types.description, '') as recall_type,
        recall_types.default_interval as packed_default_interval,
        nullif(recall_types.procedures, '') as procedure_codes
    from {{ source('opendental', 'recalltype') }} as recall_types

)

select * from final
