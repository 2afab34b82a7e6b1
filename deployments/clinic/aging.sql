-- name: patients
select PatNum, Guarantor from patient order by PatNum

-- name: preferences
select PrefName, ValueString from preference
where PrefName in ('AgingProcLifo', 'PayPlansBillInAdvanceDays')

-- name: procedures
select PatNum, greatest(ProcDate, cast(%(old)s as date)),
    cast(sum(round(ProcFee * (UnitQty + BaseUnits) * 100)) as signed)
from procedurelog where ProcStatus = 2 group by 1, 2, ProcFee < 0

-- name: claim procedures
select line.PatNum, greatest(line.DateCP, cast(%(old)s as date)),
    -cast(sum(round((if(line.PayPlanNum = 0, line.InsPayAmt, 0) + line.WriteOff) * 100)) as signed)
from claimproc as line left join procedurelog on procedurelog.ProcNum = line.ProcNum
where line.Status in (1, 4, 5, 7) and (line.ProcNum = 0 or procedurelog.ProcStatus = 2)
group by 1, 2, if(line.PayPlanNum = 0, line.InsPayAmt, 0) + line.WriteOff < 0

-- name: free adjustments
select PatNum, greatest(AdjDate, cast(%(old)s as date)), cast(sum(round(AdjAmt * 100)) as signed)
from adjustment where ProcNum = 0 group by 1, 2, AdjAmt < 0

-- name: attached adjustments
select PatNum, AdjDate, cast(round(AdjAmt * 100) as signed), ProcNum, ProcDate from adjustment
where ProcNum <> 0

-- name: splits
select PatNum, greatest(DatePay, cast(%(old)s as date)), -cast(sum(round(SplitAmt * 100)) as signed)
from paysplit
where UnearnedType not in (select DefNum from definition where Category = 29 and ItemValue <> '')
group by 1, 2, SplitAmt < 0

-- name: plan credits
select payplan.PatNum, charge.ChargeDate, -cast(round(charge.Principal * 100) as signed),
    charge.ProcNum,
    procedurelog.ProcDate
from payplancharge as charge join payplan on payplan.PayPlanNum = charge.PayPlanNum
left join procedurelog on procedurelog.ProcNum = charge.ProcNum
where charge.ChargeType = 1

-- name: plan debits
select charge.Guarantor, charge.ChargeDate,
    cast(round((charge.Principal + charge.Interest) * 100) as signed)
from payplancharge as charge join payplan on payplan.PayPlanNum = charge.PayPlanNum
where charge.ChargeType = 0 and payplan.PlanNum = 0

-- name: linked procedures
select procedurelog.PatNum, procedurelog.ProcDate,
    -cast(round(if(
        link.AmountOverride <> 0, link.AmountOverride,
        procedurelog.ProcFee * (procedurelog.UnitQty + procedurelog.BaseUnits)
            + coalesce((
                select sum(AdjAmt) from adjustment
                where adjustment.ProcNum = procedurelog.ProcNum
                and adjustment.PatNum = procedurelog.PatNum
                    and adjustment.ProvNum = procedurelog.ProvNum
                    and adjustment.ClinicNum = procedurelog.ClinicNum
            ), 0)
            - coalesce((
                select sum(
                    if(
                        Status in (1, 4, 7), InsPayAmt + WriteOff,
                        if(InsEstTotalOverride <> -1, InsEstTotalOverride, InsPayEst)
                            + if(WriteOffEstOverride <> -1, WriteOffEstOverride,
                                greatest(WriteOffEst, 0))
                    )
                ) from claimproc where claimproc.ProcNum = procedurelog.ProcNum and Status <> 2
            ), 0)
            - coalesce((
                select sum(SplitAmt) from paysplit
                where paysplit.ProcNum = procedurelog.ProcNum and paysplit.PayPlanNum = 0
            ), 0)
    ) * 100) as signed),
    procedurelog.ProcNum, procedurelog.ProcDate
from payplanlink as link join payplan on payplan.PayPlanNum = link.PayPlanNum
join procedurelog on procedurelog.ProcNum = link.FKey
where link.LinkType = 2 and procedurelog.ProcStatus = 2

-- name: linked adjustments
select adjustment.PatNum, adjustment.AdjDate,
    -cast(round(if(
        link.AmountOverride <> 0, link.AmountOverride,
        adjustment.AdjAmt - coalesce((
            select sum(SplitAmt) from paysplit
            where paysplit.AdjNum = adjustment.AdjNum and paysplit.PayPlanNum = 0
        ), 0)
    ) * 100) as signed)
from payplanlink as link join adjustment on adjustment.AdjNum = link.FKey
where link.LinkType = 1

-- name: estimates
select line.PatNum, line.ProcDate, if(line.Status = 0, null, line.DateCP),
    cast(round((line.InsPayEst + line.WriteOff) * 100) as signed)
from claimproc as line left join procedurelog on procedurelog.ProcNum = line.ProcNum
where (line.Status = 0 or (line.Status = 1 and line.DateCP > %(old)s))
    and (line.ProcNum = 0 or procedurelog.ProcStatus = 2)

-- name: plan dues
select charge.Guarantor, charge.ChargeDate,
    cast(round((charge.Principal + charge.Interest) * 100) as signed)
from payplancharge as charge join payplan on payplan.PayPlanNum = charge.PayPlanNum
where charge.ChargeType = 0 and payplan.PlanNum = 0 and payplan.IsClosed = 0

-- name: plan payments
select paysplit.PatNum, cast('0001-01-01' as date), -cast(round(SplitAmt * 100) as signed)
from paysplit join payplan on payplan.PayPlanNum = paysplit.PayPlanNum
where payplan.IsClosed = 0
    and UnearnedType not in (select DefNum from definition where Category = 29 and ItemValue <> '')

-- name: empty
truncate table famaging

-- name: store family balances
update patient left join famaging on famaging.PatNum = patient.PatNum
set
    patient.Bal_0_30 = coalesce(famaging.Bal_0_30, 0),
    patient.Bal_31_60 = coalesce(famaging.Bal_31_60, 0),
    patient.Bal_61_90 = coalesce(famaging.Bal_61_90, 0),
    patient.BalOver90 = coalesce(famaging.BalOver90, 0),
    patient.InsEst = coalesce(famaging.InsEst, 0),
    patient.BalTotal = coalesce(famaging.BalTotal, 0),
    patient.PayPlanDue = coalesce(famaging.PayPlanDue, 0)

-- name: own balances
select PatNum, cast(round(EstBalance * 100) as signed) from patient

-- name: store own balance
update patient set EstBalance = %(balance)s where PatNum = %(patient)s

-- name: remember
update preference set ValueString = %(day)s where PrefName = 'DateLastAging'

-- name: months remembered
select DateCalc from dashboardar where DateCalc >= %(day)s - interval 70 day
