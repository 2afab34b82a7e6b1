import base64
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import Client
from flow_runs import copy_project, elt, write_dbt
from post import Mailbox, mailbox
from prefect_server import PREFECT

from deployments.databases import PREFIXES, Databases
from transfer.errors import DatabaseFault, EltError
from transfer.mysql import load_data, pool, reading
from transfer.mysql.connection import Connection
from transfer.postgres.pool import connect
from transfer.settings import Settings
from transfer.values.table import Column

pytest_plugins = ["prefect_server"]

# Planted: a name, a social security number, a note.
NAME = f"Zyxqua{secrets.token_hex(4)} Plantedname"
NUMBER = f"9{secrets.randbelow(10**11):011}"
NOTE = f"afraid of {secrets.token_hex(6)}"


def traces(values: Iterable[str], found: bytes) -> list[str]:
    """Look for values as they are, and as hexadecimal and base64 hide them."""
    return [value for value in values if any(form in found for form in forms(value))]


def forms(value: str) -> Iterable[bytes]:
    plain = value.encode()
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for shift in range(3):
        yield base64.b64encode(b"x" * shift + plain)[4 if shift else 0 : -4]


def files(*folders: Path) -> list[Path]:
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]


def test_hidden_values_would_be_found():
    hidden = {NAME, base64.b64encode(f"a{NAME}".encode()).decode(), NAME.encode().hex()}
    assert all(traces([NAME], text.encode()) == [NAME] for text in hidden)
    assert traces([NAME], b"Zyxqua") == []


STANDARDIZE = {
    # A cast that quotes the value.
    "cast": 'SELECT "Id" AS id, "Note"::int AS note FROM raw."cast"',
    # A key that is there twice.
    "twice": 'SELECT max("Id") OVER () AS id FROM raw.twice',
}


def plant(source: Client) -> None:
    source.run(
        "CREATE TABLE patient (PatNum bigint PRIMARY KEY AUTO_INCREMENT, LName varchar(99), SSN text) ENGINE=MyISAM"
    )
    source.run(
        "CREATE TABLE appointment (AptNum bigint PRIMARY KEY AUTO_INCREMENT, Note text) ENGINE=MyISAM"
    )
    source.run("CREATE TABLE twice (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    source.run(
        "CREATE TABLE required (Id bigint PRIMARY KEY AUTO_INCREMENT, Name text, Note text) ENGINE=MyISAM"
    )
    source.run("CREATE TABLE cast (Id bigint PRIMARY KEY AUTO_INCREMENT, Note text) ENGINE=MyISAM")
    source.run(
        "INSERT INTO patient (LName, SSN) VALUES (%s, %s), ('nobody', %s)", NAME, NUMBER, NUMBER
    )
    source.run("INSERT INTO appointment (Note) VALUES (%s), (CONCAT(%s, CHAR(0)))", NOTE, NAME)
    source.run("INSERT INTO twice VALUES (%s), (1)", NUMBER)
    source.run("INSERT INTO required (Name, Note) VALUES (%s, %s)", NAME, NOTE)
    source.run("INSERT INTO cast (Note) VALUES (%s)", NOTE)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as opened:
        yield opened


