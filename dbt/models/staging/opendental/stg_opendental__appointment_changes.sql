with

appointment_action_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'appointment_action'

),

appointment_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'appointment_status'

),

final as (

    select
        -- ids
        appointment_changes.hist_appt_num as appointment_change_id,
        nullif(appointment_changes.apt_num, 0) as appointment_id,
        nullif(appointment_changes.pat_num, 0) as patient_id,
        nullif(appointment_changes.prov_num, 0) as provider_id,
        nullif(appointment_changes.prov_hyg, 0) as hygienist_id,
        nullif(appointment_changes.clinic_num, 0) as clinic_id,
        nullif(appointment_changes.op, 0) as operatory_id,

        -- names, codes and flags
        appointment_changes.hist_appt_action as appointment_action_code,
        appointment_action_labels.label as appointment_action,
        appointment_changes.apt_status as appointment_status_code,
        appointment_status_labels.label as appointment_status,
        5 * length(appointment_changes.pattern) as length_minutes,

        -- dates and times, the practice's local time
        appointment_changes.apt_date_time as appointment_at,
        appointment_changes.hist_date_t_stamp as changed_at
    from {{ source('opendental', 'histappointment') }} as appointment_changes
    left join appointment_action_labels
        on appointment_action_labels.code = cast(appointment_changes.hist_appt_action as text)
    left join appointment_status_labels
        on appointment_status_labels.code = cast(appointment_changes.apt_status as text)

)

select * from final
