with

providers as (

    select * from {{ ref('stg_opendental__providers') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

final as (

    select
        providers.provider_id,
        providers.abbreviation,
        providers.last_name,
        providers.first_name,
        providers.middle_name,
        providers.suffix,
        providers.preferred_name,
        providers.national_provider_number,
        definitions.item_name as specialty,
        providers.provider_status,
        providers.is_hygienist,
        providers.is_hidden,
        providers.is_hidden_on_reports,
        providers.is_not_person,
        providers.hourly_production_goal,
        providers.termination_date,
        providers.list_order,
        providers.updated_at
    from providers
    left join definitions
        on definitions.definition_id = providers.specialty_id

)

select * from final