def test_no_value_and_no_password_is_left_behind(
    databases: Databases,
    prefect_api: str,
    source: Client,
    warehouse: Client,
    box: Mailbox,
    tmp_path: Path,
):
    plant(source)
    home, prefect_home = copy_project(tmp_path / "project"), tmp_path / "prefect"
    small = home / "dbt"
    for path in (small / "models", small / "tests", small / "seeds", small / "macros"):
        path.rename(tmp_path / f"real_{path.name}")
    write_dbt(small)
    (small / "tests/nobody_is_nobody.sql").unlink()
    # A run without a server starts Prefect's own, which takes long to make its first database.
    prefect_home.mkdir()
    with (
        closing(sqlite3.connect(PREFECT / "prefect/prefect.db")) as made,
        closing(sqlite3.connect(prefect_home / "prefect.db")) as copy,
    ):
        made.backup(copy)
    quiet = {**databases.variables(), "PREFECT_HOME": str(prefect_home), "ELT_RETRY_SECONDS": "0.1"}
    quiet["ELT_NOTIFY"] = box.addresses
    # As on every company's machine; what is on this one goes past them.
    quiet |= dict.fromkeys(("HTTP_PROXY", "https_proxy"), "http://127.0.0.1:9") | {
        "ALL_PROXY": "socks5://127.0.0.1:9"
    }
    on_server = quiet | {"PREFECT_API_URL": prefect_api}
    ended = [elt(home, quiet, "--json"), elt(home, on_server, "--plan")]
    assert [(each.code, each.err) for each in ended] == [(0, "")] * 2, ended
    assert json.loads(ended[0].out)["models"]["passed"] == 3

    warehouse.run("ALTER TABLE public.required ADD CHECK (note IS NOT NULL)")
    source.run("UPDATE required SET Note = NULL")
    for name, text in STANDARDIZE.items():
        (home / f"transfer/standardize/{name}.sql").write_text(text)
    (small / "tests/nobody_has_this_name.sql").write_text("select l_name from {{ ref('people') }}")
    (small / "models/number.sql").write_text(
        "select l_name::int as n from {{ source('opendental', 'patient') }}"
    )
    ended.append(elt(home, on_server))
    assert ended[-1].code == 1, ended[-1]
    for red in ("cast", "twice", "required", "model number", "test nobody_has_this_name"):
        assert red in ended[-1].out.splitlines()[-1]

    ended.append(
        elt(home, on_server | {f"{prefix}_PASSWORD": NAME for prefix in PREFIXES.values()})
    )
    assert ended[-1].code == 2

    assert [mail.title.split(":")[1] for mail in box.mails] == [" red", " could not begin"]
    written = files(home / "logs", home / ".local", prefect_home, PREFECT / "prefect")
    names = {path.name for path in written}
    assert {"elt_pipeline.log", "connection.log", "prefect.db", "partial_parse.msgpack"} <= names
    passwords = {
        value for name, value in databases.variables().items() if name.endswith("_PASSWORD")
    }
    planted = [NAME, NAME.split(maxsplit=1)[0], NUMBER, NOTE, *passwords]
    told = {
        f"{position}. command": f"{each.out}{each.err}".encode()
        for position, each in enumerate(ended)
    }
    told |= {mail.title: f"{mail.title}{mail.text}".encode() for mail in box.mails}
    told |= {f"to a page: {each['title']}": json.dumps(each).encode() for each in box.posts}
    contents = told | {str(path): path.read_bytes() for path in written}
    assert {
        where: traces(planted, content)
        for where, content in contents.items()
        if traces(planted, content)
    } == {}


def test_a_drivers_error_keeps_the_value_to_itself(
    settings: Settings, source: Client, replica: Client
):
    replica.run("CREATE TABLE t (Name varchar(99) PRIMARY KEY, Short varchar(3)) ENGINE=InnoDB")
    replica.run("INSERT INTO t (Name) VALUES (%s)", NAME)
    columns = (Column("Name", "varchar(99)", "varchar"), Column("Short", "varchar(3)", "varchar"))
    page = pa.table(
        {
            "Name": pa.array([b"other"], pa.large_binary()),
            "Short": pa.array([NAME], pa.large_binary()),
        }
    )
    twice = f"CREATE TEMPORARY TABLE t (a text UNIQUE); INSERT INTO t VALUES ('{NAME}'), ('{NAME}')"

    def in_replica(deed: Callable[[Connection], object]) -> None:
        with pool.connect(settings.replica, settings.limits, writes=True) as connection:
            deed(connection)

    def in_warehouse(*statements: str) -> None:
        with connect(settings.warehouse) as connection:
            for statement in statements:
                connection.run("writing", statement)

    deeds: dict[str, Callable[[], object]] = {
        "1062": lambda: in_replica(
            lambda connection: connection.run("writing", f"INSERT INTO t (Name) VALUES ('{NAME}')")
        ),
        "1146": lambda: reading.read(
            settings.replica, settings.limits, "reading", f"SELECT '{NAME}' FROM nowhere"
        ),
        "1265": lambda: in_replica(
            lambda connection: load_data.load(connection, "t", columns, page)
        ),
        "22P02": lambda: in_warehouse(f"SELECT '{NAME}'::int"),
        "23505": lambda: in_warehouse(*twice.split("; ")),
    }
    for code, deed in deeds.items():
        with pytest.raises(EltError) as caught:
            deed()
        told = f"{caught.value} {caught.value!r} {caught.value.args}"
        assert code in told
        assert traces([NAME, NAME.split(maxsplit=1)[0]], told.encode()) == []
        # What Python would print below "During handling of the above exception".
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_panic_of_the_driver_is_an_error_that_can_be_tried_again_and_shows_no_value(
    databases, settings, source, capfd
):
    span = "-" + f"{63_821 // 3_600}:53:41"  # computed, as a traceback shows this very line
    source.run("CREATE TABLE spans (Id int PRIMARY KEY, Span time, Name varchar(99))")
    source.run("INSERT INTO spans VALUES (1, %s, %s)", span, NAME)
    with pytest.raises(DatabaseFault) as raised:
        reading.read(
            settings.source, settings.limits, "reading spans", "SELECT Id, Span, Name FROM spans"
        )
    assert (
        str(raised.value)
        == "source: reading spans failed: the driver could not read a value (error PANIC)."
    )
    shown = "".join([*capfd.readouterr(), repr(raised.getrepr(style="long", chain=True))])
    assert traces([NAME, span, span[1:]], shown.encode()) == []
    assert (
        reading.read(settings.source, settings.limits, "reading", "SELECT Id FROM spans").num_rows
        == 1
    )
