-- name: empty
truncate table famaging

-- name: age families
insert into famaging (PatNum, Bal_0_30, Bal_31_60, Bal_61_90, BalOver90, InsEst, BalTotal)
with entry as (
    select PatNum, ProcDate as day, round(ProcFee * (UnitQty + BaseUnits) * 100) as cents, 0 as attached
    from procedurelog where ProcStatus = 2
    union all
    select claimproc.PatNum, claimproc.DateCP, -round((InsPayAmt + WriteOff) * 100), 0
    from claimproc left join procedurelog on procedurelog.ProcNum = claimproc.ProcNum
    where Status in (1, 4, 5, 7) and (claimproc.ProcNum = 0 or procedurelog.ProcStatus = 2)
    union all
    select PatNum, AdjDate, round(AdjAmt * 100), 0 from adjustment where ProcNum = 0
    union all
    select min(PatNum), if(sum(AdjAmt) < 0, min(ProcDate), AdjDate), sum(round(AdjAmt * 100)), sum(AdjAmt) < 0
    from adjustment where ProcNum <> 0 group by ProcNum, AdjDate
    union all
    select PatNum, DatePay, -round(SplitAmt * 100), 0 from paysplit
    where UnearnedType not in (select DefNum from definition where Category = 29 and ItemValue <> '')
), summed as (
    select
        PatNum,
        sum(cents) as total,
        -sum(if(cents <= 0 and not attached and day <= %(day)s, cents, 0)) as pool,
        sum(if((cents > 0 or attached) and datediff(%(day)s, day) between 0 and 30, cents, 0)) as b0,
        sum(if((cents > 0 or attached) and datediff(%(day)s, day) between 31 and 60, cents, 0)) as b31,
        sum(if((cents > 0 or attached) and datediff(%(day)s, day) between 61 and 90, cents, 0)) as b61,
        sum(if((cents > 0 or attached) and datediff(%(day)s, day) > 90, cents, 0)) as b91
    from entry group by PatNum
), family as (
    select
        patient.Guarantor, sum(total) as total, sum(pool) as pool, sum(b0) as b0, sum(b31) as b31, sum(b61) as b61,
        sum(b91) as b91
    from summed join patient on patient.PatNum = summed.PatNum group by patient.Guarantor
), credited as (
    select
        Guarantor, total,
        pool - least(b0, 0) - least(b31, 0) - least(b61, 0) - least(b91, 0) as pool,
        greatest(b0, 0) as b0, greatest(b31, 0) as b31, greatest(b61, 0) as b61, greatest(b91, 0) as b91
    from family
), expected as (
    select patient.Guarantor, sum(round((InsPayEst + WriteOff) * 100)) as cents
    from claimproc join patient on patient.PatNum = claimproc.PatNum
    where Status = 0 group by patient.Guarantor
)
select
    credited.Guarantor,
    greatest(b0 - greatest(pool - b91 - b61 - b31, 0), 0) / 100,
    greatest(b31 - greatest(pool - b91 - b61, 0), 0) / 100,
    greatest(b61 - greatest(pool - b91, 0), 0) / 100,
    greatest(b91 - pool, 0) / 100,
    coalesce(expected.cents, 0) / 100,
    total / 100
from credited left join expected on expected.Guarantor = credited.Guarantor

-- name: store family balances
update patient left join famaging on famaging.PatNum = patient.PatNum
set
    patient.Bal_0_30 = coalesce(famaging.Bal_0_30, 0), patient.Bal_31_60 = coalesce(famaging.Bal_31_60, 0),
    patient.Bal_61_90 = coalesce(famaging.Bal_61_90, 0), patient.BalOver90 = coalesce(famaging.BalOver90, 0),
    patient.InsEst = coalesce(famaging.InsEst, 0), patient.BalTotal = coalesce(famaging.BalTotal, 0)

-- name: store own balances
update patient left join (
    select PatNum, sum(cents) / 100 as balance
    from (
        select PatNum, round(ProcFee * (UnitQty + BaseUnits) * 100) as cents from procedurelog where ProcStatus = 2
        union all
        select claimproc.PatNum, -round((InsPayAmt + WriteOff) * 100)
        from claimproc left join procedurelog on procedurelog.ProcNum = claimproc.ProcNum
        where Status in (1, 4, 5, 7) and (claimproc.ProcNum = 0 or procedurelog.ProcStatus = 2)
        union all
        select PatNum, round(AdjAmt * 100) from adjustment
        union all
        select PatNum, -round(SplitAmt * 100) from paysplit
        where UnearnedType not in (select DefNum from definition where Category = 29 and ItemValue <> '')
    ) as entry
    group by PatNum
) as own on own.PatNum = patient.PatNum
set patient.EstBalance = coalesce(own.balance, 0)

-- name: remember
update preference set ValueString = %(day)s where PrefName = 'DateLastAging'
