"""Collations that the replica's server does not know are refused before anything is done, or mapped where the user says so."""

import re
import shutil
from collections.abc import Iterator

import private
import pytest
from conftest import Client, settings_for
from runs import limited, run

from deployments.databases import Databases
from deployments.server import Server
from transfer.errors import PreflightError, SettingsError
from transfer.journey import compatibility, preflight
from transfer.mysql import pool
from transfer.mysql.definition import as_replica
from transfer.mysql.show_create import show_create
from transfer.settings import Limits, Settings

CLINIC = """<charset name="utf8mb4">
<collation name="utf8mb4_clinic_ci" id="1400"><rules><reset>z</reset><p>\\u00e6</p></rules></collation>
<collation name="utf8mb4_office_ci" id="1401"><rules><reset>z</reset><p>\\u00f8</p></rules></collation>
</charset>
</charsets>"""


@pytest.fixture(scope="module")
def clinic() -> Iterator[Server]:
    """A server with two collations of its own, that of its tables among them."""
    with private.home("collations") as folder, private.started(folder, {"source": []}) as plain:
        ours = folder / "charsets"
        command = plain.source.process.command  # type: ignore[union-attr]
        theirs = next(
            word.partition("=")[2] for word in command if word.startswith("--character-sets-dir=")
        )
        shutil.copytree(theirs, ours)
        index = ours / "Index.xml"
        index.write_text(index.read_text().replace("</charsets>", CLINIC))
        plain.source.kill()
        with private.started(folder, {"source": [f"--character-sets-dir={ours}"]}) as servers:
            database = servers.databases.source.name
            for name, columns, options in (
                (
                    "patient",
                    "Id int PRIMARY KEY, Name varchar(20), UNIQUE KEY (Name)",
                    "utf8mb4 COLLATE utf8mb4_clinic_ci",
                ),
                (
                    "recall",
                    "Id int, Note varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_clinic_ci",
                    "latin1",
                ),
                (
                    "staff",
                    "Id int, Note text, Code char(5) COLLATE utf8mb4_bin",
                    "utf8mb4 COLLATE utf8mb4_office_ci",
                ),
                ("plain", "Id int, Note text", "utf8mb4 COLLATE utf8mb4_general_ci"),
                ("tempdash1", "Id int", "utf8mb4 COLLATE utf8mb4_office_ci"),
            ):
                servers.source.execute(
                    f"CREATE TABLE `{database}`.{name} ({columns}) DEFAULT CHARSET={options}"
                )
            servers.source.execute(
                f"CREATE VIEW `{database}`.seen AS SELECT Note COLLATE utf8mb4_office_ci AS Note FROM `{database}`.staff"
            )
            servers.source.execute(
                f"INSERT INTO `{database}`.patient VALUES (1, 'a'), (2, 'Æ'), (3, NULL)"
            )
            yield servers


@pytest.fixture
def settings(clinic, databases: Databases) -> Settings:
    """From that server to the one that all tests share."""
    mine = settings_for(databases)
    return mine.model_copy(update={"source": settings_for(clinic.databases).source})


def test_unknown_collations_are_named_with_their_tables_and_the_choices(settings, replica):
    with pytest.raises(PreflightError) as error:
        preflight.check(settings)
    (sentence,) = str(error.value).splitlines()
    assert sentence.startswith("REPLICATION_MYSQL_HOST: the server at ")
    assert "utf8mb4_clinic_ci (2 tables), utf8mb4_office_ci (1 table)" in sentence
    assert "a server that knows them" in sentence
    assert "ELT_EXCLUDE" in sentence
    proposed = re.search(r"ELT_COLLATIONS=(\S+)\.$", sentence)
    assert proposed
    pairs = Limits(_env_file=None, collations=proposed[1]).collations
    assert [name for name, _ in pairs] == ["utf8mb4_clinic_ci", "utf8mb4_office_ci"]
    preflight.check(limited(settings, collations=pairs))
    assert replica.run("SHOW TABLES") == []


