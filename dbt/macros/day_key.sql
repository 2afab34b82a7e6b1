{# The key of a row by day, provider and clinic; NULLs have their words, so that no amount is lost for want of a date. #}
{% macro day_key(day) -%}
    coalesce(cast({{ day }} as text), 'undated')
        || '|' || coalesce(cast(provider_id as text), 'no provider')
        || '|' || coalesce(cast(clinic_id as text), 'no clinic')
{%- endmacro %}
