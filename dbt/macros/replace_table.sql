{#
    Make a table, in place of one with other columns if there is one. Rights on it are given again; where views that are not the project's stand on
    it, people are told to drop them, as PostgreSQL would drop them with it.
#}
{% macro replace_table(standing, relation, sql) -%}
    {%- set made = make_intermediate_relation(relation) %}
    {%- set old = make_backup_relation(relation, 'table' if standing is none else standing.type) %}
    {{ drop_relation_if_exists(load_cached_relation(made)) }}
    {{ drop_relation_if_exists(load_cached_relation(old)) }}
    {%- set rights = [] %}
    {%- if standing is not none %}
        {%- set readers = other_readers(standing) %}
        {%- if readers %}
            {%- do exceptions.raise_compiler_error(relation.schema ~ '.' ~ relation.identifier ~ ' must get other columns, but ' ~ readers | join(', ') ~ ' depends on it: drop that and run again.') %}
        {%- endif %}
        {%- set rights = run_query(rights_on(standing)).columns[0].values() %}
    {%- endif %}
    {%- call statement('main') %}
        {{ get_create_table_as_sql(False, made, sql) }}
    {%- endcall %}
    {%- do create_indexes(made) %}
    {%- if standing is not none %}
        {%- do adapter.rename_relation(standing, old) %}
    {%- endif %}
    {%- do adapter.rename_relation(made, relation) %}
    {%- for right in rights %}
        {%- do run_query(right) %}
    {%- endfor %}
    {%- do persist_docs(relation, model) %}
    {#- A table is new to the planner until autovacuum has seen it, and others are built from it at once. #}
    {%- do run_query('set local default_statistics_target = 20; analyze ' ~ relation) %}
    {%- if standing is not none %}
        {%- do adapter.drop_relation(old) %}
    {%- endif %}
{%- endmacro %}


{# Create the model's indexes that its standing table lacks. #}
{% macro add_indexes(relation) -%}
    {%- for index in config.get('indexes', []) %}
    {%- set columns = '(' ~ index.columns | join(', ') ~ ')' %}
    {%- set standing = "select 1 from pg_indexes where schemaname = '" ~ relation.schema ~ "' and tablename = '" ~ relation.identifier ~ "' and indexdef like '%" ~ columns ~ "'" %}
    {%- if not run_query(standing).rows %}
    {%- do run_query(get_create_index_sql(relation, index)) %}
    {%- endif %}
    {%- endfor %}
{%- endmacro %}


{# The views on a relation, and those on them, that are not the project's. #}
{% macro other_readers(relation) -%}
    {%- set ours = [] %}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' %}
        {%- do ours.append(node.schema ~ '.' ~ node.alias) %}
    {%- endfor %}
    {%- set found %}
        with recursive readers as (
            select to_regclass($${{ relation }}$$) as id
            union
            select pg_rewrite.ev_class
            from readers
            inner join pg_depend
                on pg_depend.refobjid = readers.id and pg_depend.refclassid = 'pg_class'::regclass and pg_depend.classid = 'pg_rewrite'::regclass
            inner join pg_rewrite
                on pg_rewrite.oid = pg_depend.objid
        )
        select nspname || '.' || relname
        from readers
        inner join pg_class on pg_class.oid = readers.id
        inner join pg_namespace on pg_namespace.oid = pg_class.relnamespace
        where pg_class.oid <> to_regclass($${{ relation }}$$)
        order by 1
    {%- endset %}
    {{- return(run_query(found).columns[0].values() | reject('in', ours) | list) }}
{%- endmacro %}


{# Statements that give people's rights on a relation again. #}
{% macro rights_on(relation) -%}
    select
        format('grant %s on %s to %s', right_on.privilege_type, $${{ relation }}$$, case when right_on.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(right_on.grantee)) end)
            || case when right_on.is_grantable then ' with grant option' else '' end
    from pg_class
    cross join lateral aclexplode(pg_class.relacl) as right_on
    where pg_class.oid = to_regclass($${{ relation }}$$)
        and right_on.grantee <> pg_class.relowner
{%- endmacro %}


{# Whether two tables have the same columns, types, and words of what is never NULL; the second is one of new rows, for which the contract says so. #}
{% macro same_columns(relation, made) -%}
    {%- set filled = [] %}
    {%- for column in model.columns.values() if column.constraints %}
    {%- do filled.append(column.name) %}
    {%- endfor %}
    (
        select array_agg((attname, atttypid, atttypmod, attnotnull) order by attnum)
        from pg_attribute
        where attrelid = to_regclass($${{ relation }}$$) and attnum > 0 and not attisdropped
    ) = (
        select array_agg((attname, atttypid, atttypmod, attname = any({{ texts(filled) }})) order by attnum)
        from pg_attribute
        where attrelid = to_regclass($${{ made }}$$) and attnum > 0
    )
{%- endmacro %}


{# An array of texts. #}
{% macro texts(words) -%}
    cast(array[{% for word in words %}'{{ word }}'{{ ', ' if not loop.last }}{% endfor %}] as text[])
{%- endmacro %}
