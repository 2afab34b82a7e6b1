{# dbt empties a seed before it fills it again; a truncated table is empty for readers with an older snapshot. #}
{% macro postgres__truncate_relation(relation) -%}
    {% call statement('truncate_relation') -%}
        delete from {{ relation.render() }}
    {%- endcall %}
{%- endmacro %}
