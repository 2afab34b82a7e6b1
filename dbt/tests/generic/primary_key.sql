{# The column is the key of its model: never NULL, never twice. One query does for `unique` and `not_null`. #}
{% test primary_key(model, column_name) %}

select
    {{ column_name }},
    count(*) as times
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null

{% endtest %}
