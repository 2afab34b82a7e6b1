{# In place of dbt's own: what a test keeps is in a table named by the model and its column, as the test's own name is too long for PostgreSQL. #}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- if custom_alias_name -%}
        {{ custom_alias_name | trim }}
    {%- elif node.resource_type == 'test' and node.test_metadata and node.column_name -%}
        {{ node.file_key_name.split('.') | last }}__{{ node.column_name }}
    {%- else -%}
        {{ node.name }}
    {%- endif -%}
{%- endmacro %}
