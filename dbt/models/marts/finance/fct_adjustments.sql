{{ config(touched_column='adjustment_id', keeps_changes=['adjustment_date']) }}

with

adjustments as (

    select * from {{ ref('stg_opendental__adjustments') }}
    {{ only_touched('adjustment_id') }}

),

adjustment_types as (

    select * from {{ ref('stg_opendental__definitions') }}
    where definition_category_code = 1

),

final as (

    select
        adjustments.adjustment_id,
        adjustments.patient_id,
        adjustments.provider_id,
        adjustments.clinic_id,
        adjustments.procedure_id,
        adjustments.procedure_id is not null as is_attached_to_procedure,
        adjustments.adjustment_type_id,
        adjustment_types.item_name as adjustment_type,
        case adjustment_types.item_value
            when '+' then 'Addition'
            when '-' then 'Subtraction'
            when 'dp' then 'Discount plan'
        end as adjustment_kind,
        adjustments.adjustment_date,
        adjustments.procedure_date,
        adjustments.entered_date,
        -- signed already; the kind says what the practice means by the type, not what to do with the amount
        adjustments.adjustment_amount,
        coalesce(
            case adjustment_types.item_value
                when '+' then adjustments.adjustment_amount < 0
                else adjustments.adjustment_amount > 0
            end
            and adjustment_types.item_value is not null,
            false
        ) as is_sign_unlike_kind,
        adjustments.updated_at
    from adjustments
    left join adjustment_types
        on adjustment_types.definition_id = adjustments.adjustment_type_id

)

select * from final
