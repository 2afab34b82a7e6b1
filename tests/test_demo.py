import pytest

from deployments import demo
from deployments.servers import DEMO_MARK


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "ENV_FILE", tmp_path / ".env")
    return tmp_path / ".env"


def test_the_demo_writes_its_addresses_for_its_owner_only(servers, env_file):
    demo._write_env(servers)
    lines = env_file.read_text().splitlines()
    assert lines[0] == DEMO_MARK
    assert f"SOURCE_MYSQL_PORT={servers.source.port}" in lines
    assert env_file.stat().st_mode & 0o777 == 0o600


def test_the_demo_brings_its_own_env_file_up_to_date(servers, env_file):
    env_file.write_text(f"{DEMO_MARK}\nSOURCE_MYSQL_PORT=1\n")
    demo._write_env(servers)
    assert f"SOURCE_MYSQL_PORT={servers.source.port}" in env_file.read_text().splitlines()


def test_the_users_env_file_stays_as_it_is(servers, env_file):
    env_file.write_text("SOURCE_MYSQL_PORT=1\n")
    demo._write_env(servers)
    assert env_file.read_text() == "SOURCE_MYSQL_PORT=1\n"
