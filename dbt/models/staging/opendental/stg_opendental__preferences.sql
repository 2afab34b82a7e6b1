with

final as (

    select
        -- ids
        preferences.pref_num as preference_id,

        -- names, codes and flags
        nullif(preferences.pref_name, '') as preference_name,
        nullif(preferences.value_string, '') as preference_value
    from {{ source('opendental', 'preference') }} as preferences

)

select * from final
