"""The synthetic clinic: the real schema, consistent keys and money, ugly text, and days of practice."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any

import pytest

from deployments.clinic import ClinicError, connect, create, play_day
from deployments.clinic.create import read_size
from deployments.clinic.day import age_accounts
from deployments.clinic.filler import fill
from deployments.clinic.load import MARK, UNFINISHED, Loader, bulk_loading, opendental_session
from deployments.clinic.practice import Practice
from deployments.clinic.schema import create_statement, tables
from deployments.databases import Databases
from deployments.servers import Servers

AS_OF = date(2026, 11, 20)
PATIENTS = 120


def _connect(servers: Servers, database: str) -> Any:
    source = servers.source
    return connect(source.host, source.port, source.user, source.password, database)


def _rows(connection: Any, query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def _value(connection: Any, query: str) -> Any:
    return _rows(connection, query)[0][0]


def _checksums(connection: Any) -> dict[str, int]:
    names = ", ".join(f"`{table}`" for table in tables())
    return {
        name.split(".")[-1]: total for name, total in _rows(connection, f"CHECKSUM TABLE {names}")
    }


@pytest.fixture(scope="module")
def clinic(servers: Servers, module_databases: Databases) -> Iterator[Any]:
    """A clinic that no test changes."""
    with closing(_connect(servers, module_databases.source.name)) as connection:
        create(connection, PATIENTS, seed=7, as_of=AS_OF)
        yield connection


@pytest.fixture
def empty(servers: Servers, databases: Databases) -> Iterator[Any]:
    with closing(_connect(servers, databases.source.name)) as connection:
        yield connection


@pytest.mark.thorough
def test_the_same_seed_makes_the_same_clinic_and_days_change_it(clinic: Any, empty: Any) -> None:
    made = create(empty, PATIENTS, seed=7, as_of=AS_OF)
    before = _checksums(empty)
    assert before == _checksums(clinic)
    assert made.counts == read_size(empty)

    played = play_day(empty)
    assert played.day == date(2026, 11, 21)
    assert min(played.inserted, played.updated, played.deleted) > 20
    after = _checksums(empty)
    for table in (
        "appointment",
        "procedurelog",
        "claimproc",
        "payment",
        "paysplit",
        "securitylog",
        "famaging",
        "patient",
    ):
        assert after[table] != before[table]
    for unstamped in (
        "definition",
        "preference",
        "procnote",
        "sheetfield",
        "scheduleop",
        "treatplanattach",
    ):
        assert after[unstamped] != before[unstamped]
    assert after["zipcode"] == before["zipcode"]
    gone = "select count(*) from {0}.{1} old left join {1} new using ({2}) where new.{2} is null"
    other = _value(clinic, "select database()")
    for table in (
        "appointment",
        "commlog",
        "securitylog",
        "securityloghash",
        "schedule",
        "sheetfield",
        "periomeasure",
    ):
        assert _value(empty, gone.format(f"`{other}`", table, tables()[table].primary_key)) > 0

    assert [play_day(empty).day.day for _ in range(3)] == [22, 23, 24]
    merged = _value(
        empty,
        "select PatNumFrom from patientlink where LinkType = 1 order by PatientLinkNum desc limit 1",
    )
    assert _value(empty, f"select count(*) from procnote where PatNum = {merged}") == 0
    for truth in MONEY_TRUTHS.values():
        assert _rows(empty, truth) == []
    unpaid = (
        "select PayPlanChargeNum from payplancharge charge join payplan using (PayPlanNum) "
        "left join paysplit using (PayPlanChargeNum) where ChargeType = 0 and PlanNum = 0 and not IsClosed "
        "and ChargeDate between '2026-11-21' and '2026-11-24' and SplitNum is null"
    )
    assert _rows(empty, unpaid) == []


def test_all_tables_are_there_with_their_definitions(clinic: Any) -> None:
    engines = (
        "select table_name, engine from information_schema.tables where table_schema = database()"
    )
    assert dict(_rows(clinic, engines)) == dict.fromkeys(tables(), "MyISAM")
    assert len(tables()) == 408
    columns = (
        "select table_name, column_name, column_type, is_nullable from information_schema.columns "
        "where table_schema = database() order by table_name, ordinal_position"
    )
    assert sorted(
        (table, name, _plain(kind), null) for table, name, kind, null in _rows(clinic, columns)
    ) == sorted(
        (table.name, column.name, _plain(column.type), "YES" if column.nullable else "NO")
        for table in tables().values()
        for column in table.columns
    )
    stamps = (
        "select count(distinct table_name) from information_schema.columns where table_schema = database() "
        "and data_type = 'timestamp' and extra like '%on update%'"
    )
    assert _value(clinic, stamps) == 67
    keys = (
        "select table_name, column_name from information_schema.statistics "
        "where table_schema = database() and index_name = 'PRIMARY'"
    )
    assert dict(_rows(clinic, keys)) == {
        table.name: table.primary_key for table in tables().values()
    }


def _plain(kind: str) -> str:
    """MySQL 8 leaves out the display width of integers."""
    return re.sub(r"int\(\d+\)", "int", kind)


def test_servers_without_the_new_collation_get_the_general_one() -> None:
    assert "uca1400" in create_statement(tables()["patient"])
    assert "uca1400" not in create_statement(tables()["patient"], uca_known=False)


def test_tables_filled_at_the_real_clinic_have_rows(clinic: Any) -> None:
    counts = read_size(clinic)
    assert [name for name, table in tables().items() if table.rows and not counts[name]] == []
    assert sum(1 for rows in counts.values() if not rows) > 150


# What is attached to a procedure and taken off belongs to the procedure's day, whenever it was entered.
LAST_AGING = "(select cast(ValueString as date) from preference where PrefName = 'DateLastAging')"
ENTRIES = f"""
    select PatNum, ProcDate as day, ProcFee * (UnitQty + BaseUnits) as amount from procedurelog where ProcStatus = 2
    union all
    select claimproc.PatNum, DateCP, -if(PayPlanNum = 0, InsPayAmt, 0) - WriteOff
    from claimproc join procedurelog using (ProcNum) where Status in (1, 4, 5, 7) and ProcStatus = 2
    union all
    select PatNum, if(ProcNum <> 0 and total < 0, ProcDate, AdjDate), AdjAmt
    from adjustment join (select PatNum, ProcNum, AdjDate, sum(AdjAmt) as total from adjustment group by 1, 2, 3) as netted
    using (PatNum, ProcNum, AdjDate)
    union all
    select PatNum, DatePay, -SplitAmt from paysplit
    where UnearnedType not in (select DefNum from definition where Category = 29 and ItemValue <> '')
    union all
    select payplan.PatNum, ChargeDate, -Principal from payplancharge join payplan using (PayPlanNum)
    where ChargeType = 1 and ChargeDate <= {LAST_AGING}
    union all
    select charge.Guarantor, ChargeDate, Principal + Interest from payplancharge charge join payplan using (PayPlanNum)
    where ChargeType = 0 and PlanNum = 0 and ChargeDate <= {LAST_AGING}
    union all
    select procedurelog.PatNum, ProcDate, -(
        ProcFee * (UnitQty + BaseUnits)
        + coalesce((select sum(AdjAmt) from adjustment where adjustment.ProcNum = procedurelog.ProcNum), 0)
        - coalesce((select sum(SplitAmt) from paysplit where paysplit.ProcNum = procedurelog.ProcNum and PayPlanNum = 0), 0)
    )
    from payplanlink link join procedurelog on procedurelog.ProcNum = link.FKey and link.LinkType = 2
