{#
    In place of dbt's own: a table with a contract gets its key after its rows, as an index that is built by sorting costs
    less than one that grows with each row, and CREATE TABLE AS may read in parallel.
#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {#- what a test keeps has none #}
    {%- set contract = config.get('contract') %}
    {%- set with_contract = contract and contract.enforced and not temporary %}
    create {{ 'temporary ' if temporary }}table {{ relation }}
    {%- if with_contract %}
    {{ get_assert_columns_equivalent(sql) }}
    {%- set sql = get_select_subquery(sql) %}
    {%- endif %}
    as (
        {{ sql }}
    );
    {%- if with_contract %}
    {%- set constraints = [] %}
    {%- for column in model.columns.values() %}
    {%- for constraint in column.constraints %}
    {%- if constraint.type == 'primary_key' %}
    {%- do constraints.append('add primary key (' ~ adapter.quote(column.name) ~ ')') %}
    {%- elif constraint.type == 'not_null' %}
    {%- do constraints.append('alter column ' ~ adapter.quote(column.name) ~ ' set not null') %}
    {%- else %}
    {%- do exceptions.raise_compiler_error(column.name ~ ': contracts here have primary_key and not_null, not ' ~ constraint.type) %}
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
    {%- if constraints %}
    alter table {{ relation }} {{ constraints | join(', ') }};
    {%- endif %}
    {%- endif %}
{%- endmacro %}
