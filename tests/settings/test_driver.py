"""The driver for PostgreSQL may be another than the installed one; what is none is refused."""

import logging
from importlib.metadata import version
from pathlib import Path

import adbc_driver_manager
import adbc_driver_postgresql
import oracle
import pytest
from flow_runs import Command
from oracle import Places, connected
from runs import run

from transfer.errors import PreflightError, SettingsError
from transfer.journey import preflight
from transfer.postgres import driver
from transfer.postgres.pool import connect
from transfer.settings import Settings

pytest_plugins = ["prefect_server"]

LIBRARY = str(Path(adbc_driver_postgresql.__file__).with_name("libadbc_driver_postgresql.so"))
NO_DRIVER = str(next(Path(adbc_driver_manager.__file__).parent.glob("_reader.*.so")))
MANIFEST = f"manifest_version = 1\n[Driver]\nshared = '{LIBRARY}'\n"


def with_driver(settings: Settings, named: str) -> Settings:
    warehouse = settings.warehouse.model_copy(update={"adbc_driver": named})
    return settings.model_copy(update={"warehouse": warehouse})


@pytest.fixture
def places(servers, databases):
    with connected(servers, databases) as places:
        yield places


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of manifests where the driver manager looks."""
    monkeypatch.setenv("ADBC_DRIVER_PATH", str(tmp_path))
    (tmp_path / "practice.toml").write_text(MANIFEST)
    return tmp_path


@pytest.mark.parametrize("named", [LIBRARY, "practice"])
def test_a_library_of_a_name_or_path_copies_the_same(
    named, settings: Settings, places: Places, installed, caplog
):
    oracle.ask(
        places.source,
        "CREATE TABLE t (Id bigint PRIMARY KEY, Fee decimal(20,4), Share double, Day date,"
        " At datetime(6), Span time, Note text, Picture longblob) ENGINE=MyISAM",
    )
    oracle.ask(
        places.source,
        "INSERT INTO t VALUES (1, -10000.0001, 0.1, '2026-02-28', '1999-12-31 23:59:59.999999',"
        " '-838:59:59', 'ñ 漢', x'00ff'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    caplog.set_level(logging.INFO, "elt.connection")
    with_it = with_driver(settings, named)
    preflight.check(with_it)
    assert run(with_it)["t"].state == "synced"
    assert oracle.unequal(places, ["t"]) == {}
    assert f"driver {named}, version unknown" in caplog.text


def test_the_installed_driver_is_named_with_its_version(settings: Settings, places, caplog):
    oracle.ask(places.source, "CREATE TABLE t (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    caplog.set_level(logging.INFO, "elt.connection")
    preflight.check(settings)
    known = f"driver adbc-driver-postgresql, version {version('adbc-driver-postgresql')}"
    assert known in caplog.text


WRONG = {
    "/no/such/libadbc_driver_postgresql.so": "there is no file /no/such/",
    "/usr": "there is no file /usr",
    __file__: "is no library that can be loaded (invalid ELF header)",
    NO_DRIVER: "is a library, but no ADBC driver",
    "no_such_driver": "the driver manager finds no driver no_such_driver",
    "lost": "the driver manager finds no driver lost, or not the library in its manifest",
    "broken": "the manifest of broken cannot be used",
    "future": "the manifest of future cannot be used",
}


@pytest.mark.parametrize("named", WRONG)
def test_what_is_no_driver_is_refused_in_one_sentence(
    named, here: Command, places, installed, databases
):
    oracle.ask(places.source, "CREATE TABLE t (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    (installed / "lost.toml").write_text(MANIFEST.replace(LIBRARY, "/no/such/library.so"))
    (installed / "broken.toml").write_text("shared")
    (installed / "future.toml").write_text(MANIFEST.replace("= 1", "= 9"))
    ended = here("--plan", ELT_ADBC_DRIVER=named)
    print(ended.err)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert ended.err.startswith("ELT_ADBC_DRIVER: ")
    assert WRONG[named] in ended.err
    assert databases.warehouse.password not in ended.err


def test_a_driver_that_alters_values_is_refused(settings: Settings, places, monkeypatch):
    oracle.ask(places.source, "CREATE TABLE t (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    preflight.check(with_driver(settings, LIBRARY))
    altered = [(kind, value, text.replace("0.30000000000000004", "0.3")) for kind, value, text in driver.PROOF]  # fmt: skip
    monkeypatch.setattr(driver, "PROOF", altered)
    with pytest.raises(PreflightError) as refused:
        preflight.check(with_driver(settings, LIBRARY))
    assert "does not write values as they are (double precision)" in str(refused.value)


def test_a_driver_whose_values_postgresql_refuses_is_refused(
    settings: Settings, databases, monkeypatch
):
    """As it does with the decimals of older versions."""
    monkeypatch.setattr(driver, "PROOF", [("text", "\0", "")])
    named = with_driver(settings, LIBRARY).warehouse
    with connect(named) as connection, pytest.raises(SettingsError) as refused:
        driver.prove(connection)
    assert "does not write values as they are (text)" in str(refused.value)
