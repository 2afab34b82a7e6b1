with

final as (

    select
        -- ids
        users.user_num as user_id,
        nullif(users.prov_num, 0) as provider_id,
        nullif(users.employee_num, 0) as employee_id,

        -- names, codes and flags
        nullif(users.user_name, '') as user_name
    from {{ source('opendental', 'userod') }} as users

)

select * from final
