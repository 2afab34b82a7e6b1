with

patient_link_type_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'patient_link_type'

),

final as (

    select
        -- ids
        patient_links.patient_link_num as patient_link_id,
        nullif(patient_links.pat_num_from, 0) as from_patient_id,
        -- PaySimple keeps a number of its own here
        case when patient_links.link_type <> 3 then nullif(patient_links.pat_num_to, 0) end as to_patient_id,

        -- names, codes and flags
        patient_links.link_type as patient_link_type_code,
        patient_link_type_labels.label as patient_link_type,

        -- dates and times, the practice's local time
        patient_links.date_time_link as linked_at
    from {{ source('opendental', 'patientlink') }} as patient_links
    left join patient_link_type_labels
        on patient_link_type_labels.code = cast(patient_links.link_type as text)

)

select * from final
