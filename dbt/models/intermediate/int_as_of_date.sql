{# A table: a view would go on to the next day between two builds, and within one around midnight. #}
{{ config(materialized='table', unique_key='as_of_date_id') }}

with

today as (

    select cast(current_timestamp at time zone '{{ var("practice_time_zone") }}' as date) as practice_date

),

dated as (

    select
        practice_date,
        {%- if var('as_of_date', none) %}
        cast('{{ var("as_of_date") }}' as date) as as_of_date
        {%- else %}
        practice_date as as_of_date
        {%- endif %}
    from today

),

final as (

    select
        1 as as_of_date_id,
        as_of_date,
        as_of_date <> practice_date as is_historic
    from dated

)

select * from final
