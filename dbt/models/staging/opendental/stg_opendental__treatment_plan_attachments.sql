with

final as (

    select
        -- ids
        treatment_plan_attachments.treat_plan_attach_num as treatment_plan_attachment_id,
        nullif(treatment_plan_attachments.treat_plan_num, 0) as treatment_plan_id,
        nullif(treatment_plan_attachments.proc_num, 0) as procedure_id,
        nullif(treatment_plan_attachments.priority, 0) as priority_id
    from {{ source('opendental', 'treatplanattach') }} as treatment_plan_attachments

)

select * from final
