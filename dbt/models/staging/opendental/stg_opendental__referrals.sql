with

final as (

    select
        -- ids
        referrals.referral_num as referral_id,
        nullif(referrals.pat_num, 0) as patient_id,
        nullif(referrals.specialty, 0) as specialty_id,

        -- names, codes and flags
        nullif(referrals.l_name, '') as last_name,
        nullif(referrals.f_name, '') as first_name,
        nullif(referrals.business_name, '') as business_name,
        (referrals.is_doctor <> 0) as is_doctor,
        (referrals.not_person <> 0) as is_not_person,
        (referrals.is_hidden <> 0) as is_hidden,

        -- stamps, UTC
        referrals.date_t_stamp as updated_at
    from {{ source('opendental', 'referral') }} as referrals

)

select * from final
