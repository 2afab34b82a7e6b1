with

procedures as (

    select * from {{ ref('int_procedures_priced') }}
    where procedure_status = 'Treatment planned'

),

appointments as (

    select * from {{ ref('stg_opendental__appointments') }}
    where appointment_status = 'Scheduled'

),

settings as (

    select * from {{ ref('int_preferences_pivoted') }}

),

final as (

    select
        procedures.procedure_id,
        procedures.appointment_id,
        procedures.patient_id,
        procedures.provider_id,
        procedures.clinic_id,
        appointments.clinic_id as appointment_clinic_id,
        cast(appointments.appointment_at as date) as scheduled_date,
        procedures.fee_total,
        -- capitation comes off always, so that the amount is the same once the procedure is complete
        procedures.estimated_capitation_write_off
            + case when settings.is_scheduled_production_less_write_offs then procedures.estimated_write_off else 0 end
            as scheduled_write_off,
        procedures.fee_total
            - procedures.estimated_capitation_write_off
            - case when settings.is_scheduled_production_less_write_offs then procedures.estimated_write_off else 0 end
            as scheduled_production,
        -coalesce(procedures.discount, 0) - coalesce(procedures.discount_plan_amount, 0) as scheduled_discount
    from procedures
    inner join appointments
        on appointments.appointment_id = procedures.appointment_id
    cross join settings

)

select * from final
