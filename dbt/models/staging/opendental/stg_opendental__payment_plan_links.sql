with

link_type_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'payment_plan_link_type'

),

final as (

    select
        -- ids
        links.pay_plan_link_num as payment_plan_link_id,
        nullif(links.pay_plan_num, 0) as payment_plan_id,
        nullif(links.f_key, 0) as linked_id,

        -- names, codes and flags
        links.link_type as link_type_code,
        link_type_labels.label as link_type,

        -- amounts; 0 stands for no override
        nullif({{ money('links.amount_override') }}, 0) as amount_override,

        -- dates and times, the practice's local time
        links.sec_date_t_entry as entered_at
    from {{ source('opendental', 'payplanlink') }} as links
    left join link_type_labels
        on link_type_labels.code = cast(links.link_type as text)

)

select * from final
