-- name: bring appointments forward
update appointment set AptDateTime = timestamp(%(day)s, time(AptDateTime))
where AptStatus = 1 and AptDateTime >= %(day)s
order by date(AptDateTime) > %(day)s and if(ProvHyg > 0, ProvHyg, ProvNum) not in (
    select schedule.ProvNum from schedule where SchedDate = %(day)s and SchedType = 1 and Status = 0
), AptDateTime, AptNum limit %(few)s

-- name: complete appointments
update appointment
set AptStatus = 2, DateTimeArrived = AptDateTime - interval 5 minute, DateTimeSeated = AptDateTime,
    DateTimeDismissed = AptDateTime + interval 5 * length(Pattern) minute
where AptStatus = 1 and date(AptDateTime) = %(day)s
    and mod(crc32(concat(%(salt)s, AptNum)), 100) < 85

-- name: break appointments
update appointment set AptStatus = 5
where AptStatus = 1 and date(AptDateTime) = %(day)s
    and mod(crc32(concat(%(salt)s, AptNum)), 100) < 96

-- name: give broken appointments another time
update appointment
set AptStatus = 1, AptDateTime = timestamp(%(day)s + interval 3 + mod(AptNum, 25) day,
    time(AptDateTime))
where AptStatus = 5 and AptDateTime between %(day)s - interval 6 day and %(day)s
    and mod(crc32(concat(%(salt)s, AptNum)), 100) < 15

-- name: complete procedures
update procedurelog join appointment on appointment.AptNum = procedurelog.AptNum
set procedurelog.ProcStatus = 2, procedurelog.ProcDate = %(day)s, procedurelog.DateEntryC = %(day)s,
    procedurelog.DateComplete = %(day)s
where appointment.AptStatus = 2 and date(appointment.AptDateTime) = %(day)s
    and procedurelog.ProcStatus = 1

-- name: chart missed appointments
insert into procedurelog (PatNum, AptNum, ProcDate, ProcFee, ProcStatus, ProvNum, ClinicNum,
    CodeNum, UnitQty, DateTP,
    DateEntryC, DateComplete, SecUserNumEntry, SecDateEntry)
select PatNum, AptNum, %(day)s, 50, 2, ProvNum, ClinicNum,
    (select CodeNum from procedurecode where ProcCode = if(mod(AptNum, 2) = 0, 'D9986', 'D9987')),
    1, %(day)s, %(day)s, %(day)s, 1, %(now)s
from appointment where AptStatus = 5 and date(AptDateTime) = %(day)s

-- name: detach completed procedures from plans
delete treatplanattach from treatplanattach
join procedurelog on procedurelog.ProcNum = treatplanattach.ProcNum
where procedurelog.ProcStatus = 2 and procedurelog.DateComplete = %(day)s

-- name: write procedure notes
insert into procnote (PatNum, ProcNum, EntryDateTime, UserNum, Note, SigIsTopaz, Signature)
select PatNum, ProcNum, %(now)s, 1 + mod(ProcNum, 5), concat('Done today.\r\n"OK"\t', ProcNum), 0,
    ''
from procedurelog where ProcStatus = 2 and DateComplete = %(day)s

-- name: move recalls
update recall join (
    select distinct PatNum from procedurelog where ProcStatus = 2 and DateComplete = %(day)s
) as seen on seen.PatNum = recall.PatNum
set recall.DatePrevious = %(day)s, recall.DateDue = %(day)s + interval 6 month + interval 1 day,
    recall.DateDueCalc = %(day)s + interval 6 month + interval 1 day,
    recall.DateScheduled = '0001-01-01'

-- name: adjust
insert into adjustment (AdjDate, AdjAmt, PatNum, AdjType, ProvNum, AdjNote, ProcDate, ProcNum,
    DateEntry, ClinicNum,
    SecUserNumEntry)
select %(day)s, -round(ProcFee * (UnitQty + BaseUnits) * 0.05, 2), PatNum,
    (select min(DefNum) from definition where Category = 1 and ItemValue = '-'),
    ProvNum, '5%% "today"', ProcDate, ProcNum, %(day)s, ClinicNum, 2
from procedurelog
where ProcStatus = 2 and DateComplete = %(day)s and ProcFee > 0
    and mod(crc32(concat(%(salt)s, ProcNum)), 100) < 30

-- name: pay
insert into payment (PayType, PayDate, PayAmt, PatNum, ClinicNum, DateEntry, PayNote, Receipt,
    IsSplit, SecUserNumEntry)
