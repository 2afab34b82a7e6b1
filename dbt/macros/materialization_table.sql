{#
    In place of dbt's own: a table that stands keeps its identity, and only rows that differ are touched. So views and rights that people gave it
    outlive a build, nobody waits for it, and little is written. The rows are compared by their bytes, as 1.0 equals 1.00 but is not the same.

    A model that says what touches its rows (`only_touched`) is built from those alone.
#}
{% materialization table, adapter='postgres' %}
    {%- set standing = load_cached_relation(this) %}
    {%- set target = this.incorporate(type='table') %}
    {%- set key = key_of(this) %}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- if standing is none or not standing.is_table or not key %}
        {%- do replace_table(standing, target, sql) %}
    {%- else %}
        {%- set only_touched = 'elt_touched()' in sql %}
        {%- call statement('main', fetch_result=true) %}
            {{ find_touched() if only_touched }}
            create temporary table _elt_rows on commit drop as
            {{ get_select_subquery(sql) if config.get('contract').enforced else sql }};
            select {{ same_columns(target, '_elt_rows') }}
        {%- endcall %}
        {%- if load_result('main').data[0][0] %}
            {%- do merge_rows(target, key, only_touched) %}
        {%- elif only_touched %}
            {%- do exceptions.raise_compiler_error(this.schema ~ '.' ~ this.identifier ~ ' has other columns than its model: drop it and run again.') %}
        {%- else %}
            {%- do replace_table(standing, target, 'select * from _elt_rows') %}
        {%- endif %}
    {%- endif %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
