"""A source that is not the practice's, or that shows less than it did, is refused before anything is written."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import oracle
import pytest
from conftest import _fresh
from leftovers import close_idle
from oracle import Places, ask
from prefect.states import Failed
from runs import limited, run

from deployments.databases import Databases
from deployments.servers import Servers
from tasks.retrying import may_help
from transfer.errors import PreflightError, SourceRefused
from transfer.journey.mysql_checks import privileges
from transfer.journey.plan import look, note_presence
from transfer.journey.sync import sync
from transfer.settings import Settings

PATIENTS = (
    "PatNum bigint PRIMARY KEY AUTO_INCREMENT, LName varchar(100) NOT NULL, FName varchar(100) NOT NULL,"
    " Birthdate date NOT NULL DEFAULT '0001-01-01'"
)
PREFERENCES = (
    "PrefNum bigint PRIMARY KEY AUTO_INCREMENT, PrefName varchar(255) NOT NULL, ValueString text"
)


@pytest.fixture
def own(servers: Servers, databases: Databases) -> Iterator[Places]:
    with oracle.connected(servers, databases) as places:
        practise(places, "Ångström")
        yield places


@pytest.fixture
def other(servers: Servers, module_databases: Databases) -> Iterator[Places]:
    """The source of a practice that is not ours, with the same keys."""
    with oracle.connected(servers, module_databases) as places:
        for (table,) in ask(places.source, "SHOW TABLES"):
            ask(places.source, f"DROP TABLE {table}")
        practise(places, "Bohr")
        yield places


def practise(places: Places, name: str) -> None:
    """A practice of thirty people and a few more tables."""
    source = places.source
    ask(source, f"CREATE TABLE patient ({PATIENTS}) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3")
    ask(source, f"CREATE TABLE preference ({PREFERENCES}) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3")
    people = ", ".join(f"('{name} {number}', 'Ada')" for number in range(30))
    ask(source, f"INSERT INTO patient (LName, FName) VALUES {people}")
    ask(source, "INSERT INTO preference (PrefName, ValueString) VALUES ('PracticeTitle', %s)", name)
    for table in tables():
        ask(source, f"CREATE TABLE {table} (Id int PRIMARY KEY) ENGINE=MyISAM")
        ask(source, f"INSERT INTO {table} VALUES (1), (2)")


def tables() -> list[str]:
    return [f"more{number}" for number in range(7)]


def reading(settings: Settings, places: Places) -> Settings:
    """The settings with another source."""
    name = ask(places.source, "SELECT DATABASE()")[0][0]
    return settings.model_copy(update={"source": settings.source.model_copy(update={"db": name})})


def written(places: Places) -> list[object]:
    """What a run would alter in the replica and the warehouse."""
    return [
        ask(places.replica, "SELECT COUNT(*), MAX(id) FROM etl_extract_status"),
        ask(places.warehouse, "SELECT max(load_id), count(gone_at) FROM etl_transform_status"),
    ]


def refused(settings: Settings, places: Places, said: str, *tables: str) -> None:
    before = written(places)
    with pytest.raises(PreflightError, match=said) as error:
        run(settings, *tables)
    assert len(str(error.value).splitlines()) == 1
    assert "--accept-source" in str(error.value)
    assert written(places) == before


def accepted(settings: Settings) -> None:
    look(settings, accept_source=True)


def test_rights_that_are_lost_are_not_tables_that_are_gone(own, settings, servers, databases):
    run(settings)
    user = f"'{databases.source.user}'@'%'"
    (granted,) = (
        row[0]
        for row in ask(own.source, f"SHOW GRANTS FOR {user}")
        if databases.source.name.replace("_", r"\_") in row[0]
    )
    account = granted.replace("GRANT SELECT", "REVOKE SELECT").replace(" TO ", " FROM ")
    ask(own.source, account)
    close_idle()  # sessions that stand keep their rights
    ask(own.source, f"GRANT SELECT ON `{databases.source.name}`.preference TO {user}")
    ask(own.source, f"GRANT SELECT ON `{databases.source.name}`.patient TO {user}")
    try:
        refused(
            settings,
            own,
            "SOURCE_MYSQL_USER: .* does not see 7 tables that it showed before, more0 the first, and may not read",
        )
        accepted(settings)
    finally:
        for table in ("preference", "patient"):
            ask(own.source, f"REVOKE SELECT ON `{databases.source.name}`.{table} FROM {user}")
        ask(own.source, granted)
        close_idle()
    run(settings)
    assert oracle.unequal(own, ["patient", "preference", *tables()]) == {}


@pytest.mark.parametrize("gone", [5, 6])
def test_a_handful_of_tables_may_go_at_once(gone, own, settings):
    run(settings)
    ask(own.source, f"DROP TABLE {', '.join(tables()[:gone])}")
    if gone > settings.limits.gone_tables:
        refused(
            settings,
            own,
            "lacks 6 tables that it showed before, more0 the first, and ELT_GONE_TABLES allows 5 to go",
        )
        run(limited(settings, gone_tables=6))
    run(settings)
    ask(own.source, f"DROP TABLE {tables()[-1]}")
    run(settings)  # those that are known to be gone count no more
    assert ask(own.warehouse, "SELECT count(gone_at) FROM etl_transform_status") == [(gone + 1,)]


def test_a_database_without_preferences_is_not_the_practices(own, settings):
    run(settings)
    ask(own.source, "RENAME TABLE preference TO settings")
    refused(settings, own, "SOURCE_MYSQL_DB: .* shows no table preference")
    refused(settings, own, "SOURCE_MYSQL_DB: .* shows no table preference", "more1")
    accepted(settings)


def test_neither_is_one_that_has_all_the_rest_of_opendentals(own, settings):
    ask(own.source, "DROP TABLE preference")
    for table in ("appointment", "claimproc", "procedurelog"):
        ask(own.source, f"CREATE TABLE {table} (Id int PRIMARY KEY)")
    look(settings)
    ask(own.source, "CREATE TABLE provider (Id int PRIMARY KEY)")
    with pytest.raises(PreflightError, match="shows no table preference"):
        look(settings)


@pytest.mark.parametrize("named", [(), ("more1",)], ids=["all tables", "one table"])
def test_another_practices_database_is_refused(named, own, other, settings):
    run(settings)
    refused(
        reading(settings, other),
        own,
        "SOURCE_MYSQL_HOST or SOURCE_MYSQL_DB: .* is another practice's",
        *named,
    )
    accepted(reading(settings, other))


def test_another_practice_in_the_same_database_is_refused(own, settings):
    run(settings)
    ask(own.source, "UPDATE patient SET LName = CONCAT('Curie ', PatNum)")
    refused(settings, own, "is another practice's")


def test_the_same_practice_elsewhere_is_compared(own, other, settings):
    """As after a restore on another machine, when some have married and one was deleted."""
    run(settings)
    ask(
        other.source,
        "UPDATE patient SET LName = REPLACE(LName, 'Bohr', 'Ångström') WHERE PatNum > 4",
    )
    ask(other.source, "DELETE FROM patient WHERE PatNum = 20")
    elsewhere = reading(settings, other)
    run(elsewhere)
    assert oracle.unequal(replace(own, source=other.source), ["patient", *tables()]) == {}


def test_few_patients_say_nothing(own, other, settings):
    for places in (own, other):
        ask(places.source, "DELETE FROM patient WHERE PatNum > 2")
    run(settings)
    run(reading(settings, other))


def test_a_patients_table_that_somebody_holds_holds_no_run(own, settings, servers, databases):
    run(settings)
    ask(own.source, "INSERT INTO patient (LName, FName) VALUES ('New', 'One')")
    with closing(servers.source.connect(databases.source.name)) as holding:
        ask(holding, "LOCK TABLES patient WRITE")
        assert "patient" in {plan.table for plan in look(settings).work}
        ask(holding, "UNLOCK TABLES")


def test_a_new_replica_beside_the_warehouse_of_another_practice_is_refused(
    own, other, settings, servers
):
    """As when somebody takes another clinic's settings and keeps the lines of the warehouse."""
    run(settings)
    with _fresh(servers) as databases:
        fresh = settings.replica.model_copy(update={"db": databases.replica.name})
        elsewhere = reading(settings, other).model_copy(update={"replica": fresh})
        with pytest.raises(PreflightError, match="is another practice's"):
            run(elsewhere)
        accepted(elsewhere)
        run(settings.model_copy(update={"replica": fresh}))  # our own is welcome
        close_idle()