select (select min(DefNum) from definition where Category = 10), %(day)s,
    round(sum(round(ProcFee * (UnitQty + BaseUnits) * 0.4, 2)), 2), PatNum, min(ClinicNum), %(day)s,
    '', '',
    count(*) > 1, 2
from procedurelog
where ProcStatus = 2 and DateComplete = %(day)s and ProcFee > 0
    and mod(crc32(concat(%(salt)s, PatNum)), 100) < 80
group by PatNum order by PatNum

-- name: split payments
insert into paysplit (SplitAmt, PatNum, ProcDate, PayNum, ProvNum, DatePay, ProcNum, DateEntry,
    ClinicNum,
    SecUserNumEntry)
select round(ProcFee * (UnitQty + BaseUnits) * 0.4, 2), procedurelog.PatNum, procedurelog.ProcDate,
    payment.PayNum,
    procedurelog.ProvNum, %(day)s, procedurelog.ProcNum, %(day)s, procedurelog.ClinicNum, 2
from procedurelog join payment on payment.PatNum = procedurelog.PatNum
    and payment.PayNum > %(last_payment)s
where procedurelog.ProcStatus = 2 and procedurelog.DateComplete = %(day)s
    and procedurelog.ProcFee > 0
order by payment.PayNum, procedurelog.ProcNum

-- name: ask for parts of dynamic plans
insert into payplancharge (PayPlanNum, Guarantor, PatNum, ChargeDate, Principal, Interest, Note,
    ProvNum, ClinicNum,
    ChargeType, SecDateTEntry)
select plan.PayPlanNum, plan.Guarantor, plan.PatNum, %(day)s, plan.PayAmt, 0, '',
    min(charge.ProvNum),
    min(charge.ClinicNum), 0, %(now)s
from payplan as plan join payplancharge as charge on charge.PayPlanNum = plan.PayPlanNum
where plan.IsDynamic = 1 and plan.IsClosed = 0 and day(plan.PayPlanDate) = day(%(day)s)
    and plan.PayPlanDate < %(day)s
group by plan.PayPlanNum, plan.Guarantor, plan.PatNum, plan.PayAmt, plan.NumberOfPayments
having count(*) < plan.NumberOfPayments and max(charge.ChargeDate) < %(day)s

-- name: pay plan debits
insert into payment (PayType, PayDate, PayAmt, PatNum, ClinicNum, DateEntry, PayNote, Receipt,
    IsSplit, SecUserNumEntry)
select (select min(DefNum) from definition where Category = 10), %(day)s,
    round(sum(round(charge.Principal + charge.Interest, 2)), 2), charge.Guarantor,
    min(charge.ClinicNum), %(day)s, '', '',
    count(*) > 1, 2
from payplancharge as charge join payplan on payplan.PayPlanNum = charge.PayPlanNum
where charge.ChargeType = 0 and charge.ChargeDate = %(day)s and payplan.PlanNum = 0
    and payplan.IsClosed = 0
group by charge.Guarantor order by charge.Guarantor

-- name: split payments of plans
insert into paysplit (SplitAmt, PatNum, ProcDate, PayNum, ProvNum, PayPlanNum, PayPlanChargeNum,
    DatePay, ProcNum,
    DateEntry, ClinicNum, SecUserNumEntry)
select round(charge.Principal + charge.Interest, 2), charge.Guarantor, '0001-01-01', payment.PayNum,
    charge.ProvNum,
    charge.PayPlanNum, charge.PayPlanChargeNum, %(day)s, 0, %(day)s, charge.ClinicNum, 2
from payplancharge as charge join payplan on payplan.PayPlanNum = charge.PayPlanNum
join payment on payment.PatNum = charge.Guarantor and payment.PayNum > %(last_own_payment)s
where charge.ChargeType = 0 and charge.ChargeDate = %(day)s and payplan.PlanNum = 0
    and payplan.IsClosed = 0
order by payment.PayNum, charge.PayPlanChargeNum

-- name: estimate insurance
insert into claimproc (ProcNum, PatNum, ProvNum, Status, PlanNum, InsSubNum, ClinicNum, ProcDate,
    DateCP, BaseEst,
    InsEstTotal, Percentage, PercentOverride, WriteOffEst, WriteOffEstOverride, AllowedOverride,
    CopayAmt, CopayOverride,
    PaidOtherIns, DedEst, DedEstOverride, InsEstTotalOverride, PaidOtherInsOverride, SecDateEntry)
