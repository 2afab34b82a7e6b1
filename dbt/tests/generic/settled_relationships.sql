{#
    Like dbt's `relationships`, for tables that are copied one after the other while the practice works: a row that was
    stamped (`updated_at`) within a day of the model's last change may name a parent which the next run brings. Warns.
#}
{% test settled_relationships(model, column_name, to, field, updated_at='updated_at') %}

{{ config(severity='warn') }}

with

latest as (

    select max({{ updated_at }}) - interval '1 day' as settled_until
    from {{ model }}

),

orphans as (

    select children.{{ column_name }}
    from {{ model }} as children
    cross join latest
    left join {{ to }} as parents
        on parents.{{ field }} = children.{{ column_name }}
    where children.{{ column_name }} is not null
        and parents.{{ field }} is null
        and (children.{{ updated_at }} is null or children.{{ updated_at }} < latest.settled_until)

)

select * from orphans

{% endtest %}
