{#
    Like dbt's `relationships`, for tables that are copied one after the other while the practice works: a row that was
    stamped (`updated_at`, if the model has it) within a day of the model's last change may name a parent which the next run
    brings. Warns, as it is the practice's data that lack the parent; the rows' keys are kept in the schema of findings.
#}
{% test settled_relationships(model, column_name, to, field, updated_at='updated_at') %}

{{ config(severity='warn', store_failures=true, schema='findings') }}

with

latest as (

    select {% if updated_at %}max({{ updated_at }}) - interval '1 day'{% else %}cast(null as timestamp){% endif %} as settled_until
    from {{ model }}

),

orphans as (

    select
        {%- for name in key_of(model) if name != column_name %}
        children.{{ name }},
        {%- endfor %}
        children.{{ column_name }}
    from {{ model }} as children
    cross join latest
    left join {{ to }} as parents
        on parents.{{ field }} = children.{{ column_name }}
    where children.{{ column_name }} is not null
        and parents.{{ field }} is null
        {%- if updated_at %}
        and (children.{{ updated_at }} is null or children.{{ updated_at }} < latest.settled_until)
        {%- endif %}

)

select * from orphans

{% endtest %}