@pytest.mark.parametrize(
    ("hiding", "exclude"),
    [
        ("SELECT 1", ("patient",)),
        ("RENAME TABLE patient TO Patient", ()),
        ("DROP TABLE patient", ()),
    ],
    ids=["left out", "of another name", "gone"],
)
def test_another_practice_is_known_by_its_preferences_where_its_patients_are_not_seen(
    hiding, exclude, own, other, settings
):
    run(settings)
    for places, number in ((own, "555-0100"), (other, "555-0199")):
        ask(
            places.source,
            "INSERT INTO preference (PrefName, ValueString) VALUES ('PracticePhone', %s)",
            number,
        )
        ask(
            places.source,
            "INSERT INTO preference (PrefName, ValueString) VALUES ('RegistrationKey', '')",
        )
    run(settings)
    ask(other.source, hiding)
    elsewhere = limited(reading(settings, other), exclude=exclude)
    refused(elsewhere, own, "is another practice's")
    refused(elsewhere, own, "is another practice's", "more1")
    ask(
        other.source,
        "UPDATE preference SET ValueString = '555-0100' WHERE PrefName = 'PracticePhone'",
    )
    look(elsewhere)  # one of them is ours


def test_what_was_accepted_once_stays_accepted(own, other, settings):
    run(settings)
    ask(own.source, "DROP TABLE preference")
    accept(settings)
    run(settings)
    ask(other.source, "DELETE FROM patient WHERE PatNum > 5")
    elsewhere = limited(reading(settings, other), shrink_share=0.1)
    accept(elsewhere)
    assert oracle.unequal(replace(own, source=other.source), ["patient", *tables()]) == {}
    run(elsewhere)


