with

claim_trackings as (

    select * from {{ ref('stg_opendental__claim_trackings') }}
    where claim_id is not null

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

aggregated as (

    select
        claim_id,
        count(*) as claim_trackings,
        max(tracked_at) as last_tracked_at,
        -- the latest that names one
        (array_agg(tracking_status_id order by tracked_at desc nulls last, claim_tracking_id desc) filter (where tracking_status_id is not null))[1] as tracking_status_id,
        (array_agg(tracking_error_id order by tracked_at desc nulls last, claim_tracking_id desc) filter (where tracking_error_id is not null))[1] as tracking_error_id
    from claim_trackings
    group by claim_id

),

final as (

    select
        aggregated.claim_id,
        aggregated.claim_trackings,
        aggregated.last_tracked_at,
        statuses.item_name as tracking_status,
        errors.item_name as tracking_error
    from aggregated
    left join definitions as statuses
        on statuses.definition_id = aggregated.tracking_status_id
    left join definitions as errors
        on errors.definition_id = aggregated.tracking_error_id

)

select * from final
