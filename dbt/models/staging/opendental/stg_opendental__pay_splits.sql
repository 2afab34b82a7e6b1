with

final as (

    select
        -- ids
        pay_splits.split_num as pay_split_id,
        nullif(pay_splits.pay_num, 0) as payment_id,
        nullif(pay_splits.pat_num, 0) as patient_id,
        nullif(pay_splits.prov_num, 0) as provider_id,
        nullif(pay_splits.clinic_num, 0) as clinic_id,
        nullif(pay_splits.proc_num, 0) as procedure_id,
        nullif(pay_splits.adj_num, 0) as adjustment_id,
        nullif(pay_splits.pay_plan_num, 0) as payment_plan_id,
        nullif(pay_splits.pay_plan_charge_num, 0) as payment_plan_charge_id,
        nullif(pay_splits.unearned_type, 0) as unearned_type_id,

        -- names, codes and flags
        (pay_splits.is_discount <> 0) as is_discount,

        -- amounts
        {{ money('pay_splits.split_amt') }} as split_amount,

        -- dates and times, the practice's local time
        pay_splits.date_pay as payment_date,
        pay_splits.date_entry as entered_date,

        -- stamps, UTC
        pay_splits.sec_date_t_edit as updated_at
    from {{ source('opendental', 'paysplit') }} as pay_splits

)

select * from final
