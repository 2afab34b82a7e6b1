with

final as (

    select * from ({{ procedures_priced() }}) as priced_procedures

)

select * from final
