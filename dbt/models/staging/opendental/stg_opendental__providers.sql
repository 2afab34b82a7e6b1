with

provider_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'provider_status'

),

final as (

    select
        -- ids
        providers.prov_num as provider_id,
        nullif(providers.specialty, 0) as specialty_id,

        -- names, codes and flags
        nullif(providers.abbr, '') as abbreviation,
        nullif(providers.l_name, '') as last_name,
        nullif(providers.f_name, '') as first_name,
        nullif(providers.mi, '') as middle_name,
        nullif(providers.suffix, '') as suffix,
        nullif(providers.preferred_name, '') as preferred_name,
        nullif(providers.national_prov_id, '') as national_provider_number,
        providers.prov_status as provider_status_code,
        provider_status_labels.label as provider_status,
        (providers.is_secondary <> 0) as is_hygienist,
        (providers.is_hidden <> 0) as is_hidden,
        (providers.is_hidden_report <> 0) as is_hidden_on_reports,
        (providers.is_not_person <> 0) as is_not_person,
        providers.item_order as list_order,

        -- amounts
        {{ money('providers.hourly_prod_goal_amt') }} as hourly_production_goal,

        -- dates and times, the practice's local time
        providers.date_term as termination_date,

        -- stamps, UTC
        providers.date_t_stamp as updated_at
    from {{ source('opendental', 'provider') }} as providers
    left join provider_status_labels
        on provider_status_labels.code = cast(providers.prov_status as text)

)

select * from final
