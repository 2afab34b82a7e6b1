{#
    What only a practice's data can break, looked for in one pass over a mart: `parents` that do not exist, and columns that lack the `labels` which
    the seed has for codes, as a newer OpenDental may have others. Warns; the mart's key, the column and what it names are kept in the schema of findings.

    Tables are copied one after the other while the practice works: a row that was stamped (`updated_at`, if the mart has it) within a day of the
    mart's last change may name a parent which the next run brings. It is told of later, unless `at_once`.
#}
{% test findings(model, parents=[], labels=[], updated_at='updated_at') %}

{{ config(severity='warn', store_failures=true, schema='findings') }}

with

-- materialized, so that the mart's last change is looked for only where there is something to tell
found as materialized (

    select
        {%- for parent in parents %}
        children.{{ parent.column }} is not null and parents_{{ loop.index }}.{{ parent.field }} is null as lacks_{{ parent.column }},
        {%- endfor %}
        children.*
    from {{ model }} as children
    {%- for parent in parents %}
    left join {{ parent.to }} as parents_{{ loop.index }}
        on parents_{{ loop.index }}.{{ parent.field }} = children.{{ parent.column }}
    {%- endfor %}
    where false
    {%- for parent in parents %}
        or (children.{{ parent.column }} is not null and parents_{{ loop.index }}.{{ parent.field }} is null)
    {%- endfor %}
    {%- for column in labels %}
        or children.{{ column }} is null
    {%- endfor %}

),

told as (

    select
        {%- for name in key_of(model) %}
        found.{{ name }},
        {%- endfor %}
        lacking.column_name,
        lacking.parent_id
    from found
    cross join lateral (
        values
            {%- for parent in parents %}
            ('{{ parent.column }}', found.{{ parent.column }}, found.lacks_{{ parent.column }}, {{ parent.at_once or false }}){{ ',' if labels or not loop.last }}
            {%- endfor %}
            {%- for column in labels %}
            ('{{ column }}', null, found.{{ column }} is null, true){{ ',' if not loop.last }}
            {%- endfor %}
    ) as lacking (column_name, parent_id, is_lacking, at_once)
    where lacking.is_lacking
        {%- if updated_at %}
        and (
            lacking.at_once
            or found.{{ updated_at }} is null
            or found.{{ updated_at }} < (select max({{ updated_at }}) - interval '1 day' from {{ model }})
        )
        {%- endif %}

)

select * from told

{% endtest %}
