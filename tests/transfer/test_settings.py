"""Settings that nobody would read, and files that cannot be read, end in a sentence with the remedy."""

import os
import subprocess
import sys

import pytest
from conftest import settings_for
from hypothesis import given
from hypothesis import strategies as st
from practice import Practice
from runs import limited, prepare

from transfer import env_file, settings
from transfer.errors import SettingsError
from transfer.journey.plan import look
from transfer.settings import KNOWN, ROOT, Limits, variables

SLIPS = ("drop", "double", "swap")


def slip(name: str, kind: str, place: int) -> str:
    """A name as fingers get it wrong at one place."""
    before, here, after = name[:place], name[place], name[place + 1 :]
    match kind:
        case "drop":
            return before + after
        case "double":
            return before + here + here + after
    return before + after[:1] + here + after[1:]


@given(st.sampled_from(sorted(KNOWN)), st.sampled_from(SLIPS), st.data())
def test_every_slip_in_a_settings_name_is_refused_with_the_right_one(name, kind, data):
    written = slip(name, kind, data.draw(st.integers(0, len(name) - 1)))
    if written in KNOWN:
        return
    with pytest.raises(SettingsError, match="is no setting: did you mean"):
        env_file.check_names([written], KNOWN)


def test_the_environment_of_this_machine_and_names_of_others_are_left_alone():
    env_file.check_names(
        {*os.environ, "ELT_HOME", "MYSQL_HOST", "PGHOST", "POSTGRES_USER", "DBT_TARGET"} - KNOWN,
        KNOWN,
    )


