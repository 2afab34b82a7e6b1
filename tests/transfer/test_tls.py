"""Off loopback, and on it when asked, every driver speaks verified TLS to every server, or not at all."""

import os
import pwd
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import private
import psycopg2
import pytest
import yaml
from conftest import settings_for
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dbt.config.renderer import ProfileRenderer
from dbt_common.context import set_invocation_context
from pydantic import SecretStr
from runs import limited

from tasks.dbt_environment import environment
from transfer.errors import DatabaseFault, PreflightError
from transfer.journey import preflight
from transfer.mysql import pool, reading, session
from transfer.postgres.pool import connect
from transfer.settings import ROOT, Limits, Settings, Warehouse

pytestmark = [pytest.mark.needs(place, "TLS of today") for place in ("source", "replica")]

PREFIXES = {
    "source": "SOURCE_MYSQL_",
    "replica": "REPLICATION_MYSQL_",
    "warehouse": "ANALYTICS_POSTGRES_",
}
CIPHER = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"
ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@dataclass(frozen=True)
class Certificates:
    """The servers' own authority and certificate, which names 127.0.0.1 and not localhost, and another authority."""

    authority: Path
    stranger: Path
    certificate: Path
    key: Path


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _signed(name, key, name, key, x509.BasicConstraints(ca=True, path_length=None))


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuers_key: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(
            extension, critical=isinstance(extension, x509.BasicConstraints)
        )
    return builder.sign(issuers_key, hashes.SHA256())


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with private.home("tls") as folder:
        yield folder


