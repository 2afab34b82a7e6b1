{# The column, or the columns, are the key of their model: never NULL, never twice. One query does for `unique` and `not_null`. #}
{% test primary_key(model, column_name=none, columns=none) %}

{%- set key = columns or [column_name] %}

select
    {{ key | join(', ') }},
    count(*) as times
from {{ model }}
group by {{ key | join(', ') }}
having count(*) > 1
    {%- for column in key %}
    or {{ column }} is null
    {%- endfor %}

{% endtest %}
