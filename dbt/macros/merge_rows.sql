{# Make a standing table's rows equal to those of _elt_rows; if only touched ones were made, only those are compared. #}
{% macro merge_rows(relation, key, only_touched) -%}
    {%- set same_key = [] %}
    {%- for column in key %}
    {%- do same_key.append('standing.' ~ column ~ ' = made.' ~ column) %}
    {%- endfor %}
    {%- set of_touched = 'where ' ~ is_touched(config.get('touched_column')) if only_touched else '' %}
    {%- if only_touched and config.get('touched_days') %}
    {%- set of_touched = of_touched ~ ' or ' ~ is_changed_day(config.get('touched_days')) %}
    {%- endif %}
    {%- call statement('compare', fetch_result=true) %}
        {#- a model's own hook may have turned it off; rows are found by their key #}
        set local enable_nestloop = on;
        lock table {{ relation }} in share row exclusive mode;
        create temporary table _elt_differing on commit drop as
        select
            {%- for column in key %}
            coalesce(standing.{{ column }}, made.{{ column }}) as {{ column }},
            {%- endfor %}
            standing.{{ key[0] }} is not null as is_standing,
            made.{{ key[0] }} is not null as is_made
        from (select * from {{ relation }} {{ of_touched }}) as standing
        full join _elt_rows as made
            on {{ same_key | join(' and ') }}
        where standing.{{ key[0] }} is null
            or made.{{ key[0] }} is null
            or standing *<> made;
        select
            count(*),
            count(*) > 0.1 * (select reltuples from pg_class where oid = to_regclass($${{ relation }}$$)),
            to_regclass($${{ bookkeeping('etl_changed_row') }}$$) is not null
        from _elt_differing
    {%- endcall %}
    {%- set changed = load_result('compare').data[0] %}
    {%- set kept = config.get('keeps_changes') and changed[2] %}
    {#- of more, what is made of them is made anew #}
    {%- set few = changed[0] <= 50000 %}
    {%- if changed[0] %}
        {%- call statement('replace') %}
            {%- if kept %}
            {{ note_rows(relation, key, 'is_standing') if few else note_whole(relation) }};
            {%- endif %}
            delete from {{ relation }} as standing using _elt_differing as made where made.is_standing and {{ same_key | join(' and ') }};
            insert into {{ relation }} select made.* from _elt_rows as made inner join _elt_differing as standing on {{ same_key | join(' and ') }};
            {%- if kept and few %}
            {{ note_rows(relation, key, 'is_made') }};
            {%- endif %}
            {{ 'set local default_statistics_target = 20; analyze ' ~ relation if changed[1] }}
        {%- endcall %}
    {%- endif %}
    {%- if env_var('ELT_CHANGES', '') == '' %}
        {%- do persist_docs(relation, model) %}
        {%- do add_indexes(relation) %}
    {%- endif %}
{%- endmacro %}