def accept(settings: Settings) -> None:
    """What `--accept-source` does."""
    outlook = look(settings, accept_source=True)
    note_presence(settings, "accepted", outlook)
    for plan in outlook.work:
        sync(settings, plan, "accepted")


@pytest.mark.parametrize(
    "change",
    [
        "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "MODIFY Birthdate datetime NOT NULL DEFAULT '0001-01-01'",
    ],
)
def test_patients_are_the_same_whatever_their_columns_become(change, own, settings):
    run(settings)
    ask(own.source, f"ALTER TABLE patient {change}")
    run(settings)
    assert oracle.unequal(own, ["patient"]) == {}


def test_a_plan_for_a_new_warehouse_names_no_missing_table(own, settings, servers):
    run(settings)
    ask(own.source, "DROP TABLE more1")
    with _fresh(servers) as databases:
        fresh = settings.warehouse.model_copy(update={"db": databases.warehouse.name})
        assert look(settings.model_copy(update={"warehouse": fresh})).work
        close_idle()


def test_single_databases_may_be_taken_out_of_a_global_grant():
    grants = ["GRANT SELECT, INSERT ON *.* TO `u`@`%`", "REVOKE SELECT ON `clinic`.* FROM `u`@`%`"]
    assert privileges(grants, "clinic") == {"INSERT"}
    assert privileges(grants, "other") == {"SELECT", "INSERT"}


@pytest.mark.parametrize(
    ("error", "again"), [(SourceRefused("no"), False), (PreflightError("not now"), True)]
)
def test_nobody_tries_again_what_only_a_person_can_decide(error, again):
    assert may_help(None, None, Failed(data=error)) is again
