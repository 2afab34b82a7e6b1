{#
    OpenDental keeps amounts as double. The cast keeps 15 significant digits: what somebody typed comes out to the last
    digit, the binary noise behind it (29.999999999999996) goes, nothing is rounded to cents, and sums are exact.
#}
{% macro money(amount) -%}
    cast({{ amount }} as numeric)
{%- endmacro %}
