"""Each run names an account that may do more than read at the clinic's server, unless it is meant."""

import pytest
from accounts import account
from runs import limited

from deployments.servers import Servers
from transfer.journey import preflight
from transfer.mysql.grants import beyond_reading
from transfer.settings import Settings

# As MySQL 5.6, 5.7, 8.0 and 9.x and MariaDB 10.2 to 11.8 write them.
HARMLESS = [
    "GRANT USAGE ON *.* TO 'u'@'%' IDENTIFIED BY PASSWORD '*0123456789ABCDEF0123456789ABCDEF01234567'",
    "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*01' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5",
    "GRANT SELECT ON `opendental`.* TO 'u'@'%'",
    "GRANT SELECT, SHOW VIEW ON `open%`.* TO `u`@`%`",
    "GRANT SELECT, PROCESS, SHOW DATABASES, REPLICATION CLIENT ON *.* TO 'u'@'%'",
    "GRANT SELECT, PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO `u`@`%`",
    "GRANT SHOW_ROUTINE ON *.* TO `u`@`%`",
    "GRANT SELECT (PatNum, LName), SELECT (FName) ON `opendental`.`patient` TO 'u'@'%'",
    "GRANT SELECT (`a, INSERT ON ``x`, `b`) ON `opendental`.`patient` TO `u`@`%`",
    "GRANT ALL PRIVILEGES ON `test`.* TO 'u'@'%'",
    r"GRANT INSERT ON `opendenta\_`.* TO 'u'@'%'",
    "GRANT DELETE ON `opendenta_`.`t` TO 'u'@'%'",
    "GRANT INSERT ON `other`.`patient` TO `u`@`%` WITH GRANT OPTION",
    "GRANT `reader`@`%` TO `u`@`%`",
    "SET DEFAULT ROLE `reader` FOR `u`@`%`",
]
MORE = {
    "GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' IDENTIFIED BY PASSWORD '*01' WITH GRANT OPTION": "ALL PRIVILEGES,GRANT OPTION",
    "GRANT ALL PRIVILEGES ON `opendental`.* TO `u`@`%`": "ALL PRIVILEGES",
    "GRANT SELECT, INSERT, LOCK TABLES ON `open%`.* TO 'u'@'%'": "INSERT,LOCK TABLES",
    r"GRANT DELETE ON `open\_dental`.* TO 'u'@'%'": "",
    "GRANT SELECT, RELOAD, FILE, SUPER ON *.* TO 'u'@'%'": "FILE,RELOAD,SUPER",
    "GRANT AUDIT_ADMIN,BACKUP_ADMIN ON *.* TO `root`@`localhost` WITH GRANT OPTION": "AUDIT_ADMIN,BACKUP_ADMIN,GRANT OPTION",
    "GRANT SELECT, UPDATE (`LName`, `odd ) name`) ON `opendental`.`patient` TO `u`@`%`": "UPDATE",
    "GRANT EXECUTE ON PROCEDURE `opendental`.`p` TO 'u'@'%'": "EXECUTE",
    "GRANT USAGE ON *.* TO 'u'@'%' WITH GRANT OPTION": "GRANT OPTION",
    "GRANT USAGE ON *.* TO 'u'@'%' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 1 GRANT OPTION": "GRANT OPTION",
}


def test_what_reading_needs_is_not_named():
    assert beyond_reading(HARMLESS, "opendental") == ()


@pytest.mark.parametrize("grant", MORE)
def test_whatever_lets_an_account_do_more_is_named(grant):
    assert ",".join(beyond_reading([grant], "opendental")) == MORE[grant]


RIGHTS = {
    "SELECT ON `{}`.*": "",
    "SELECT, SHOW VIEW ON *.*": "",
    "SELECT, INSERT ON `{}`.*": "INSERT",
    "SELECT, RELOAD ON *.*": "RELOAD",
    "ALL ON `{}`.*": "ALL PRIVILEGES",
}


@pytest.mark.parametrize("rights", RIGHTS)
def test_a_source_account_that_may_write_is_named_unless_it_is_meant(
    rights, servers: Servers, settings: Settings, source
):
    source.run("CREATE TABLE t (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    with account(servers, "source", rights.format(settings.source.db)) as user:
        given = settings.source.model_copy(
            update={"user": user, "password": settings.source.password.__class__("pw")}
        )
        chosen = settings.model_copy(update={"source": given})
        told = "".join(preflight.check(chosen))
        assert (f"may do more at the clinic's server than read ({RIGHTS[rights]}" in told) == bool(
            RIGHTS[rights]
        )
        assert bool(told) == bool(RIGHTS[rights])
        assert preflight.check(limited(chosen, allow_writer=True)) == ()


pytest_plugins = ["prefect_server"]


def test_each_run_names_it(command, here, servers: Servers, settings: Settings, source):
    source.run("CREATE TABLE t (Id bigint PRIMARY KEY) ENGINE=MyISAM")
    with account(servers, "source", f"SELECT, DROP ON `{settings.source.db}`.*") as user:
        login = {"SOURCE_MYSQL_USER": user, "SOURCE_MYSQL_PASSWORD": "pw"}
        for arguments in (["--no-dbt"], ["--plan", "--json"]):
            ended = command(*arguments, **login)
            assert ended.code == 0, ended
            assert (
                "may do more at the clinic's server than read (DROP); grant it SELECT only"
                in ended.out
            )
        assert "may do more" not in here("--plan", ELT_ALLOW_WRITER="true", **login).out