def test_tables_that_are_left_out_do_not_count(settings):
    preflight.check(limited(settings, exclude=("patient", "recall", "staff")))
    with pytest.raises(PreflightError, match="clinic_ci \\(1 table\\); take"):
        preflight.check(limited(settings, exclude=("patient", "staff")))


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (
            [("utf8mb4_clinic_ci", "utf8mb4_nosuch_ci")],
            "ELT_COLLATIONS: the replica's server does not know utf8mb4_nosuch_ci",
        ),
        (
            [("utf8mb4_clinic_ci", "utf8mb4_bin")],
            "these collations of the source: utf8mb4_office_ci (1 table); take",
        ),
    ],
)
def test_a_mapping_that_does_not_help_is_refused_in_one_sentence(pairs, words, settings):
    with pytest.raises(PreflightError) as error:
        preflight.check(limited(settings, collations=pairs))
    (sentence,) = str(error.value).splitlines()
    assert words in sentence


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("utf8mb4_0900_ai_ci", "as in a=b,c=d"),
        ("a=b=c", "as in a=b,c=d"),
        ("utf8mb4_0900_ai_ci=latin1_swedish_ci", "not of the character set"),
        ("utf8mb4_0900_ai_ci=uca1400_ai_ci", "not of the character set"),
        ("utf8mb4_a=utf8mb4_b,utf8mb4_a=utf8mb4_c", "twice"),
    ],
)
def test_an_unusable_mapping_is_named(value, words, monkeypatch):
    monkeypatch.setenv("ELT_COLLATIONS", value)
    with pytest.raises(SettingsError, match="ELT_COLLATIONS is unusable") as error:
        Limits.read()
    assert words in str(error.value)


def test_a_mapping_is_read(monkeypatch):
    monkeypatch.setenv(
        "ELT_COLLATIONS",
        " utf8mb4_0900_ai_ci = utf8mb4_unicode_520_ci ,utf8_bin=utf8mb3_general_ci,",
    )
    expected = (
        ("utf8mb4_0900_ai_ci", "utf8mb4_unicode_520_ci"),
        ("utf8_bin", "utf8mb3_general_ci"),
    )
    assert Limits.read().collations == expected


MAPPED = [("utf8mb4_clinic_ci", "utf8mb4_unicode_ci"), ("utf8mb4_office_ci", "utf8mb4_bin")]


@pytest.mark.parametrize("table", ["patient", "recall", "staff", "plain"])
def test_the_mapping_stands_in_the_replicas_definition(table, settings, replica: Client):
    with pool.connect(settings.source, settings.limits) as connection:
        wanted = as_replica(show_create(connection, table), "t", collations=MAPPED)
    replica.run(wanted.create)
    described = {
        "patient": ("utf8mb4_unicode_ci", [None, "utf8mb4_unicode_ci"]),
        "recall": ("latin1_swedish_ci", [None, "utf8mb4_unicode_ci"]),
        "staff": ("utf8mb4_bin", [None, "utf8mb4_bin", "utf8mb4_bin"]),
        "plain": ("utf8mb4_general_ci", [None, "utf8mb4_general_ci"]),
    }[table]
    found = replica.run(
        "SELECT TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
    )
    assert found == [(described[0],)]
    assert [row[2] for row in replica.run("SHOW FULL COLUMNS FROM t")] == described[1]


def test_a_mapped_table_arrives_and_is_left_alone_by_the_next_run(settings, replica: Client):
    mapped = limited(settings, collations=tuple(MAPPED))
    run(mapped, "patient")
    assert replica.run("SELECT Id, Name FROM patient ORDER BY Id") == [
        (1, "a"),
        (2, "Æ"),
        (3, None),
    ]
    made = "SELECT TABLE_COLLATION, CREATE_TIME FROM information_schema.TABLES WHERE TABLE_NAME = 'patient' AND TABLE_SCHEMA = DATABASE()"
    ((collation, created),) = replica.run(made)
    assert collation == "utf8mb4_unicode_ci"
    run(mapped, "patient", force_full=True)
    assert replica.run(made) == [(collation, created)]


@pytest.mark.needs("replica", "choice of the case of names at each start")
def test_a_replica_that_changes_the_case_of_names_is_refused(databases: Databases, source: Client):
    with (
        private.home("case") as folder,
        private.started(folder, {"replica": ["--lower-case-table-names=1"]}) as servers,
    ):
        mine = settings_for(databases).model_copy(
            update={"replica": settings_for(servers.databases).replica}
        )
        source.run("CREATE TABLE lower (a int)")
        preflight.check(mine)
        source.run("CREATE TABLE Upper (a int)")
        with pytest.raises(
            PreflightError,
            match=r"REPLICATION_MYSQL_HOST: .* change 1 of the source's, Upper the first",
        ):
            preflight.check(mine)
        preflight.check(limited(mine, exclude=("upper",)))


def test_a_character_set_that_the_replica_lacks_can_be_mapped_to_nothing(settings):
    sentence = compatibility.collations(
        settings, {"gb18030_chinese_ci": 2}, frozenset({"utf8mb4_bin"})
    )
    assert "gb18030_chinese_ci (2 tables); take a server" in sentence
    assert "ELT_COLLATIONS" not in sentence