select procedurelog.ProcNum, procedurelog.PatNum, procedurelog.ProvNum, 6, inssub.PlanNum,
    inssub.InsSubNum,
    procedurelog.ClinicNum, procedurelog.ProcDate, procedurelog.ProcDate,
    round(ProcFee * (UnitQty + BaseUnits) * 0.6, 2),
    round(ProcFee * (UnitQty + BaseUnits) * 0.6, 2), 60, -1,
    round(ProcFee * (UnitQty + BaseUnits) * 0.1, 2), -1, -1, -1,
    -1, -1, -1, -1, -1, -1, %(day)s
from procedurelog
join patplan on patplan.PatNum = procedurelog.PatNum and patplan.Ordinal = 1
join inssub on inssub.InsSubNum = patplan.InsSubNum
where procedurelog.ProcNum > %(last_procedure)s and procedurelog.ProcStatus = 1
order by procedurelog.ProcNum

-- name: make claims
insert into claim (PatNum, DateService, ClaimStatus, PlanNum, ProvTreat, ProvBill, ClaimType,
    ClinicNum, InsSubNum,
    IsProsthesis, SecUserNumEntry, SecDateEntry, ClaimNote, Narrative)
select claimproc.PatNum, %(day)s, 'W', claimproc.PlanNum, min(procedurelog.ProvNum), 1, 'P',
    min(procedurelog.ClinicNum),
    claimproc.InsSubNum, 'N', 3, %(day)s, 'sent\twith "care"', ''
from claimproc join procedurelog on procedurelog.ProcNum = claimproc.ProcNum
where claimproc.Status = 6 and claimproc.ClaimNum = 0 and procedurelog.ProcStatus = 2
    and procedurelog.DateComplete = %(day)s
group by claimproc.PatNum, claimproc.PlanNum, claimproc.InsSubNum order by claimproc.PatNum

-- name: put procedures on claims
update claimproc
join procedurelog on procedurelog.ProcNum = claimproc.ProcNum
join claim on claim.ClaimNum > %(last_claim)s and claim.PatNum = claimproc.PatNum
    and claim.InsSubNum = claimproc.InsSubNum and claim.PlanNum = claimproc.PlanNum
set claimproc.ClaimNum = claim.ClaimNum, claimproc.Status = 0, claimproc.ProcDate = %(day)s,
    claimproc.DateCP = %(day)s,
    claimproc.FeeBilled = ProcFee * (UnitQty + BaseUnits),
    claimproc.InsPayEst = claimproc.InsEstTotal,
    claimproc.WriteOff = greatest(claimproc.WriteOffEst, 0)
where claimproc.Status = 6 and claimproc.ClaimNum = 0 and procedurelog.ProcStatus = 2
    and procedurelog.DateComplete = %(day)s

-- name: total claims
update claim join (
    select ClaimNum, round(sum(FeeBilled), 2) as fee, round(sum(InsPayEst), 2) as estimate,
        round(sum(InsPayAmt), 2) as paid, round(sum(WriteOff), 2) as written_off,
        round(sum(DedApplied), 2) as deductible
    from claimproc where ClaimNum > 0 group by ClaimNum
) as line on line.ClaimNum = claim.ClaimNum
set claim.ClaimFee = line.fee, claim.InsPayEst = line.estimate, claim.InsPayAmt = line.paid,
    claim.WriteOff = line.written_off, claim.DedApplied = line.deductible

-- name: photograph claims
insert into claimsnapshot (ProcNum, ClaimType, Writeoff, InsPayEst, Fee, DateTEntry, ClaimProcNum,
    SnapshotTrigger)
select ProcNum, 'P', WriteOffEst, InsPayEst, FeeBilled, %(now)s, ClaimProcNum, 0
from claimproc where ClaimNum > %(last_claim)s

-- name: receive checks
insert into claimpayment (CheckDate, CheckAmt, CarrierName, ClinicNum, DateIssued, PayType,
    SecDateEntry, Note)
select %(day)s, round(sum(claimproc.InsPayEst), 2), concat('Carrier ', insplan.CarrierNum),
    min(claimproc.ClinicNum),
    %(day)s, (select min(DefNum) from definition where Category = 32), %(day)s, ''
from claimproc join insplan on insplan.PlanNum = claimproc.PlanNum
where claimproc.Status = 0 and claimproc.ClaimNum in %(settled)s group by insplan.CarrierNum
order by insplan.CarrierNum

-- name: receive claim procedures
update claimproc
join insplan on insplan.PlanNum = claimproc.PlanNum
join claimpayment on claimpayment.ClaimPaymentNum > %(last_check)s
    and claimpayment.CarrierName = concat('Carrier ', insplan.CarrierNum)
