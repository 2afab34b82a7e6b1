{# The columns of a mart's primary key, by its contract. #}
{% macro key_of(relation) -%}
    {%- set key = [] %}
    {%- for node in (graph.nodes.values() if execute else []) if node.resource_type == 'model' and node.name == relation.identifier %}
    {%- for column in node.columns.values() %}
    {%- for constraint in column.constraints if constraint.type == 'primary_key' %}
    {%- do key.append(column.name) %}
    {%- endfor %}
    {%- endfor %}
    {%- endfor %}
    {{- return(key) }}
{%- endmacro %}
