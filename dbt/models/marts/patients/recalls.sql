with

recalls as (

    select * from {{ ref('int_recalls_unpacked') }}

),

recall_types as (

    select * from {{ ref('stg_opendental__recall_types') }}

),

definitions as (

    select * from {{ ref('stg_opendental__definitions') }}

),

patients as (

    select * from {{ ref('dim_patients') }}

),

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}
    where appointment_status = 'Scheduled'

),

settings as (

    select * from {{ ref('int_preferences_pivoted') }}

),

as_of_date as (

    select * from {{ ref('int_as_of_date') }}

),

-- from the first minute of the day on, as OpenDental has it
future_appointments as (

    select
        appointments.patient_id,
        min(appointments.appointment_at) as next_appointment_at
    from appointments
    inner join as_of_date
        on appointments.appointment_at > as_of_date.as_of_date
    group by appointments.patient_id

),

judged as (

    select
        recalls.*,
        as_of_date.as_of_date,
        recall_types.recall_type,
        definitions.item_name as recall_status,
        patients.clinic_id,
        patients.primary_provider_id,
        patients.secondary_provider_id,
        future_appointments.next_appointment_at,
        coalesce(patients.patient_status = 'Patient', false) as is_of_current_patient,
        recall_types.recall_type_id is not null
            and coalesce(recalls.recall_type_id = any(cast(string_to_array(settings.recall_types_showing, ',') as bigint[])), true) as is_type_showing,
        case
            when settings.is_recall_excluded_by_any_future_appointment then future_appointments.patient_id is not null
            else recalls.scheduled_date is not null
        end as is_taken_care_of,
        coalesce(recalls.disabled_until_date > as_of_date.as_of_date, false) as is_disabled_until_later,
        -- a negative limit is none
        coalesce(
            recalls.disabled_until_balance > 0
            and guarantors.balance_total - case when settings.is_balance_less_insurance_estimate then guarantors.insurance_estimate else 0 end
            > recalls.disabled_until_balance,
            false
        ) as is_disabled_by_balance
    from recalls
    cross join settings
    cross join as_of_date
    left join recall_types
        on recall_types.recall_type_id = recalls.recall_type_id
    left join definitions
        on definitions.definition_id = recalls.recall_status_id
    left join patients
        on patients.patient_id = recalls.patient_id
    left join patients as guarantors
        on guarantors.patient_id = patients.guarantor_id
    left join future_appointments
        on future_appointments.patient_id = recalls.patient_id

),

listed as (

    select
        judged.*,
        is_of_current_patient
        and is_type_showing
        and due_date is not null
        and not is_disabled
        and not is_taken_care_of
        and not is_disabled_until_later
        and not is_disabled_by_balance as is_on_list
    from judged

),

final as (

    select
        recall_id,
        patient_id,
        clinic_id,
        primary_provider_id,
        secondary_provider_id,
        recall_type_id,
        recall_type,
        recall_status,
        interval_years,
        interval_months,
        interval_weeks,
        interval_days,
        recall_interval,
        due_date,
        previous_date,
        scheduled_date,
        next_appointment_at,
        scheduled_date is not null as is_scheduled,
        is_disabled,
        disabled_until_date,
        disabled_until_balance,
        is_of_current_patient,
        is_type_showing,
        is_disabled_until_later,
        is_disabled_by_balance,
        is_on_list,
        is_on_list and due_date < as_of_date as is_overdue,
        case when is_on_list and due_date < as_of_date then as_of_date - due_date end as days_overdue,
        case
            when is_on_list and due_date < as_of_date then 'Overdue'
            when is_on_list then 'Due later'
            when is_of_current_patient and is_type_showing and not is_disabled and is_taken_care_of then 'Scheduled'
            else 'Not on the list'
        end as recall_standing,
        as_of_date,
        updated_at
    from listed

)

select * from final
