{# The columns of a table's key: of a mart by its contract, of another model by its `unique_key`. #}
{% macro key_of(relation) -%}
    {%- set key = [] %}
    {%- for node in (graph.nodes.values() if execute else []) if node.resource_type == 'model' and node.name == relation.identifier %}
    {%- for column in node.columns.values() %}
    {%- for constraint in column.constraints if constraint.type == 'primary_key' %}
    {%- do key.append(column.name) %}
    {%- endfor %}
    {%- endfor %}
    {%- if not key and node.config.get('unique_key') %}
    {%- do key.append(node.config.get('unique_key')) %}
    {%- endif %}
    {%- endfor %}
    {{- return(key) }}
{%- endmacro %}
