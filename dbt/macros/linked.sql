{#
    A condition that spares the joins with linked procedures most rows, before amounts are reckoned of them: the planner puts the values in place of a
    function that it may take for immutable. A unit test has no function.
#}
{% macro linked(column) -%}
    {{ 'and ' ~ column ~ ' = any(pg_temp.linked_procedures())' if model.resource_type == 'model' }}
{%- endmacro %}
