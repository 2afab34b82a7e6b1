with

appointment_status_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'appointment_status'

),

appointment_priority_labels as (

    select
        code,
        label
    from {{ ref('code_labels') }}
    where enumeration = 'appointment_priority'

),

final as (

    select
        -- ids
        appointments.apt_num as appointment_id,
        nullif(appointments.pat_num, 0) as patient_id,
        nullif(appointments.prov_num, 0) as provider_id,
        nullif(appointments.prov_hyg, 0) as hygienist_id,
        nullif(appointments.clinic_num, 0) as clinic_id,
        nullif(appointments.op, 0) as operatory_id,
        nullif(appointments.next_apt_num, 0) as planned_appointment_id,
        nullif(appointments.appointment_type_num, 0) as appointment_type_id,
        nullif(appointments.confirmed, 0) as confirmation_id,
        nullif(appointments.unsched_status, 0) as unscheduled_status_id,

        -- names, codes and flags
        appointments.apt_status as appointment_status_code,
        appointment_status_labels.label as appointment_status,
        appointments.priority as appointment_priority_code,
        appointment_priority_labels.label as appointment_priority,
        (appointments.is_new_patient <> 0) as is_new_patient,
        (appointments.is_hygiene <> 0) as is_flagged_hygiene,
        5 * length(appointments.pattern) as length_minutes,

        -- dates and times, the practice's local time
        appointments.apt_date_time as appointment_at,
        case when cast(appointments.date_time_arrived as time) > '00:00' then appointments.date_time_arrived end as arrived_at,
        case when cast(appointments.date_time_seated as time) > '00:00' then appointments.date_time_seated end as seated_at,
        case when cast(appointments.date_time_dismissed as time) > '00:00' then appointments.date_time_dismissed end as dismissed_at,
        appointments.sec_date_t_entry as entered_at,

        -- stamps, UTC
        appointments.date_t_stamp as updated_at
    from {{ source('opendental', 'appointment') }} as appointments
    left join appointment_status_labels
        on appointment_status_labels.code = cast(appointments.apt_status as text)
    left join appointment_priority_labels
        on appointment_priority_labels.code = cast(appointments.priority as text)

)

select * from final
