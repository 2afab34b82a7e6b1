with

final as (

    select
        1 as as_of_date_id,
        {%- if var('as_of_date', none) %}
        cast('{{ var("as_of_date") }}' as date) as as_of_date
        {%- else %}
        cast(current_timestamp at time zone '{{ var("practice_time_zone") }}' as date) as as_of_date
        {%- endif %}

)

select * from final
