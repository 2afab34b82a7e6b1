with

first_visits as (

    select * from {{ ref('fct_visits') }}
    where previous_visit_date is null

),

patients as (

    select * from {{ ref('dim_patients') }}

),

referral_attachments as (

    select * from {{ ref('stg_opendental__referral_attachments') }}
    where referral_type = 'Referred from'

),

referrals as (

    select * from {{ ref('stg_opendental__referrals') }}

),

first_attachments as (

    select distinct on (patient_id)
        patient_id,
        referral_id
    from referral_attachments
    order by patient_id, list_order, referral_attachment_id

),

sources as (

    select
        first_attachments.patient_id,
        referrals.referral_id,
        referrals.patient_id as referring_patient_id,
        case
            when referrals.patient_id is not null then 'Patient'
            when referrals.is_doctor then 'Doctor'
            else 'Other source'
        end as referral_kind,
        -- names of patients and private persons stay out of it, so that it can be shown
        case
            when referrals.patient_id is not null then 'Another patient'
            when referrals.business_name is not null then referrals.business_name
            when not referrals.is_doctor and not referrals.is_not_person then 'Another person'
            else coalesce(nullif(concat_ws(', ', referrals.last_name, referrals.first_name), ''), 'Without a name')
        end as referral_source
    from first_attachments
    inner join referrals
        on referrals.referral_id = first_attachments.referral_id

),

final as (

    select
        first_visits.patient_id,
        first_visits.visit_date as first_visit_date,
        first_visits.provider_id,
        patients.primary_provider_id,
        first_visits.clinic_id,
        first_visits.gross_production as first_visit_production,
        coalesce(patients.gross_production, 0) as total_production,
        coalesce(patients.gross_production > 0, false) as has_production,
        case
            when patients.birth_date <= first_visits.visit_date
                then cast(extract(year from age(first_visits.visit_date, patients.birth_date)) as integer)
        end as age_at_first_visit,
        sources.referral_id,
        sources.referring_patient_id,
        coalesce(sources.referral_kind, 'Not recorded') as referral_kind,
        coalesce(sources.referral_source, 'Not recorded') as referral_source
    from first_visits
    left join patients
        on patients.patient_id = first_visits.patient_id
    left join sources
        on sources.patient_id = first_visits.patient_id

)

select * from final
