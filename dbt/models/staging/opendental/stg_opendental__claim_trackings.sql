with

final as (

    select
        -- ids
        claim_trackings.claim_tracking_num as claim_tracking_id,
        nullif(claim_trackings.claim_num, 0) as claim_id,
        nullif(claim_trackings.user_num, 0) as user_id,
        nullif(claim_trackings.tracking_def_num, 0) as tracking_status_id,
        nullif(claim_trackings.tracking_error_def_num, 0) as tracking_error_id,

        -- names, codes and flags
        nullif(claim_trackings.tracking_type, '') as tracking_type,

        -- stamps, UTC
        claim_trackings.date_time_entry as tracked_at

    from {{ source('opendental', 'claimtracking') }} as claim_trackings

)

select * from final
