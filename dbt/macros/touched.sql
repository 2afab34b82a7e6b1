{#
    What a build from changed rows makes again. Of each row of a base table that is inserted, updated or deleted the pipeline keeps the whole numbers,
    its key and what it belongs to, as they were and as they are, until a build is good. `touched_by` says what follows from them for a model.

    `only_touched` is for a model that can be made for some values of one column alone. It leaves out the others if nothing else can have changed:
    each changed base table that the model descends from is one that `touched_by` reads, or of which the model shows nothing (`unread`), and neither
    the day nor a setting is another.

    A model may keep its own changes (`keeps_changes`: of all columns, or of those in a list). What is made of it is made of these: whatever changed it,
    they are all that has changed.
#}
{% macro only_touched(column, joined_by='where') -%}
    {%- if model.resource_type == 'model' and not execute %}
    {#- for dbt to know what it reads #}
    {%- set read = touched_by(model.name) %}
    {%- elif model.resource_type == 'model' %}
    {%- if 'changes_suffice' not in model %}
    {%- do model.update({'changes_suffice': changes_suffice()}) %}
    {%- endif %}
    {{ joined_by ~ ' ' ~ is_touched(column) if model.changes_suffice }}
    {%- endif %}
{%- endmacro %}


{#-
    The planner puts the values in place of a function that it may take for immutable, and such a condition into whatever view it stands on. What has no
    day is always made again.
#}
{% macro is_touched(column) -%}
    {%- set touched = column ~ " = any(pg_temp.elt_touched())" -%}
    {{- "(" ~ touched ~ " or " ~ column ~ " is null)" if config.get("touched_type") == "date" else touched -}}
{%- endmacro %}


{#- The days of int_aging_dates_listed that are not as they were at the last good build. #}
{% macro is_changed_day(column) -%}
    {{ column }} in (select links ->> 'aging_date_id' from {{ bookkeeping('etl_changed_row') }} where table_name = 'int_aging_dates_listed')
{%- endmacro %}


{% macro find_touched() -%}
    create temporary table _elt_touched on commit drop as {{ touched_by(model.name) }};
    create or replace function pg_temp.elt_touched() returns {{ config.get("touched_type", "bigint") }}[] language sql immutable
    as $$select coalesce(array_agg(touched), '{}') from _elt_touched$$;
{%- endmacro %}


{% macro changes_suffice() -%}
    {%- if flags.FULL_REFRESH or env_var('ELT_CHANGES', '') == '' %}
        {{- return(false) }}
    {%- endif %}
    {%- set found = origins_of(model) %}
    {%- if env_var('ELT_CHANGES') == 'on a new day' and found.of_the_day and not config.get('outlives_the_day') %}
        {{- return(false) }}
    {%- endif %}
    {%- set standing = load_cached_relation(this) %}
    {%- if standing is none or not standing.is_table %}
        {{- return(false) }}
    {%- endif %}
    {%- set days = is_changed_day('') if config.get('touched_days') else '' %}
    {%- set read = modules.re.findall("table_name = '([a-z0-9_]+)'", touched_by(model.name) ~ days) + config.get('unread', []) %}
    {%- set suffices %}
        select
            not exists (
                select from {{ bookkeeping('etl_change') }}
                where table_name = any({{ texts(found.tables) }}) and (row_count is null or table_name <> all({{ texts(read) }}))
            )
            and not exists (
                select from {{ bookkeeping('etl_changed_row') }}
                where public_id <= 0 and table_name = any({{ texts(found.tables) }}) and table_name <> all({{ texts(read) }})
            )
            and (
                select array_agg(cast(attname as text) order by cast(attname as text))
                from pg_attribute
                where attrelid = to_regclass($${{ this }}$$) and attnum > 0 and not attisdropped
            ) = {{ texts(model.columns.keys() | sort) }}
            {%- if found.of_settings %}
            and {{ settings_stand() }}
            {%- endif %}
    {%- endset %}
    {{- return(run_query(suffices).rows[0][0]) }}
{%- endmacro %}


{# The base tables that a model descends from, up to models that keep their own changes; whether the day and the settings are among them. #}
{% macro origins_of(node) -%}
    {%- set found = namespace(tables=[], of_the_day=false, of_settings=false, seen=[], waiting=node.depends_on.nodes) %}
    {%- for _ in range(1000) if found.waiting %}
        {%- set parents = found.waiting %}
        {%- set found.waiting = [] %}
        {%- for name in parents if name not in found.seen %}
            {%- do found.seen.append(name) %}
            {%- if name in graph.sources %}
                {%- do found.tables.append(graph.sources[name].identifier) %}
            {%- elif name in graph.nodes and graph.nodes[name].name == 'int_as_of_date' %}
                {%- set found.of_the_day = true %}
            {%- elif name in graph.nodes and graph.nodes[name].name == 'int_preferences_pivoted' %}
                {%- set found.of_settings = true %}
            {%- elif name in graph.nodes and graph.nodes[name].config.get('keeps_changes') %}
                {%- do found.tables.append(graph.nodes[name].name) %}
            {%- elif name in graph.nodes and graph.nodes[name].resource_type == 'model' %}
                {%- set found.waiting = found.waiting + graph.nodes[name].depends_on.nodes %}
            {%- endif %}
        {%- endfor %}
    {%- endfor %}
    {{- return(found) }}
{%- endmacro %}


{# Whether the settings that the model names are what they were at the last good build. #}
{% macro settings_stand() -%}
    (
        select count(distinct jsonb_build_array(
            {%- for name in config.get('settings', model.columns.keys() | list) %}links -> '{{ name }}'{{ ', ' if not loop.last }}{% endfor -%}
        )) < 2
        from {{ bookkeeping('etl_changed_row') }}
        where table_name = 'int_preferences_pivoted'
    )
{%- endmacro %}


{# What the changed rows of a base table, or of a model that keeps its changes, have in one column, before and now. #}
{% macro touched(table, column) -%}
    select coalesce(cast(links ->> '{{ column }}' as bigint), 0) from {{ bookkeeping('etl_changed_row') }} where table_name = '{{ table }}'
{%- endmacro %}


{# The same of a column with a day. #}
{% macro touched_days(table, column) -%}
    select cast(links ->> '{{ column }}' as date) from {{ bookkeeping('etl_changed_row') }} where table_name = '{{ table }}'
{%- endmacro %}


{# All days of the months of some days, as a day is found faster than its month. #}
{% macro days_of_months(days) -%}
    select cast(generate_series(first_day, first_day + interval '1 month' - interval '1 day', interval '1 day') as date)
    from (select distinct date_trunc('month', cast(listed_day as timestamp)) as first_day from ({{ days }}) as listed (listed_day)) as months
    where isfinite(first_day)
{%- endmacro %}


{% macro bookkeeping(table) -%}
    "{{ env_var('ANALYTICS_POSTGRES_BASE_SCHEMA', 'public') }}".{{ table }}
{%- endmacro %}


{#
    Keep the differing rows of a model as they are, for models built from touched rows. They are marked by the build of a run, which forgets them once it
    is good, as it has made of them all that is made of them; those of a build by hand stay until the next good build.
#}
{% macro note_rows(relation, key, which) -%}
    {%- set kept = config.get('keeps_changes') %}
    insert into {{ bookkeeping('etl_changed_row') }} (table_name, public_id, links)
    select
        '{{ relation.identifier }}',
        -{{ env_var('ELT_BUILD', '0') }},
        {% if kept is sequence -%}
        jsonb_build_object({% for column in kept %}'{{ column }}', noted.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
        {%- else -%}
        to_jsonb(noted)
        {%- endif %}
    from {{ relation }} as noted
    inner join _elt_differing as differing
        on {% for column in key %}differing.{{ column }} = noted.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
    where differing.{{ which }}
{%- endmacro %}


{# Note that any row of a model may be another. #}
{% macro note_whole(relation) -%}
    insert into {{ bookkeeping('etl_change') }} (table_name, public_id)
    values ('{{ relation.identifier }}', -{{ env_var('ELT_BUILD', '0') }})
    on conflict (table_name, public_id) do update set changed_at = excluded.changed_at
{%- endmacro %}
