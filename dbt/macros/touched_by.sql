{#
    What changed rows touch, model by model: every value of the model's column for which a row of the model may have become another, been added, or be
    no longer there. Too many cost time, too few would be wrong. What a row belonged to before is among the changes; what belongs to it now is looked up.
#}
{% macro touched_by(name) -%}
    select distinct touched from ({{ context['touched_by_' ~ name]() }}) as found (touched)
{%- endmacro %}


{% macro touched_by_fct_procedures() -%}
    {{ touched('procedurelog', 'proc_num') }}
    union all
    {{ touched('claimproc', 'proc_num') }}
    union all
    select procedure_id
    from {{ ref('stg_opendental__procedures') }}
    where procedure_code_id in (
        {{ touched('procedurecode', 'code_num') }}
        union all
        select procedure_code_id
        from {{ ref('stg_opendental__procedure_codes') }}
        where procedure_category_id in ({{ touched('definition', 'def_num') }})
    )
{%- endmacro %}


{% macro touched_by_fct_visits() -%}
    {{ touched('fct_procedures', 'patient_id') }}
{%- endmacro %}


{% macro touched_by_dim_patients() -%}
    {{ touched('patient', 'pat_num') }}
    union all
    {{ touched('fct_procedures', 'patient_id') }}
    union all
    {{ touched('patplan', 'pat_num') }}
    union all
    {{ touched('patientlink', 'pat_num_from') }}
    union all
    select patient_id
    from {{ ref('stg_opendental__patients') }}
    where billing_type_id in ({{ touched('definition', 'def_num') }})
    union all
    select patient_id
    from {{ ref('stg_opendental__patient_plans') }}
    where insurance_subscriber_id in (
        {{ touched('inssub', 'ins_sub_num') }}
        union all
        select insurance_subscriber_id
        from {{ ref('stg_opendental__insurance_subscribers') }}
        where insurance_plan_id in (
            {{ touched('insplan', 'plan_num') }}
            union all
            select insurance_plan_id
            from {{ ref('stg_opendental__insurance_plans') }}
            where carrier_id in ({{ touched('carrier', 'carrier_num') }})
        )
    )
{%- endmacro %}


{% macro touched_by_hygiene_visits() -%}
    {{ touched('fct_procedures', 'patient_id') }}
    union all
    {{ touched('appointment', 'pat_num') }}
    union all
    select patient_id
    from {{ ref('stg_opendental__appointments') }}
    where provider_id in ({{ touched('provider', 'prov_num') }})
{%- endmacro %}


{% macro touched_by_fct_appointments() -%}
    {{ touched('appointment', 'apt_num') }}
    union all
    {{ touched('histappointment', 'apt_num') }}
    union all
    {{ touched('fct_procedures', 'appointment_id') }}
    union all
    {{ touched('int_appointment_breaks_matched', 'appointment_id') }}
    union all
    select appointment_id
    from {{ ref('stg_opendental__appointments') }}
    where appointment_status in ('Scheduled', 'ASAP')
        or confirmation_id in ({{ touched('definition', 'def_num') }})
        or provider_id in ({{ touched('provider', 'prov_num') }})
{%- endmacro %}


{% macro touched_by_daily_collections() -%}
    {{ touched_days('fct_pay_splits', 'payment_date') }}
    union all
    {{ touched_days('fct_pay_splits', 'payment_header_date') }}
    union all
    {{ touched_days('fct_claim_procedures', 'check_date') }}
{%- endmacro %}


{% macro touched_by_daily_production() -%}
    {{ touched_days('fct_procedures', 'procedure_date') }}
    union all
    {{ touched_days('fct_adjustments', 'adjustment_date') }}
    union all
    {%- for column in ('payment_date', 'procedure_date', 'snapshot_date') %}
    {{ touched_days('fct_claim_procedures', column) }}
    union all
    {%- endfor %}
    {{ touched_days('fct_appointments', 'appointment_date') }}
    union all
    select appointment_date
    from {{ ref('fct_appointments') }}
    where appointment_id in (
        {{ touched('procedurelog', 'apt_num') }}
        union all
        {{ touched('appointment', 'apt_num') }}
        union all
        select appointment_id
        from {{ ref('stg_opendental__procedures') }}
        where procedure_id in ({{ touched('claimproc', 'proc_num') }})
    )
{%- endmacro %}


{% macro touched_by_production_by_procedure_code() -%}
    {{ days_of_months(touched_days('fct_procedures', 'procedure_date')) }}
{%- endmacro %}


{% macro touched_by_case_acceptance() -%}
    {{ days_of_months(touched_days('treatment_plan_procedures', 'presented_date')) }}
{%- endmacro %}


{% macro touched_by_fct_pay_splits() -%}
    {{ touched('paysplit', 'split_num') }}
    union all
    select pay_split_id
    from {{ ref('stg_opendental__pay_splits') }}
    where unearned_type_id in ({{ touched('definition', 'def_num') }})
        or payment_id in (
            {{ touched('payment', 'pay_num') }}
            union all
            select payment_id
            from {{ ref('stg_opendental__payments') }}
            where payment_type_id in ({{ touched('definition', 'def_num') }})
        )
{%- endmacro %}


{% macro touched_by_fct_claim_procedures() -%}
    {{ touched('claimproc', 'claim_proc_num') }}
    union all
    {{ touched('claimsnapshot', 'claim_proc_num') }}
    union all
    select claim_procedure_id
    from {{ ref('stg_opendental__claim_procedures') }}
    where payment_tracking_id in ({{ touched('definition', 'def_num') }})
        or claim_payment_id in (
            {{ touched('claimpayment', 'claim_payment_num') }}
            union all
            select claim_payment_id
            from {{ ref('stg_opendental__claim_payments') }}
            where payment_type_id in ({{ touched('definition', 'def_num') }})
        )
        or insurance_plan_id in (
            {{ touched('insplan', 'plan_num') }}
            union all
            select insurance_plan_id
            from {{ ref('stg_opendental__insurance_plans') }}
            where carrier_id in ({{ touched('carrier', 'carrier_num') }})
        )
{%- endmacro %}


{# By patient, whose account it is. #}
{% macro touched_by_int_account_transactions_aggregated_to_days() -%}
    {%- for table in ('procedurelog', 'claimproc', 'adjustment', 'paysplit', 'payplan', 'payplancharge') %}
    {{ touched(table, 'pat_num') }}
    union all
    {%- endfor %}
    {{ touched('payplancharge', 'guarantor') }}
    union all
    {{ touched('int_payment_plan_links_priced', 'patient_id') }}
    union all
    {{ touched('int_payment_plan_links_priced', 'payment_plan_patient_id') }}
    union all
    select coalesce(patient_id, 0)
    from {{ ref('stg_opendental__claim_procedures') }}
    where procedure_id in ({{ touched('procedurelog', 'proc_num') }})
    union all
    select coalesce(patient_id, 0)
    from {{ ref('stg_opendental__pay_splits') }}
    where unearned_type_id in ({{ touched('definition', 'def_num') }})
    union all
    select coalesce(patient_id, 0)
    from {{ ref('stg_opendental__payment_plans') }}
    where payment_plan_id in ({{ touched('payplancharge', 'pay_plan_num') }})
    union all
    select unnest(array[coalesce(charges.patient_id, 0), coalesce(charges.guarantor_id, 0), coalesce(payment_plans.patient_id, 0)])
    from {{ ref('stg_opendental__payment_plan_charges') }} as charges
    left join {{ ref('stg_opendental__payment_plans') }} as payment_plans
        on payment_plans.payment_plan_id = charges.payment_plan_id
    where charges.payment_plan_id in ({{ touched('payplan', 'pay_plan_num') }})
        or charges.procedure_id in ({{ touched('procedurelog', 'proc_num') }})
{%- endmacro %}


{% macro touched_by_fct_adjustments() -%}
    {{ touched('adjustment', 'adj_num') }}
    union all
    select adjustment_id
    from {{ ref('stg_opendental__adjustments') }}
    where adjustment_type_id in ({{ touched('definition', 'def_num') }})
{%- endmacro %}


{% macro touched_by_reconciliation_payments() -%}
    {{ touched('payment', 'pay_num') }}
    union all
    {{ touched('paysplit', 'pay_num') }}
{%- endmacro %}


{% macro touched_by_reconciliation_claims() -%}
    {{ touched('claim', 'claim_num') }}
    union all
    {{ touched('claimproc', 'claim_num') }}
{%- endmacro %}


{% macro touched_by_treatment_plan_procedures() -%}
    {{ touched('fct_procedures', 'procedure_id') }}
    union all
    {{ touched('claimproc', 'proc_num') }}
    union all
    {{ touched('proctp', 'proc_num_orig') }}
    union all
    {{ touched('adjustment', 'proc_num') }}
    union all
    select saved_plan_procedures.procedure_id
    from {{ ref('stg_opendental__saved_plan_procedures') }} as saved_plan_procedures
    left join {{ ref('stg_opendental__treatment_plans') }} as treatment_plans
        on treatment_plans.treatment_plan_id = saved_plan_procedures.treatment_plan_id
    where saved_plan_procedures.treatment_plan_id in ({{ touched('treatplan', 'treat_plan_num') }})
        or treatment_plans.presenter_user_id in ({{ touched('userod', 'user_num') }})
        or treatment_plans.entry_user_id in ({{ touched('userod', 'user_num') }})
    union all
    select procedure_id
    from {{ ref('fct_procedures') }}
    where appointment_id in ({{ touched('appointment', 'apt_num') }})
{%- endmacro %}


{# By family; the days are another matter. #}
{% macro touched_by_int_family_balances_aged() -%}
    {{ touched('patient', 'guarantor') }}
    union all
    select coalesce(guarantor_id, 0)
    from {{ ref('stg_opendental__patients') }}
    where patient_id in (
        {{ touched_by('int_account_transactions_aggregated_to_days') }}
        union all
        select patient_id
        from {{ ref('stg_opendental__pay_splits') }}
        where payment_plan_id in ({{ touched('payplan', 'pay_plan_num') }})
    )
{%- endmacro %}
