{# In place of dbt's own: what a test keeps is in a table named by the model, in a schema of its own. #}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- if custom_alias_name -%}
        {{ custom_alias_name | trim }}
    {%- elif node.resource_type == 'test' and node.test_metadata and node.test_metadata.name == 'findings' -%}
        {{ node.file_key_name.split('.') | last }}
    {%- else -%}
        {{ node.name }}
    {%- endif -%}
{%- endmacro %}
