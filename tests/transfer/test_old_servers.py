"""What old servers do at a login: TLS that counts for nothing today, and old forms of passwords."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import private
import pytest
from conftest import settings_for
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from oracle import ask
from pydantic import SecretStr
from runs import limited
from test_tls import _signed, with_tls

from deployments.servers import Servers
from transfer.errors import PreflightError
from transfer.journey import preflight
from transfer.mysql import pool, reading
from transfer.settings import Settings


@dataclass(frozen=True)
class Old:
    """A source whose TLS is 1.1 at most, with a certificate that would do."""

    servers: Servers
    settings: Settings
    authority: Path


@pytest.fixture(scope="module")
def old(servers: Servers) -> Iterator[Old]:
    with private.home("old") as folder:
        files = _certificates(folder)
        arguments = _arguments(servers, files)
        with private.started(
            folder, {"source": arguments, "replica": [], "postgres": []}
        ) as started:
            started.source.execute(
                f"CREATE TABLE `{started.databases.source.name}`.t (Id int PRIMARY KEY)"
            )
            yield Old(
                started, limited(settings_for(started.databases), statement_seconds=2), files[0]
            )


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority's certificate, the server's, and its key: RSA in the old form, as MySQL 5.6 reads no other."""
    authoritys, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    itself = x509.BasicConstraints(ca=True, path_length=None)
    named = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    authority = _signed("the clinic's", authoritys, "the clinic's", authoritys, itself)
    certificate = _signed("db.clinic.test", key, "the clinic's", authoritys, named)
    form = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    paths = tuple(folder / name for name in ("ca.pem", "server.pem", "server.key"))
    paths[2].touch(mode=0o600)
    for path, content in zip(
        paths,
        (
            authority.public_bytes(form[0]),
            certificate.public_bytes(form[0]),
            key.private_bytes(*form),
        ),
        strict=True,
    ):
        path.write_bytes(content)
    return paths


def _arguments(servers: Servers, files: tuple[Path, Path, Path]) -> list[str]:
    with closing(servers.source.connect()) as connection:
        ((version,),) = ask(connection, "SELECT VERSION()")
    ours = [f"--ssl-ca={files[0]}", f"--ssl-cert={files[1]}", f"--ssl-key={files[2]}"]
    if "MariaDB" in version:
        return [*ours, "--tls-version=TLSv1.1"]
    if not version.startswith("5."):
        pytest.skip("MySQL 8.0.28 and newer have no TLS 1.1")
    return ours


def test_tls_of_1_1_is_refused_in_a_sentence_that_names_the_choices(old):
    verified = with_tls(old.settings, "source", tls="verify", tls_ca=str(old.authority))
    with pytest.raises(PreflightError) as refused:
        preflight.check(verified)
    (sentence,) = str(refused.value).splitlines()
    assert sentence.startswith("SOURCE_MYSQL_TLS: the server at 127.0.0.1:")
    assert "no TLS newer than 1.1" in sentence
    assert "SOURCE_MYSQL_TLS=off" in sentence
    preflight.check(with_tls(old.settings, "source", tls="off"))


@contextmanager
def account(servers: Servers, settings: Settings, *made_by: str) -> Iterator[Settings]:
    """The settings with an account that these statements make, `{u}` standing for it, whose password is `secret`."""
    user = f"u{secrets.token_hex(6)}"
    with closing(servers.source.connect()) as connection:
        for statement in (*made_by, f"GRANT SELECT ON `{settings.source.db}`.* TO {{u}}"):
            ask(connection, statement.format(u=f"'{user}'@'%'"))
        try:
            yield with_tls(settings, "source", user=user, password=SecretStr("secret"))
        finally:
            ask(connection, f"DROP USER '{user}'@'%'")


BEFORE_4_1 = "428567f408994404"  # what OLD_PASSWORD('secret') gives


def test_a_password_in_the_form_before_4_1_is_refused_in_a_sentence(old):
    product = old.servers.source.product
    made_by = {
        "MariaDB": [f"CREATE USER {{u}} IDENTIFIED VIA mysql_old_password USING '{BEFORE_4_1}'"],
        "MySQL": [
            "CREATE USER {u} IDENTIFIED WITH mysql_old_password",
            "SET old_passwords = 1",
            "SET PASSWORD FOR {u} = OLD_PASSWORD('secret')",
            "SET old_passwords = 0",
        ],
    }[product]
    with account(old.servers, old.settings, *made_by) as settings:
        for secure in (1, 0):
            old.servers.source.execute(f"SET GLOBAL secure_auth = {secure}")
            with pytest.raises(PreflightError) as refused:
                preflight.check(settings)
            assert str(refused.value).startswith("SOURCE_MYSQL_USER: the server at 127.0.0.1:")
            assert "before MySQL 4.1" in str(refused.value)


@pytest.mark.parametrize("plugin", ["mysql_native_password", "caching_sha2_password"])
@pytest.mark.parametrize("tls", [None, "off"])
def test_every_driver_logs_in_without_tls_by_the_plugins_of_mysql(plugin, tls, servers, settings):
    """The first login by SHA-2 without TLS goes by the server's public key, later ones by what the server remembers."""
    made_by = f"CREATE USER {{u}} IDENTIFIED WITH {plugin} BY 'secret'"
    if servers.source.product != "MySQL" or not _has(servers, plugin):
        pytest.skip(f"this server has no {plugin}, or not as MySQL has it")
    if not _has(servers, "caching_sha2_password"):  # nor, before 5.7, the statement
        made_by = "CREATE USER {u} IDENTIFIED BY 'secret'"
    with account(servers, with_tls(settings, "source", tls=tls), made_by) as changed:
        for _ in range(2):
            reading.close_readers()
            read = reading.read(changed.source, changed.limits, "asking", "SELECT 1 AS one")
            assert read.column("one").to_pylist() == [1]
            servers.source.execute("FLUSH PRIVILEGES")  # what it remembers, too
            pool.close_connections()
            with pool.connect(changed.source, changed.limits) as connection:
                assert connection.rows("asking", "SELECT 1") == [(1,)]


def _has(servers: Servers, plugin: str) -> bool:
    asking = "SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_NAME = %s AND PLUGIN_STATUS = 'ACTIVE'"
    with closing(servers.source.connect()) as connection:
        return bool(ask(connection, asking, plugin))
