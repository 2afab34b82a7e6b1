with

referral_type_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'referral_type'

),

final as (

    select
        -- ids
        referral_attachments.ref_attach_num as referral_attachment_id,
        nullif(referral_attachments.referral_num, 0) as referral_id,
        nullif(referral_attachments.pat_num, 0) as patient_id,
        nullif(referral_attachments.proc_num, 0) as procedure_id,
        nullif(referral_attachments.prov_num, 0) as provider_id,

        -- names, codes and flags
        referral_attachments.ref_type as referral_type_code,
        referral_type_labels.label as referral_type,
        referral_attachments.item_order as list_order,

        -- dates and times, the practice's local time
        referral_attachments.ref_date as referral_date,

        -- stamps, UTC
        referral_attachments.date_t_stamp as updated_at
    from {{ source('opendental', 'refattach') }} as referral_attachments
    left join referral_type_labels
        on referral_type_labels.code = cast(referral_attachments.ref_type as text)

)

select * from final
