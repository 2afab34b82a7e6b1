with

claims as (

    select * from {{ ref('stg_opendental__claims') }}

),

claim_procedures as (

    select * from {{ ref('int_claim_procedures_aggregated_to_claims') }}

),

claim_trackings as (

    select * from {{ ref('int_claim_trackings_aggregated_to_claims') }}

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

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

classified as (

    select
        claims.*,
        as_of.as_of_date,
        -- of a past day only what was sent by then, and what was received since too
        case
            when not coalesce(as_of.is_historic, false) then claims.claim_status = 'Sent'
            else claims.claim_status in ('Sent', 'Received')
                and claims.first_sent_date <= as_of.as_of_date
                and (claims.claim_status = 'Sent' or claims.received_date > as_of.as_of_date)
        end as is_out,
        coalesce(claims.claim_type = 'Preauthorization', false) as is_preauthorization,
        coalesce(claims.claim_type = 'Capitation', false) as is_capitation,
        coalesce(claims.claim_type = 'Secondary', false) as is_secondary,
        coalesce(claims.claim_status in ('Unsent', 'Hold until primary received', 'Waiting to send'), false) as is_not_sent
    from claims
    cross join as_of

),

judged as (

    select
        classified.*,
        coalesce(is_out, false) and not is_preauthorization as is_outstanding,
        coalesce(claim_status = 'Received' and not is_out, false) and not is_preauthorization as is_received
    from classified

),

-- What is sent tomorrow, by the clock of another time zone, is 0 days old.
aged as (

    select
        judged.*,
        case when is_outstanding then greatest(as_of_date, first_sent_date) - first_sent_date end as days_outstanding,
        case when is_outstanding then greatest(as_of_date, sent_date) - sent_date end as days_outstanding_since_sent,
        case when is_outstanding then greatest(as_of_date, service_date) - service_date end as days_outstanding_since_service
    from judged

),

final as (

    select
        aged.claim_id,
        aged.patient_id,
        aged.insurance_plan_id,
        aged.insurance_subscriber_id,
        insurance_plans.carrier_id,
        carriers.carrier_name,
        aged.provider_id,
        aged.billing_provider_id,
        aged.clinic_id,
        aged.claim_type,
        aged.claim_status,
        definitions.item_name as custom_tracking,
        aged.is_preauthorization,
        aged.is_capitation,
        aged.is_secondary,
        aged.is_not_sent,
        aged.is_outstanding,
        aged.is_received,
        aged.service_date,
        aged.sent_date,
        aged.first_sent_date,
        aged.received_date,
        claim_procedures.first_check_date,
        claim_procedures.last_check_date,
        aged.as_of_date,
        aged.days_outstanding,
        aged.days_outstanding_since_sent,
        aged.days_outstanding_since_service,
        case
            when not aged.is_outstanding then null
            when aged.days_outstanding is null then 'Undated'
            when aged.days_outstanding <= 30 then '0 to 30'
            when aged.days_outstanding <= 60 then '31 to 60'
            when aged.days_outstanding <= 90 then '61 to 90'
            else 'Over 90'
        end as age_bucket,
        case when aged.is_received then aged.received_date - aged.first_sent_date end as turnaround_days,
        case when not aged.is_preauthorization then claim_procedures.first_check_date - aged.first_sent_date end as first_check_turnaround_days,
        aged.claim_fee,
        aged.estimated_payment,
        aged.insurance_payment,
        aged.write_off,
        aged.deductible_applied,
        case when aged.is_outstanding then aged.claim_fee else 0 end as outstanding_fee,
        case when aged.is_outstanding then aged.estimated_payment else 0 end as outstanding_estimate,
        coalesce(claim_procedures.procedures, 0) as procedures,
        coalesce(claim_procedures.claim_procedures, 0) as claim_procedures,
        coalesce(claim_procedures.insurance_payments, 0) as insurance_payments,
        coalesce(claim_procedures.has_supplemental, false) as has_supplemental,
        (
            aged.is_received
            and not aged.is_capitation
            and aged.claim_fee > 0
            and aged.insurance_payment = 0
            and aged.write_off = 0
            and not coalesce(claim_procedures.has_supplemental, false)
        ) as is_denied,
        claim_procedures.payment_tracking,
        claim_trackings.tracking_status,
        claim_trackings.tracking_error,
        claim_trackings.last_tracked_at,
        aged.updated_at
    from aged
    left join claim_procedures
        on claim_procedures.claim_id = aged.claim_id
    left join claim_trackings
        on claim_trackings.claim_id = aged.claim_id
    left join insurance_plans
        on insurance_plans.insurance_plan_id = aged.insurance_plan_id
    left join carriers
        on carriers.carrier_id = insurance_plans.carrier_id
    left join definitions
        on definitions.definition_id = aged.custom_tracking_id

)

select * from final
