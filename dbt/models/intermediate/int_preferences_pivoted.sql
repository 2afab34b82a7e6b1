with

preferences as (

    select * from {{ ref('stg_opendental__preferences') }}

),

final as (

    select
        1 as settings_id,
        cast(coalesce(
            max(preference_value) filter (
                where preference_name = 'ReportsPPOwriteoffDefaultToProcDate'
                    and preference_value in ('0', '1', '2')
            ),
            '0'
        ) as integer) as write_off_dating_mode
    from preferences

)

select * from final