"""
SUM = "group by {0} having abs({1} - coalesce(sum({2}), 0)) > 0.004"
MONEY_TRUTHS = {
    "a payment is the sum of its splits": (
        "select payment.PayNum from payment left join paysplit on paysplit.PayNum = payment.PayNum "
        + SUM.format("payment.PayNum, payment.PayAmt", "payment.PayAmt", "SplitAmt")
    ),
    "a check is the sum of its claim procedures": (
        "select claimpayment.ClaimPaymentNum from claimpayment left join claimproc using (ClaimPaymentNum) "
        + SUM.format("claimpayment.ClaimPaymentNum, CheckAmt", "CheckAmt", "InsPayAmt")
    ),
    "income transfers are nothing": "select PayNum from payment where PayType = 0 and abs(PayAmt) > 0.004",
    **{
        f"a claim's {total} is the sum of its procedures": (
            "select claim.ClaimNum from claim left join claimproc on claimproc.ClaimNum = claim.ClaimNum "
            + SUM.format(f"claim.ClaimNum, claim.{total}", f"claim.{total}", f"claimproc.{part}")
        )
        for total, part in (
            ("ClaimFee", "FeeBilled"),
            ("InsPayEst", "InsPayEst"),
            ("InsPayAmt", "InsPayAmt"),
            ("WriteOff", "WriteOff"),
            ("DedApplied", "DedApplied"),
        )
    },
    "a family's balance is that of its members": (
        "select head.PatNum from patient head join patient member on member.Guarantor = head.PatNum "
        + SUM.format("head.PatNum, head.BalTotal", "head.BalTotal", "member.EstBalance")
    ),
    "buckets hold no credits": "select PatNum from patient where least(Bal_0_30, Bal_31_60, Bal_61_90, BalOver90) < 0",
    "only guarantors have buckets": (
        "select PatNum from patient where PatNum <> Guarantor "
        "and (Bal_0_30 or Bal_31_60 or Bal_61_90 or BalOver90 or BalTotal or InsEst or PayPlanDue)"
    ),
    "a balance is the sum of all entries": (
        f"select patient.PatNum from patient left join ({ENTRIES}) entry on entry.PatNum = patient.PatNum "
        + SUM.format("patient.PatNum, EstBalance", "EstBalance", "amount")
    ),
    "the buckets are what a family owes today": (
        "select head.PatNum from patient head left join ("
        f"select Guarantor, sum(amount) as owed from ({ENTRIES}) entry join patient on patient.PatNum = entry.PatNum "
        f"where day <= {LAST_AGING} group by Guarantor) family on family.Guarantor = head.PatNum "
        "where head.PatNum = head.Guarantor "
        "and abs(Bal_0_30 + Bal_31_60 + Bal_61_90 + BalOver90 - greatest(coalesce(owed, 0), 0)) > 0.004"
    ),
    "insurance is expected to pay what it was asked for and has not answered": (
        "select head.PatNum from patient head left join ("
        "select Guarantor, InsPayEst + WriteOff as expected from claimproc join patient using (PatNum) "
        "join procedurelog using (ProcNum) where Status = 0 and ProcStatus = 2"
        ") line on line.Guarantor = head.PatNum where head.PatNum = head.Guarantor "
        + SUM.format("head.PatNum, InsEst", "InsEst", "expected")
    ),
    "what is due on open plans is charged and not paid": (
        "select head.PatNum from patient head left join ("
        "select patient.Guarantor, Principal + Interest as amount from payplancharge charge "
        "join payplan using (PayPlanNum) join patient on patient.PatNum = charge.Guarantor where ChargeType = 0 "
        f"and PlanNum = 0 and not IsClosed and ChargeDate <= {LAST_AGING} + interval 10 day "
        "union all select patient.Guarantor, -SplitAmt from paysplit join payplan using (PayPlanNum) "
        "join patient on patient.PatNum = paysplit.PatNum where not IsClosed"
        ") due on due.Guarantor = head.PatNum where head.PatNum = head.Guarantor "
        + SUM.format("head.PatNum, PayPlanDue", "PayPlanDue", "amount")
    ),
    "a plan's debits are its credits": (
        "select PayPlanNum from payplan left join payplancharge using (PayPlanNum) where not IsDynamic "
        "group by PayPlanNum, CompletedAmt having abs(sum(if(ChargeType = 1, Principal, -Principal))) > 0.004 "
        "or abs(sum(if(ChargeType = 1, Principal, 0)) - CompletedAmt) > 0.004"
    ),
    "a plan that awaited insurance is credited what came": (
        "select PayPlanNum from payplan left join claimproc using (PayPlanNum) where payplan.PlanNum <> 0 "
        "group by PayPlanNum, CompletedAmt having abs(CompletedAmt - coalesce(sum(InsPayAmt), 0)) > 0.004"
    ),
    "the dashboard remembers ends of months, each once": (
        "select DateCalc from dashboardar group by DateCalc having count(*) > 1 or day(DateCalc + interval 1 day) <> 1"
    ),
}


def test_the_dashboard_remembers_what_families_owed(clinic: Any) -> None:
    """The four buckets of a day add up to what the families with a debt then owed."""
    remembered = _rows(
        clinic, "select DateCalc, BalTotal, InsEst from dashboardar order by DateCalc"
    )
    assert len(remembered) == 24
    assert remembered[-1][0] == date(2026, 10, 31)
    for day, total, expected in remembered[::5]:
        owed = (
            f"select sum(greatest(owed, 0)) from (select sum(amount) as owed from ({ENTRIES}) entry "
            f"join patient on patient.PatNum = entry.PatNum where day <= '{day}' group by Guarantor) family"
        )
        asked = (
            "select sum(InsPayEst + WriteOff) from claimproc join procedurelog using (ProcNum) where ProcStatus = 2 "
            f"and claimproc.ProcDate <= '{day}' and (Status = 0 or (Status = 1 and DateCP > '{day}'))"
        )
        assert total == pytest.approx(_value(clinic, owed), abs=0.004)
        assert expected == pytest.approx(_value(clinic, asked) or 0, abs=0.004)
        assert total > 100


@pytest.mark.parametrize("truth", MONEY_TRUTHS)
def test_money_adds_up(clinic: Any, truth: str) -> None:
    assert _rows(clinic, MONEY_TRUTHS[truth]) == []


def test_every_key_leads_to_a_row(clinic: Any) -> None:
    counts = read_size(clinic)
    orphans = []
    for table in tables().values():
        for column in table.columns:
            if not column.references or not counts[table.name] or column.name == table.primary_key:
                continue
            target = tables()[column.references]
            query = (
                f"select 1 from `{table.name}` child left join `{target.name}` parent "
                f"on parent.`{target.primary_key}` = child.`{column.name}` "
                f"where child.`{column.name}` <> 0 and parent.`{target.primary_key}` is null limit 1"
            )
            orphans += [f"{table.name}.{column.name}"] if _rows(clinic, query) else []
    assert orphans == []


@pytest.mark.thorough
def test_the_accounts_read_from_the_database_age_as_those_that_were_made(
    clinic: Any, empty: Any
) -> None:
    create(empty, 40, seed=3, as_of=AS_OF)
    names = "select LName, FName from patient where PatNum between 20 and 40"
    assert _rows(empty, names) != _rows(clinic, names)
    stored = (
        "select PatNum, round(EstBalance * 100), round(Bal_0_30 * 100), round(Bal_31_60 * 100), round(Bal_61_90 * 100), "
        "round(BalOver90 * 100), round(InsEst * 100), round(BalTotal * 100), round(PayPlanDue * 100) "
        "from patient order by PatNum"
    )
    remembered = "select * from dashboardar order by DateCalc"
    reckoned, months = _rows(empty, stored), _rows(empty, remembered)
    with empty.cursor() as cursor:
        cursor.execute(
            "update patient set EstBalance = 1, BalTotal = 0, Bal_0_30 = 0, BalOver90 = 0, InsEst = 0, PayPlanDue = 7"
        )
        cursor.execute("delete from dashboardar order by DateCalc desc limit 1")
    age_accounts(empty, AS_OF)
    assert _rows(empty, stored) == reckoned
    assert [row[1:] for row in _rows(empty, remembered)] == [row[1:] for row in months]
    assert sum(row[2] for row in reckoned) > 0
    age_accounts(empty, date(2026, 12, 2))
    assert _value(empty, "select max(DateCalc) from dashboardar") == date(2026, 11, 30)
    for truth in MONEY_TRUTHS.values():
        assert _rows(empty, truth) == []


BREAKS = "CodeNum in (select CodeNum from procedurecode where ProcCode in ('D9986', 'D9987'))"
NOT_ONE = "select count(*) from (select 1 from {} having {}) found"
LIVES = {
    "a plan of a patient with debits to come": (
        "select count(distinct PayPlanNum) from payplancharge join payplan using (PayPlanNum) "
        f"where PlanNum = 0 and ChargeType = 0 and ChargeDate > '{AS_OF}' and Interest > 0"
    ),
    "a plan whose credits belong to procedures": "select count(*) from payplancharge where ChargeType = 1 and ProcNum > 0",
    "a plan that somebody of another family pays": (
        "select count(*) from payplan join patient on patient.PatNum = payplan.PatNum "
        "where payplan.Guarantor <> patient.Guarantor"
    ),
    "a payment on a plan": "select count(*) from paysplit where PayPlanNum > 0 and PayPlanChargeNum > 0",
    "a closed plan": "select count(*) from payplan where IsClosed",
    "a plan for insurance": "select count(*) from payplan join claimproc using (PayPlanNum) where payplan.PlanNum > 0",
    "a dynamic plan": "select count(*) from payplanlink join payplan using (PayPlanNum) where IsDynamic",
    "a refund": "select count(*) from payment where PayAmt < 0 and PayType > 0",
    "an income transfer": "select count(*) from payment where PayType = 0",
    "a split to another family": (
        "select count(*) from paysplit join payment using (PayNum) join patient payer on payer.PatNum = payment.PatNum "
        "join patient on patient.PatNum = paysplit.PatNum where payer.Guarantor <> patient.Guarantor"
    ),
    "a payment dated ahead": f"select count(*) from paysplit where DatePay > '{AS_OF}'",
    "hidden unearned money": (
        "select count(*) from paysplit join definition on DefNum = UnearnedType where Category = 29 and ItemValue <> ''"
    ),
    "a bad debt": "select count(*) from adjustment join definition on DefNum = AdjType where ItemName = 'Bad Debt'",
    **{
        f"a claimproc of status {n}": f"select count(*) from claimproc where Status = {n}"
        for n in range(9)
    },
    **{
        f"a claim of status {s}": f"select count(*) from claim where ClaimStatus = '{s}'"
        for s in "UWHSR"
    },
    **{
        f"a claim of type {t}": f"select count(*) from claim where ClaimType = '{t}'"
        for t in ("S", "PreAuth", "Cap")
    },
    "a denied claim": (
        "select count(distinct ClaimNum) from claimtracking join claim using (ClaimNum) where TrackingErrorDefNum > 0 "
        "and ClaimStatus = 'R' and InsPayAmt = 0 and WriteOff = 0 and ClaimFee > 0"
    ),
    "a denied procedure": (
        "select count(*) from claimproc where Status = 1 and ClaimPaymentTracking > 0 and InsPayAmt = 0 and WriteOff = 0"
    ),
    "a claim that was zeroed out": (
        "select count(*) from claim where ClaimType = 'P' and ClaimStatus = 'R' and ClaimFee > 0 and InsPayAmt = 0 "
        "and WriteOff = 0 and ClaimNum not in (select ClaimNum from claimproc where ClaimPaymentTracking > 0)"
    ),
    "a claim sent again": "select count(*) from claim where DateSent > DateSentOrig",
    "tracking": "select count(*) from claimtracking where TrackingDefNum > 0",
    "a charted break": f"select count(*) from procedurelog where {BREAKS} and ProcStatus = 2",
    "a break charted a day later": (
        f"select count(*) from procedurelog join histappointment using (AptNum) where {BREAKS} and ProcStatus = 2 "
        "and HistApptAction in (2, 3) and ProcDate = date(AptDateTime) + interval 1 day"
    ),
    "a broken appointment that was not charted": (
        "select count(*) from appointment left join (select AptNum from histappointment where HistApptAction in (2, 3)) "
        "was on was.AptNum = appointment.AptNum where AptStatus = 5 and was.AptNum is null"
    ),
    "a broken appointment that was kept later": (
        "select count(*) from appointment join histappointment history using (AptNum) where appointment.AptStatus = 2 "
        "and HistApptAction in (2, 3) and history.AptDateTime < appointment.AptDateTime"
    ),
    "a deleted appointment": (
        "select count(*) from histappointment left join appointment using (AptNum) "
        "where HistApptAction = 4 and appointment.AptNum is null"
    ),
    "an unresolved appointment": f"select count(*) from appointment where AptStatus = 1 and AptDateTime < '{AS_OF}'",
    "an appointment to come": f"select count(*) from appointment where AptStatus = 1 and AptDateTime > '{AS_OF}'",
    "a charge for a broken appointment": (
        "select count(*) from adjustment join definition on DefNum = AdjType where ItemName = 'Broken Appointment'"
    ),
    "hygiene made again at the end of hygiene": (
        "select count(*) from appointment made join appointment kept on kept.PatNum = made.PatNum "
        "and date(kept.AptDateTime) = date(made.SecDateTEntry) where made.ProvHyg and kept.ProvHyg and kept.AptStatus = 2 "
        "and made.AptDateTime > kept.AptDateTime"
    ),
    "a merge": (
        "select count(*) from patientlink join patient on PatNum = PatNumFrom where LinkType = 1 and PatStatus = 3 "
        "and PatNum not in (select PatNum from procedurelog)"
    ),
    "a procedure that was presented and done": (
        "select count(*) from proctp join procedurelog on ProcNum = ProcNumOrig where ProcStatus = 2 "
        "and ProcDate > proctp.DateTP"
    ),
    **{
        f"a presented procedure of status {status}": (
            f"select count(*) from proctp join procedurelog on ProcNum = ProcNumOrig where ProcStatus = {status}"
        )
        for status in (1, 6, 8)
    },
    "a presented procedure that is scheduled": (
        "select count(*) from proctp join procedurelog on ProcNum = ProcNumOrig where ProcStatus = 1 and AptNum > 0"
    ),
    "a procedure that was presented twice": NOT_ONE.format(
        "proctp group by ProcNumOrig", "count(*) > 1"
    ),
    "a saved plan with a presenter": "select count(*) from treatplan where TPStatus = 0 and UserNumPresenter > 0",
    "procedures of inactive plans": "select count(*) from treatplanattach join treatplan using (TreatPlanNum) where TPStatus = 2",
    "hours that overlap": (
        "select count(*) from schedule one join schedule two on two.SchedDate = one.SchedDate "
        "and two.ProvNum = one.ProvNum and two.ScheduleNum > one.ScheduleNum "
        "where one.SchedType = 1 and two.SchedType = 1 and two.StartTime < one.StopTime"
    ),
    "a provider's day off": "select count(*) from schedule where SchedType = 1 and Status = 1",
    "a holiday": "select count(*) from schedule where SchedType = 0 and Status = 2",
    "a closed day": "select count(*) from schedule where SchedType = 0 and Status = 1",
    "a lunch": "select count(*) from schedule where SchedType = 2",
    "rooms of a schedule": "select count(*) from scheduleop join schedule using (ScheduleNum) where ProvNum > 0",
    "a provider whom reports hide": "select count(*) from provider where IsHiddenReport and HourlyProdGoalAmt > 0",
    "a recall put off until a day": "select count(*) from recall where DisableUntilDate > '0001-01-01'",
    "a recall put off until a balance": "select count(*) from recall where DisableUntilBalance > 0",
    "an overdue recall": f"select count(*) from recall where DateDue between '1900-01-01' and '{AS_OF}'",
    "a scheduled recall": "select count(*) from recall where DateScheduled > '0001-01-01'",
    "a patient who sent another": (
        "select count(*) from refattach join referral using (ReferralNum) where RefType = 1 and referral.PatNum > 0"
    ),
    "several referrals of a patient": NOT_ONE.format("refattach group by PatNum", "count(*) > 1"),
    "a referral that is not from": "select count(*) from refattach where RefType <> 1",
}


@pytest.mark.parametrize("life", LIVES)
def test_the_lives_of_a_practice_are_there(clinic: Any, life: str) -> None:
    assert _value(clinic, LIVES[life]) > 0


NEVER = {
    "an appointment made after it took place": (
        "select AptNum from appointment where AptDateTime > '0001-01-01' and SecDateTEntry > AptDateTime"
    ),
    "a break recorded before the appointment was made": (
        "select HistApptNum from histappointment where HistDateTStamp < SecDateTEntry"
    ),
    "work on a holiday": (
        "select AptNum from appointment join schedule on SchedDate = date(AptDateTime) "
        "where SchedType = 0 and AptStatus in (1, 2)"
    ),
    "a provider who is seen without hours": (
        "select AptNum from appointment left join schedule on SchedDate = date(AptDateTime) and SchedType = 1 "
        "and Status = 0 and schedule.ProvNum = if(ProvHyg > 0, ProvHyg, appointment.ProvNum) "
        f"where AptStatus = 2 and AptDateTime > '{AS_OF}' - interval 24 month and ScheduleNum is null"
    ),
    "a kept appointment in a room that is nobody's that day": (
        "select AptNum from appointment left join (select SchedDate, schedule.ProvNum, OperatoryNum from schedule "
        "join scheduleop using (ScheduleNum) where SchedType = 1 and Status = 0) hours on SchedDate = date(AptDateTime) "
        "and OperatoryNum = Op and hours.ProvNum = if(ProvHyg > 0, ProvHyg, appointment.ProvNum) "
        f"where AptStatus = 2 and AptDateTime > '{AS_OF}' - interval 24 month and SchedDate is null"
    ),
    "somebody older than 97": (
        f"select PatNum from patient where Birthdate between '1000-01-01' and '{AS_OF}' - interval 98 year"
    ),
    "a procedure planned after it was presented": (
        "select ProcNum from proctp join procedurelog on ProcNum = ProcNumOrig where procedurelog.DateTP > proctp.DateTP"
    ),
    "a cleaning left to somebody else's clinic": (
        "select AptNum from appointment join schedule on SchedDate = date(AptDateTime) and SchedType = 1 "
        "and schedule.ProvNum = ProvHyg where schedule.ClinicNum <> appointment.ClinicNum"
    ),
}


@pytest.mark.parametrize("thing", NEVER)
def test_what_never_happens(clinic: Any, thing: str) -> None:
    assert _rows(clinic, NEVER[thing]) == []


def test_kept_appointments_fill_the_hours_of_their_rooms(clinic: Any) -> None:
    """Nearly all of their minutes lie in hours of their provider in the same room."""
    inside = (
        "select sum(greatest(0, timestampdiff(minute, greatest(AptDateTime, timestamp(SchedDate, StartTime)), "
        "least(AptDateTime + interval 5 * length(Pattern) minute, timestamp(SchedDate, StopTime))))) from appointment "
        "join schedule on SchedDate = date(AptDateTime) and schedule.ProvNum = if(ProvHyg > 0, ProvHyg, appointment.ProvNum) "
        "join scheduleop on scheduleop.ScheduleNum = schedule.ScheduleNum and OperatoryNum = Op "
        f"where SchedType = 1 and Status = 0 and AptStatus = 2 and AptDateTime > '{AS_OF}' - interval 12 month"
    )
    kept = (
        "select sum(5 * length(Pattern)) from appointment "
        f"where AptStatus = 2 and AptDateTime > '{AS_OF}' - interval 12 month"
    )
    assert _value(clinic, inside) > 0.85 * float(_value(clinic, kept))


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("commlog", r"Note like '%\t%'"),
        ("commlog", r"Note like '%\r\n%'"),
        ("commlog", r"Note = '\\N'"),
        ("commlog", "Note = 'NULL'"),
        ("commlog", r"Note like '%\\\\'"),
        ("commlog", "Note like '%\"%' and Note like '%''%'"),
        ("commlog", r"Note like '%\% off%'"),
        ("commlog", "Note like '  %' and length(Note) > length(rtrim(Note))"),
        ("commlog", "Note like '%漢字%'"),
        ("commlog", "Note is null"),
        ("patient", "LName like '%''%'"),
        ("patient", "Birthdate = '0001-01-01'"),
        ("patient", "cast(AdmitDate as char) = '0000-00-00'"),
        ("claim", "IsProsthesis = 'N'"),
        ("claimproc", "WriteOffEst = -1"),
        ("procedurelog", "ProcStatus = 2 and UnitQty + BaseUnits > 1"),
        ("timeadjust", "RegHours < '00:00:00'"),
        ("clockevent", "OTimeHours < '00:00:00'"),
        ("payment", "PayType = 0"),
        ("adjustment", "AdjAmt > 0"),
        ("recall", "RecallInterval = 393217"),
        ("definition", "Category = 29 and ItemValue <> ''"),
    ],
)
def test_the_dirt_of_real_data_is_there(clinic: Any, table: str, condition: str) -> None:
    assert _value(clinic, f"select count(*) from {table} where {condition}") > 0


def test_stamps_lie_before_the_day_of_creation(clinic: Any) -> None:
    for table in ("patient", "procedurelog", "paysplit", "commlog"):
        latest = _value(clinic, f"select max({tables()[table].stamp}) from {table}")
        assert latest.date() < AS_OF


def test_without_local_infile_rows_are_inserted_the_same(
    servers: Servers, clinic: Any, empty: Any
) -> None:
    practice = Practice(PATIENTS, 7, AS_OF)
    with (
        closing(servers.source.connect(_value(empty, "select database()"))) as plain,
        bulk_loading(plain) as bulk,
        opendental_session(plain),
        opendental_session(clinic),
    ):
        assert not bulk
        loader = Loader(plain, practice.chance, practice.now, bulk, print)
        for table in ("commlog", "zipcode", "timeadjust"):
            loader.execute(create_statement(tables()[table], uca_known=False))
            loader.counts.update(read_size(clinic) | {table: 0})
            fill(loader, practice, table, practice.rows(table))
            columns = ", ".join(f"`{column.name}`" for column in tables()[table].columns)
            every = f"select {columns} from {table} order by 1"
            assert _rows(plain, every) == _rows(clinic, every)


def test_local_infile_is_left_as_it_was(clinic: Any) -> None:
    before = _value(clinic, "select @@global.local_infile")
    with bulk_loading(clinic) as bulk:
        assert bulk
        assert _value(clinic, "select @@global.local_infile") == 1
    assert _value(clinic, "select @@global.local_infile") == before


def test_a_foreign_database_is_left_alone(empty: Any) -> None:
    with empty.cursor() as cursor:
        cursor.execute("create table patient (PatNum bigint primary key)")
    for attempt in (
        lambda: create(empty, 3, replace=True),
        lambda: play_day(empty),
        lambda: read_size(empty),
    ):
        with pytest.raises(ClinicError, match=r"synthetic clinic"):
            attempt()
    assert _rows(empty, "show tables") == [("patient",)]


def test_a_clinic_is_replaced_only_on_demand(clinic: Any) -> None:
    with pytest.raises(ClinicError, match="--replace"):
        create(clinic, 3)


@pytest.mark.thorough
def test_an_unfinished_clinic_is_neither_played_nor_kept(empty: Any) -> None:
    with empty.cursor() as cursor:
        cursor.execute(create_statement(tables()["preference"], uca_known=False))
        cursor.execute(
            "insert into preference (PrefName, ValueString, Comments) values (%s, %s, '')",
            (MARK, UNFINISHED),
        )
    with pytest.raises(ClinicError, match="unfinished"):
        play_day(empty)
    create(empty, 2, as_of=AS_OF)
    assert play_day(empty).inserted > 0
