{# The seed has a label for the code that the column shows. Warns, as a newer OpenDental may have codes of which we do not know; the rows' keys are kept in the schema of findings. #}
{% test labelled(model, column_name) %}

{{ config(severity='warn', store_failures=true, schema='findings') }}

with

unlabelled as (

    select {{ key_of(model) | join(', ') }}
    from {{ model }}
    where {{ column_name }} is null

)

select * from unlabelled

{% endtest %}