@pytest.fixture(scope="module")
def certificates(folder: Path) -> Certificates:
    found = Certificates(
        *(folder / name for name in ("ca.pem", "stranger.pem", "server.pem", "server.key"))
    )
    authoritys_key, authority = _authority("the clinic's")
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.SubjectAlternativeName(
        [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("db.clinic.test")]
    )
    signed = _signed("db.clinic.test", key, "the clinic's", authoritys_key, named)
    for path, certificate in (
        (found.authority, authority),
        (found.stranger, _authority("another")[1]),
        (found.certificate, signed),
    ):
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    found.key.touch(mode=0o600)
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    if os.geteuid() == 0:  # whose PostgreSQL runs as nobody
        os.chown(found.key, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
    return found


@pytest.fixture(scope="module")
def secure(folder: Path, certificates: Certificates) -> Iterator[Settings]:
    """The settings for servers that offer TLS, verified by the right authority."""
    mysqls = [f"--ssl-cert={certificates.certificate}", f"--ssl-key={certificates.key}"]
    warehouse = [
        "ssl=on",
        f"ssl_cert_file={certificates.certificate}",
        f"ssl_key_file={certificates.key}",
    ]
    arguments = {
        "source": mysqls,
        "replica": mysqls,
        "postgres": [word for each in warehouse for word in ("-c", each)],
    }
    with private.started(folder, arguments) as servers:
        servers.source.execute(
            f"CREATE TABLE `{servers.databases.source.name}`.t (Id int PRIMARY KEY)"
        )
        settings = limited(settings_for(servers.databases), statement_seconds=2)
        yield with_tls(settings, *PREFIXES, tls="verify", tls_ca=str(certificates.authority))


def with_tls(settings: Settings, *places: str, **changes: Any) -> Settings:
    """The settings with something changed for some servers."""
    groups = {place: getattr(settings, place).model_copy(update=changes) for place in places}
    return settings.model_copy(update=groups)


def rendered(warehouse: Warehouse) -> dict[str, Any]:
    """What dbt makes of its profile in the pipeline's environment, as arguments of its driver."""
    profile = yaml.safe_load((ROOT / "dbt" / "profiles.yml").read_text())["opendental"]["outputs"][
        "warehouse"
    ]
    with environment(warehouse, Limits()):
        set_invocation_context(os.environ)
        found = ProfileRenderer().render_data(profile)
    names = ("host", "port", "dbname", "user", "password", "sslmode", "sslrootcert")
    return {name: found[name] for name in names if found[name]}


def test_with_the_right_authority_every_session_is_encrypted(secure):
    preflight.check(secure)
    for server in (secure.source, secure.replica):
        with pool.connect(server, secure.limits) as connection:
            assert connection.rows("asking", CIPHER)[0][1]
        assert reading.read(server, secure.limits, "asking", CIPHER).column("Value")[0].as_py()
    with connect(secure.warehouse) as warehouse:
        assert warehouse.rows("asking", ENCRYPTED) == [(True,)]
    with closing(psycopg2.connect(**rendered(secure.warehouse))) as dbts, dbts.cursor() as cursor:
        cursor.execute(ENCRYPTED)
        assert cursor.fetchall() == [(True,)]


@pytest.fixture(params=["another authority", "another name"])
def refusing(
    request: pytest.FixtureRequest, secure: Settings, certificates: Certificates
) -> Settings:
    """Settings by which no server is whom the client takes it for."""
    changes = {
        "another authority": {"tls_ca": str(certificates.stranger)},
        "another name": {"host": "localhost"},
    }
    return with_tls(secure, *PREFIXES, **changes[request.param])


@pytest.mark.parametrize("place", PREFIXES)
def test_the_preflight_refuses_whom_it_does_not_know_and_names_the_setting(place, refusing, secure):
    settings = with_tls(secure, place, **dict(getattr(refusing, place)))
    with pytest.raises(PreflightError) as refused:
        preflight.check(settings)
    (sentence,) = str(refused.value).splitlines()
    assert sentence.startswith(f"{PREFIXES[place]}TLS: no verified TLS connection")
    assert f"{PREFIXES[place]}TLS_CA" in sentence


def test_no_driver_speaks_to_whom_it_does_not_know(refusing, secure):
    """ConnectorX tries again for 30 s; given up after 2, it has not read what it reads at once with the right authority."""
    impatient = pytest.MonkeyPatch()
    impatient.setattr(session, "ANSWER_SECONDS", 0)
    with impatient.context(), ThreadPoolExecutor() as pool:
        attempts = [
            pool.submit(reading.read, server, refusing.limits, "asking", "SELECT 1 AS one")
            for server in (refusing.source, refusing.replica)
        ]
        for attempt in attempts:
            with pytest.raises(DatabaseFault):
                attempt.result()
    impatient.undo()
    with pytest.raises(DatabaseFault) as fault, connect(refusing.warehouse):
        pass
    assert fault.value.code == "TLS"
    with pytest.raises(psycopg2.OperationalError, match="certificate"):
        psycopg2.connect(**rendered(refusing.warehouse))


def test_off_works_in_the_clear(secure):
    plain = with_tls(secure, *PREFIXES, tls="off")
    preflight.check(plain)
    for server in (plain.source, plain.replica):
        with pool.connect(server, plain.limits) as connection:
            assert connection.rows("asking", CIPHER)[0][1] == ""
        assert reading.read(server, plain.limits, "asking", CIPHER).column("Value")[0].as_py() == ""
    with connect(plain.warehouse) as warehouse:
        assert warehouse.rows("asking", ENCRYPTED) == [(False,)]
    with closing(psycopg2.connect(**rendered(plain.warehouse))) as dbts, dbts.cursor() as cursor:
        cursor.execute(ENCRYPTED)
        assert cursor.fetchall() == [(False,)]


@pytest.mark.parametrize("tls", ["verify", "off"])
def test_a_wrong_password_is_tried_once(tls, secure, folder):
    """Asked to prefer TLS, libpq would try it a second time without."""
    log = folder / "postgres" / "server.log"
    refused = log.read_text().count("password authentication failed")
    wrong = secure.warehouse.model_copy(update={"tls": tls, "password": SecretStr("wrong")})
    with pytest.raises(DatabaseFault, match="user or password is wrong"), connect(wrong):
        pass
    assert log.read_text().count("password authentication failed") == refused + 1