@pytest.mark.parametrize(
    "name",
    [
        "ELT_WORKRES",
        "SOURCE_MYSQL_PASSWRD",
        "ANALYTICS_POSTGRES_SHEMA",
        "elt_exlude",
        "SOURCE_MYSQL_DATABASE",
    ],
)
def test_a_misspelt_variable_is_refused_before_anything_is_begun(name):
    ended = subprocess.run(
        [sys.executable, "flows/elt.py", "--plan"],
        cwd=ROOT,
        env=os.environ | {name: "planted"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{name} is no setting: did you mean ")
    assert len(ended.stderr.splitlines()) == 1
    assert "planted" not in ended.stderr


FILES = {
    b"ELT_WORKERS=4\nplanted secret\n": "line 2 is no NAME=value",
    b"SOURCE_MYSQL_PASSWORD='planted\n": "line 1 is no NAME=value",
    "ELT_WORKERS=4\n".encode("utf-16"): "is no UTF-8 text",
    b"ELT_WORKERS=\xe4planted\n": "is no UTF-8 text",
    b"ELT_WORKRES=4\n": "ELT_WORKRES is no setting: did you mean ELT_WORKERS",
}


@pytest.mark.parametrize("content", FILES, ids=list(FILES.values()))
def test_a_file_of_settings_that_cannot_be_read_is_named_with_the_line(
    content, tmp_path, monkeypatch
):
    file = tmp_path / ".env"
    file.write_bytes(content)
    monkeypatch.setattr(settings, "ENV_FILE", file)
    with pytest.raises(SettingsError, match=FILES[content]) as refused:
        settings.read_settings()
    assert "planted" not in str(refused.value)


def test_a_file_of_settings_that_may_not_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot be read \(Is a directory\)"):
        env_file.names(tmp_path)


def test_a_file_that_begins_with_the_mark_of_its_encoding_is_read(tmp_path):
    file = tmp_path / ".env"
    file.write_text("ELT_WORKERS=3\n", encoding="utf-8-sig")
    assert env_file.names(file) == ["ELT_WORKERS"]
    assert Limits(_env_file=file).workers == 3


def test_a_folder_of_own_sql_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ELT_STANDARDIZE_DIR", str(tmp_path / "nope"))
    with pytest.raises(
        SettingsError, match=r"^ELT_STANDARDIZE_DIR is unusable: there is no such folder"
    ):
        Limits.read()


def test_a_pattern_that_fits_no_table_is_named(places, module_databases):
    practice = Practice(places, settings_for(module_databases), "MyISAM")
    table = practice.procedures(3)
    chosen = limited(
        practice.settings,
        exclude=("nosuch_bak*", table[:-1] + "?"),
        methods=(("feee", "reload"), ("procedure*", "compare")),
    )
    prepare(chosen)
    named = {each.table for each in look(chosen).excluded if each.reason == "it fits no table"}
    assert named == {"ELT_EXCLUDE=nosuch_bak*", "ELT_METHODS=feee"}


def test_the_template_shows_the_reference_configuration():
    lines = (ROOT / ".env.template").read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    addresses = {
        "SOURCE_MYSQL": ("client-server", "3306", "opendental", "readonly_user"),
        "REPLICATION_MYSQL": ("localhost", "3305", "opendental_replication", "replication_user"),
        "ANALYTICS_POSTGRES": ("localhost", "5432", "opendental_analytics", "analytics_user"),
    }
    for prefix, address in addresses.items():
        assert (
            tuple(given.pop(f"{prefix}_{name}") for name in ("HOST", "PORT", "DB", "USER"))
            == address
        )
        assert given.pop(f"{prefix}_PASSWORD") == ""
    assert given == {"ANALYTICS_POSTGRES_SCHEMA": "raw"}


def test_a_setting_that_all_servers_share_is_named_once(monkeypatch):
    for name in variables():
        if name.endswith(("_HOST", "_DB", "_USER", "_PASSWORD")):
            monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ELT_HANG_SECONDS", "0")
    with pytest.raises(SettingsError, match=r"^ELT_HANG_SECONDS is unusable: [^\n]*$"):
        settings.read_settings()


ADDRESSES = {"HOST": "localhost", "DB": "x", "USER": "x", "PASSWORD": "x"}
UNUSABLE = {
    "SOURCE_MYSQL_HOST": (
        "a..b",
        "x" * 70,
        "planted\udce4",
        "mysql://u:planted@host",
        "one,two",
        "a b",
    ),
    "ANALYTICS_POSTGRES_DB": ("postgresql://u:planted@10.1.1.1/x",),
    "SOURCE_MYSQL_PASSWORD": ("planted\udce4",),
    "REPLICATION_MYSQL_USER": ("planted\udce4",),
    "SOURCE_MYSQL_TLS_CA": ("/tmp",),  # noqa: S108 - a folder is what is tried
    "SOURCE_MYSQL_CONNECT_SECONDS": ("99999999999999",),
    "ELT_STATEMENT_SECONDS": ("99999999999",),
    "ELT_OVERLAP_SECONDS": ("999999999999999",),
    "ELT_LOCK_SECONDS": ("3000000",),
    "ELT_RETRY_SECONDS": ("inf", "nan", "-5"),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in UNUSABLE.items() for value in values]
)
def test_a_value_that_nothing_can_use_is_named_before_anything_is_begun(
    name, value, monkeypatch, tmp_path
):
    monkeypatch.setattr(settings, "ENV_FILE", tmp_path / "none")
    for prefix in ("SOURCE_MYSQL", "REPLICATION_MYSQL", "ANALYTICS_POSTGRES"):
        for each, usual in ADDRESSES.items():
            monkeypatch.setenv(f"{prefix}_{each}", usual)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"^{name} is unusable: [^\n]*\.$") as refused:
        settings.read_settings()
    assert "planted" not in str(refused.value)


def test_a_password_in_the_file_is_taken_as_it_stands(tmp_path):
    file = tmp_path / ".env"
    file.write_text("SOURCE_MYSQL_PASSWORD='pa${HOME}ss$x'\n")
    source = settings.Source(_env_file=file, host="localhost", db="x", user="x")
    assert source.password.get_secret_value() == "pa${HOME}ss$x"
