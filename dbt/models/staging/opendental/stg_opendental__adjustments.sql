with

final as (

    select
        -- ids
        adjustments.adj_num as adjustment_id,
        nullif(adjustments.pat_num, 0) as patient_id,
        nullif(adjustments.prov_num, 0) as provider_id,
        nullif(adjustments.clinic_num, 0) as clinic_id,
        nullif(adjustments.proc_num, 0) as procedure_id,
        nullif(adjustments.adj_type, 0) as adjustment_type_id,

        -- amounts
        {{ money('adjustments.adj_amt') }} as adjustment_amount,

        -- dates and times, the practice's local time
        adjustments.adj_date as adjustment_date,
        adjustments.proc_date as procedure_date,
        adjustments.date_entry as entered_date,

        -- stamps, UTC
        adjustments.sec_date_t_edit as updated_at
    from {{ source('opendental', 'adjustment') }} as adjustments

)

select * from final