set claimproc.Status = 1, claimproc.InsPayAmt = claimproc.InsPayEst,
    claimproc.WriteOff = greatest(WriteOffEst, 0),
    claimproc.DateCP = %(day)s, claimproc.DateInsFinalized = %(day)s,
    claimproc.ClaimPaymentNum = claimpayment.ClaimPaymentNum
where claimproc.Status = 0 and claimproc.ClaimNum in %(settled)s

-- name: close claims
update claim set ClaimStatus = 'R', DateReceived = %(day)s where ClaimNum in %(settled)s

-- name: track claims
insert into claimtracking (ClaimNum, TrackingType, UserNum, Note, TrackingDefNum,
    TrackingErrorDefNum)
select ClaimNum, 'StatusHistory', 2, 'EOB in; 100%% read', 0, 0 from claim
where ClaimNum in %(settled)s

-- name: send claims
update claim set ClaimStatus = 'S', DateSent = %(day)s, DateSentOrig = %(day)s
where ClaimStatus in ('W', 'U') and ClaimNum <= %(last_claim)s

-- name: recolour a definition
update definition set ItemColor = ItemColor + 1 where DefNum = 1 + mod(crc32(%(salt)s), 100)

-- name: change a preference
update preference set ValueString = concat('changed on ', %(day)s)
where PrefName = 'BillingDefaultsNote'

-- name: edit sheet fields
update sheetfield set FieldValue = concat('edited\r\n', %(day)s)
where mod(crc32(concat(%(salt)s, SheetFieldNum)), 1000) < 2

-- name: edit procedure notes
update procnote set Note = concat(coalesce(Note, ''), '\nAddendum ', %(day)s)
where mod(crc32(concat(%(salt)s, ProcNoteNum)), 1000) < 3

-- name: edit plan priorities
update treatplanattach set Priority = Priority + 1
where mod(crc32(concat(%(salt)s, TreatPlanAttachNum)), 1000) < 10

-- name: edit schedule rooms
update scheduleop join schedule on schedule.ScheduleNum = scheduleop.ScheduleNum
set scheduleop.OperatoryNum = 3 - scheduleop.OperatoryNum
where schedule.SchedType = 2 and scheduleop.OperatoryNum in (1, 2)
    and mod(crc32(concat(%(salt)s, ScheduleOpNum)), 1000) < 10

-- name: edit recall types
update recalltype set Description = concat('Custom ', %(day)s) where RecallTypeNum = 10

-- name: edit patients
update patient set WirelessPhone = concat('5559',
    lpad(mod(crc32(concat(%(salt)s, PatNum)), 100000), 6, '0'))
where mod(crc32(concat(%(salt)s, PatNum)), 1000) < 5

-- name: edit fees
update fee set Amount = Amount + 1 where mod(crc32(concat(%(salt)s, FeeNum)), 1000) < 3

-- name: delete commlogs
delete from commlog where mod(crc32(concat(%(salt)s, CommlogNum)), 1000) < 2

-- name: delete perio measures
delete from periomeasure where PerioExamNum in %(exams)s

-- name: delete plan attachments
delete from treatplanattach
where mod(crc32(concat(%(salt)s, TreatPlanAttachNum)), 1000) between 500 and 505

-- name: delete procedures
update procedurelog set ProcStatus = 6 where ProcStatus = 1 and AptNum = 0
    and mod(crc32(concat(%(salt)s, ProcNum)), 1000) < 4

-- name: delete estimates of deleted procedures
delete claimproc from claimproc join procedurelog on procedurelog.ProcNum = claimproc.ProcNum
where procedurelog.ProcStatus = 6 and claimproc.Status = 6 and claimproc.ClaimNum = 0

-- name: delete plan attachments of deleted procedures
delete treatplanattach from treatplanattach
join procedurelog on procedurelog.ProcNum = treatplanattach.ProcNum
where procedurelog.ProcStatus = 6

-- name: free procedures of deleted appointments
update procedurelog set AptNum = 0 where AptNum in %(cancelled)s

-- name: delete fields of deleted appointments
delete from apptfield where AptNum in %(cancelled)s

-- name: delete appointments
delete from appointment where AptNum in %(cancelled)s

-- name: purge the security log
delete from securitylog where LogDateTime < %(purged_before)s

-- name: purge the security hashes
delete from securityloghash where SecurityLogNum < (select min(SecurityLogNum) from securitylog)

-- name: archive the merged patient
update patient set PatStatus = 3, Guarantor = PatNum where PatNum = %(merged)s

-- name: link the merged patient
insert into patientlink (PatNumFrom, PatNumTo, LinkType, DateTimeLink)
values (%(merged)s, %(kept)s, 1, %(now)s)
