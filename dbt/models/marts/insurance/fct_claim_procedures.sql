{{ config(touched_column='claim_procedure_id', keeps_changes=['check_date', 'payment_date', 'procedure_date', 'snapshot_date']) }}

with

claim_procedures as (

    select * from {{ ref('int_claim_procedures_dated') }}
    {{ only_touched('claim_procedure_id') }}

),

insurance_plans as (

    select * from {{ ref('stg_opendental__insurance_plans') }}

),

carriers as (

    select * from {{ ref('stg_opendental__carriers') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

final as (

    select
        claim_procedures.claim_procedure_id,
        claim_procedures.claim_id,
        claim_procedures.procedure_id,
        claim_procedures.patient_id,
        claim_procedures.provider_id,
        claim_procedures.clinic_id,
        claim_procedures.insurance_plan_id,
        claim_procedures.insurance_subscriber_id,
        insurance_plans.carrier_id,
        carriers.carrier_name,
        claim_procedures.claim_payment_id,
        payment_types.item_name as payment_type,
        claim_procedures.payment_carrier_name,
        claim_procedures.payment_plan_id,
        payment_trackings.item_name as payment_tracking,
        claim_procedures.claim_procedure_status,
        claim_procedures.is_received,
        claim_procedures.is_pending,
        claim_procedures.is_on_payment,
        claim_procedures.has_snapshot,
        claim_procedures.is_transfer,
        claim_procedures.is_overpayment,
        claim_procedures.procedure_date,
        claim_procedures.payment_date,
        claim_procedures.received_date,
        claim_procedures.check_date,
        claim_procedures.snapshot_date,
        claim_procedures.fee_billed,
        claim_procedures.estimated_payment,
        claim_procedures.insurance_payment,
        claim_procedures.insurance_income,
        claim_procedures.deductible_applied,
        claim_procedures.write_off,
        coalesce(claim_procedures.estimated_write_off_override, claim_procedures.estimated_write_off) as estimated_write_off,
        claim_procedures.snapshot_write_off,
        claim_procedures.snapshot_estimated_payment,
        claim_procedures.write_off_by_payment_date,
        claim_procedures.write_off_by_procedure_date,
        claim_procedures.write_off_by_claim_date_expected,
        claim_procedures.write_off_by_claim_date_difference,
        claim_procedures.updated_at
    from claim_procedures
    left join insurance_plans
        on insurance_plans.insurance_plan_id = claim_procedures.insurance_plan_id
    left join carriers
        on carriers.carrier_id = insurance_plans.carrier_id
    left join definitions as payment_types
        on payment_types.definition_id = claim_procedures.payment_type_id
    left join definitions as payment_trackings
        on payment_trackings.definition_id = claim_procedures.payment_tracking_id

)

select * from final
