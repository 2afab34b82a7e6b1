{{ config(touched_column='procedure_id', keeps_changes=['procedure_id', 'patient_id', 'appointment_id', 'procedure_date']) }}

with

procedures as (

    select * from ({{ procedures_priced(only_touched('procedure_id')) }}) as priced_procedures

),

procedure_codes as (

    select * from {{ ref('stg_opendental__procedure_codes') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

final as (

    select
        procedures.procedure_id,
        procedures.patient_id,
        procedures.provider_id,
        procedures.clinic_id,
        procedures.appointment_id,
        procedures.planned_appointment_id,
        procedures.procedure_code_id,
        procedure_codes.procedure_code,
        procedure_codes.description as procedure_description,
        definitions.item_name as procedure_category,
        coalesce(procedure_codes.is_hygiene, false) as is_hygiene,
        procedures.procedure_status,
        procedures.is_completed,
        procedures.procedure_date,
        procedures.treatment_planned_date,
        procedures.entered_at,
        procedures.tooth_number,
        procedures.surface,
        procedures.tooth_range,
        procedures.units,
        procedures.procedure_fee,
        procedures.fee_total,
        procedures.capitation_write_off,
        procedures.gross_production,
        procedures.insurance_write_off,
        procedures.insurance_paid,
        procedures.insurance_pending,
        procedures.discount,
        procedures.updated_at
    from procedures
    left join procedure_codes
        on procedure_codes.procedure_code_id = procedures.procedure_code_id
    left join definitions
        on definitions.definition_id = procedure_codes.procedure_category_id

)

select * from final
