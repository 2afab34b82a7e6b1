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
    return {name.split(".")[-1]: total for name, total in _rows(connection, f"CHECKSUM TABLE {names}")}


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
    for unstamped in ("definition", "preference", "procnote", "sheetfield", "scheduleop", "treatplanattach"):
        assert after[unstamped] != before[unstamped]
    assert after["zipcode"] == before["zipcode"]
    gone = "select count(*) from {0}.{1} old left join {1} new using ({2}) where new.{2} is null"
    other = _value(clinic, "select database()")
    for table in ("appointment", "commlog", "securitylog", "securityloghash", "schedule", "sheetfield", "periomeasure"):
        assert _value(empty, gone.format(f"`{other}`", table, tables()[table].primary_key)) > 0

    assert [play_day(empty).day.day for _ in range(3)] == [22, 23, 24]
    merged = _value(empty, "select PatNumFrom from patientlink where LinkType = 1 order by PatientLinkNum desc limit 1")
    assert _value(empty, f"select count(*) from procnote where PatNum = {merged}") == 0
    for truth in MONEY_TRUTHS.values():
        assert _rows(empty, truth) == []


def test_all_tables_are_there_with_their_definitions(clinic: Any) -> None:
    engines = "select table_name, engine from information_schema.tables where table_schema = database()"
    assert dict(_rows(clinic, engines)) == dict.fromkeys(tables(), "MyISAM")
    assert len(tables()) == 408
    columns = (
        "select table_name, column_name, column_type, is_nullable from information_schema.columns "
        "where table_schema = database() order by table_name, ordinal_position"
    )
    assert sorted((table, name, _plain(kind), null) for table, name, kind, null in _rows(clinic, columns)) == sorted(
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
    assert dict(_rows(clinic, keys)) == {table.name: table.primary_key for table in tables().values()}


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
}


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


def test_the_accounts_read_from_the_database_age_as_those_that_were_made(clinic: Any, empty: Any) -> None:
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


def test_without_local_infile_rows_are_inserted_the_same(servers: Servers, clinic: Any, empty: Any) -> None:
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
    for attempt in (lambda: create(empty, 3, replace=True), lambda: play_day(empty), lambda: read_size(empty)):
        with pytest.raises(ClinicError, match=r"synthetic clinic"):
            attempt()
    assert _rows(empty, "show tables") == [("patient",)]


def test_a_clinic_is_replaced_only_on_demand(clinic: Any) -> None:
    with pytest.raises(ClinicError, match="--replace"):
        create(clinic, 3)


def test_an_unfinished_clinic_is_neither_played_nor_kept(empty: Any) -> None:
    with empty.cursor() as cursor:
        cursor.execute(create_statement(tables()["preference"], uca_known=False))
        cursor.execute(
            "insert into preference (PrefName, ValueString, Comments) values (%s, %s, '')", (MARK, UNFINISHED)
        )
    with pytest.raises(ClinicError, match="unfinished"):
        play_day(empty)
    create(empty, 2, as_of=AS_OF)
    assert play_day(empty).inserted > 0
