"""Addresses and limits, typed, from the environment and `.env`."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, time
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from transfer import env_file, settings_group
from transfer.errors import SettingsError
from transfer.settings_group import Group
from transfer.values.reasons import READING_METHODS

ROOT, ENV_FILE = settings_group.ROOT, settings_group.ENV_FILE


def is_loopback(host: str) -> bool:
    """Tell whether traffic to the host stays on this machine."""
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Server(Group):
    place: ClassVar[str]
    host: str
    port: int = Field(ge=1, le=65535)
    db: str
    user: str
    password: SecretStr
    tls: Literal["verify", "off"] | None = None
    tls_ca: str | None = None
    connect_seconds: int = Field(default=15, ge=1, le=3_600)
    hang_seconds: int = Field(default=300, ge=1, le=86_400, validation_alias="ELT_HANG_SECONDS")

    @field_validator("host")
    @classmethod
    def _is_one_host(cls, value: str) -> str:
        if re.search(r"[\s,@]|//", value):
            raise ValueError(
                "it is the name or address of one server, without user, port and database"
            )
        try:
            value.encode("idna")
        except UnicodeError:
            raise ValueError("it is no name of a server") from None
        return value

    @field_validator("db")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if "://" in value:
            raise ValueError("it is the name of a database, without the rest of an address")
        return value

    @field_validator("tls_ca")
    @classmethod
    def _is_a_file(cls, value: str | None) -> str | None:
        if value and Path(value).is_dir():
            raise ValueError("it is a folder; name the file of the certificate authority")
        return value

    @property
    def verified_tls(self) -> bool:
        """True when TLS with the server's name checked is needed: off loopback, unless `off`."""
        return self.tls == "verify" or (self.tls is None and not self.on_this_machine)

    @property
    def on_this_machine(self) -> bool:
        """True when what is sent does not leave the machine."""
        return is_loopback(self.host)

    @property
    def prefix(self) -> str:
        """The prefix of the variables that describe this server."""
        return str(self.model_config["env_prefix"])


class MySQLServer(Server):
    """Address and login of one MySQL or MariaDB database."""

    port: int = Field(default=3306, ge=1, le=65535)


class Source(MySQLServer):
    """The clinic's OpenDental database; only ever read."""

    model_config = SettingsConfigDict(env_prefix="SOURCE_MYSQL_")
    place: ClassVar[str] = "source"


class Replica(MySQLServer):
    """The exact copy."""

    model_config = SettingsConfigDict(env_prefix="REPLICATION_MYSQL_")
    place: ClassVar[str] = "replica"


class Warehouse(Server):
    """The PostgreSQL database of `raw`, `public` and the models."""

    model_config = SettingsConfigDict(env_prefix="ANALYTICS_POSTGRES_")
    place: ClassVar[str] = "warehouse"
    port: int = Field(default=5432, ge=1, le=65535)
    # dbt adds suffixes to the name, and a name has 63 characters at most.
    base_schema: str = Field(
        default="public",
        validation_alias="ANALYTICS_POSTGRES_BASE_SCHEMA",
        pattern=r"^[a-z_][a-z0-9_]*$",
        max_length=48,
    )
    raw_schema: str = Field(default="raw", validation_alias="ANALYTICS_POSTGRES_SCHEMA")
    adbc_driver: str = Field(default="", validation_alias="ELT_ADBC_DRIVER")

    @field_validator("raw_schema", "base_schema")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value == "information_schema" or value.startswith("pg_"):
            raise ValueError(f"{value} is PostgreSQL's own schema")
        if len(value.encode()) > 63 or not value.isprintable():
            raise ValueError("a schema's name has 63 printable bytes at most")
        return value

    @field_validator("raw_schema")
    @classmethod
    def _is_another(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("base_schema"):
            raise ValueError(
                f"it is {value}, the schema of the base tables (ANALYTICS_POSTGRES_BASE_SCHEMA),"
                " where earlier versions had that;"
                " say ANALYTICS_POSTGRES_SCHEMA=raw, or give the base tables another schema"
            )
        return value


HOUR = r"([01]\d|2[0-3]):[0-5]\d"
MONTH_SECONDS = 31 * 86_400


class Limits(Group):
    """How the pipeline behaves; every value has a working default."""

    model_config = SettingsConfigDict(env_prefix="ELT_")
    exclude: Annotated[tuple[str, ...], NoDecode] = ()
    collations: Annotated[tuple[tuple[str, str], ...], NoDecode] = ()
    workers: int = Field(default=4, ge=1, le=32)
    page_rows: int = Field(default=20_000, ge=1)
    page_bytes: int = Field(default=16 * 2**20, ge=2**10)
    retry_seconds: Annotated[tuple[float, ...], NoDecode] = (5.0, 30.0)
    statement_seconds: int = Field(default=300, ge=1, le=MONTH_SECONDS)
    reload_rows: int = Field(default=2_000, ge=0)
    reload_bytes: int = Field(default=64 * 2**20, ge=0)
    overlap_seconds: int = Field(default=600, ge=2, le=MONTH_SECONDS)
    methods: Annotated[tuple[tuple[str, str], ...], NoDecode] = ()
    lock_seconds: int = Field(default=900, ge=0, le=2_000_000)  # PostgreSQL's limit is 2^31 ms
    verify_days: int = Field(default=7, ge=0, le=3_650)
    verify_seconds: int = Field(default=120, ge=0)
    gone_tables: int = Field(default=5, ge=0)
    shrink_share: float = Field(default=0.5, gt=0, le=1)
    second_look_seconds: int = Field(default=600, ge=0, le=MONTH_SECONDS)
    log_dir: Path = ROOT / "logs"
    report: Path | None = None
    standardize_dir: Path = ROOT / "transfer" / "standardize"
    dbt_threads: int = Field(default=4, ge=1)
    time_zone: str = "UTC"
    quiet_hours: str = ""
    allow_writer: bool = False

    @field_validator("exclude", "retry_seconds", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return env_file.parts(value, ",") if isinstance(value, str) else value

    @field_validator("retry_seconds")
    @classmethod
    def _are_waits(cls, seconds: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 <= wait <= 86_400 for wait in seconds):  # nor is what is no number
            raise ValueError("each wait has 0 to 86,400 seconds")
        return seconds

    @field_validator("collations", mode="before")
    @classmethod
    def _pair(cls, value: object) -> object:
        return env_file.pairs(
            value, "it is a list of collations and what stands for them, as in a=b,c=d"
        )

    @field_validator("methods", mode="before")
    @classmethod
    def _pair_methods(cls, value: object) -> object:
        return env_file.pairs(
            value, "it is a list of tables and their methods, as in fee=reload,securitylog=compare"
        )

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                "it is the name of the practice's time zone, as in America/Chicago"
            ) from None
        return name

    @field_validator("standardize_dir")
    @classmethod
    def _is_a_folder(cls, folder: Path) -> Path:
        if not folder.is_dir():
            raise ValueError("there is no such folder; it is that of your own SQL for base tables")
        return folder

    @field_validator("methods")
    @classmethod
    def _are_methods(cls, pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for table, method in pairs:
            if method not in READING_METHODS:
                raise ValueError(
                    f"{method} is no method for {table}; there are {', '.join(READING_METHODS)}"
                )
        return pairs

    @field_validator("quiet_hours")
    @classmethod
    def _are_hours(cls, value: str) -> str:
        begin, _, end = value.partition("-")
        if value and (not re.fullmatch(rf"{HOUR}-{HOUR}", value) or begin == end):
            raise ValueError("it is a time of day and another, as in 21:00-05:30")
        return value

    @model_validator(mode="after")
    def _has_hours_of_a_zone(self) -> Self:
        if self.quiet_hours and "time_zone" not in self.model_fields_set:
            raise ValueError(
                "ELT_QUIET_HOURS needs ELT_TIME_ZONE, the practice's own time zone, which is not"
                " set"
            )
        return self

    @property
    def report_is_missing(self) -> bool:
        """True when the practice's page is wanted and there is none to be seen."""
        return self.report is not None and not os.path.isfile(self.report)  # noqa: PTH113 - raises

    def is_quiet(self, moment: datetime) -> bool:
        """Tell whether a moment (UTC) is within `ELT_QUIET_HOURS`, when nobody is at the desk."""
        if not self.quiet_hours:
            return False
        local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(self.time_zone)).time()
        begin, end = map(time.fromisoformat, self.quiet_hours.split("-"))
        return begin <= local < end if begin <= end else not end <= local < begin

    def method(self, table: str) -> str:
        """Return the method that the user wants for a table, empty without one."""
        return next(
            (method for pattern, method in self.methods if fnmatchcase(table.lower(), pattern)), ""
        )

    @field_validator("collations")
    @classmethod
    def _keeps_characters(cls, pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        for name, other in pairs:
            if charset_of(name) != charset_of(other):
                raise ValueError(
                    f"{other} is not of the character set of {name},"
                    " whose bytes are copied as they are"
                )
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a collation stands in it twice")
        return pairs


def charset_of(collation: str) -> str:
    """Return the character set in which every collation's name begins."""
    charset = collation.partition("_")[0]
    return "utf8mb3" if charset == "utf8" else charset


class Telling(Group):
    """Who is told how runs end, and where what was told is remembered; addresses hold secrets."""

    model_config = SettingsConfigDict(env_prefix="ELT_")
    notify: SecretStr = SecretStr("")
    ping: SecretStr = SecretStr("")
    log_dir: Path = ROOT / "logs"

    @field_validator("notify", mode="before")
    @classmethod
    def _are_addresses(cls, value: object) -> object:
        for address in env_file.addresses(value) if isinstance(value, str) else ():
            if not re.fullmatch(r"\w[\w+.-]*://\S*", address):
                raise ValueError(
                    "it is one address of Apprise or more, as in mailto://…, slack://…"
                )
        return value

    @field_validator("ping", mode="before")
    @classmethod
    def _is_a_page(cls, value: object) -> object:
        if (
            value
            and isinstance(value, str)
            and not re.fullmatch(r"(?i:https?)://[^\s/?#]+\S*", value)
        ):
            raise ValueError("it is the address of one page, as in https://…")
        return value

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of `ELT_NOTIFY`, one by one."""
        return tuple(env_file.addresses(self.notify.get_secret_value()))


def who_is_told() -> Telling | None:
    """Return who is told how a run ends, whatever the other settings are.

    What is wrong with these is left out; None if the file cannot be read at all.
    """
    try:
        return Telling()
    except ValidationError as error:
        wrong = {fault["loc"][0] for fault in error.errors(include_input=False)}
        usual: dict[str, Any] = {"notify": "", "ping": "", "log_dir": ROOT / "logs"}
        return Telling(**{name: value for name, value in usual.items() if name in wrong})
    except (OSError, UnicodeDecodeError):
        return None


class Settings(BaseModel):
    """Everything a run needs to know of its surroundings; passwords are masked when printed."""

    model_config = ConfigDict(frozen=True)
    source: Source
    replica: Replica
    warehouse: Warehouse
    limits: Limits


GROUPS: dict[str, type[Group]] = {
    "source": Source,
    "replica": Replica,
    "warehouse": Warehouse,
    "limits": Limits,
    "telling": Telling,
}


def variables() -> frozenset[str]:
    """Return the names of all settings as they stand in the environment."""
    return frozenset(
        str(field.validation_alias or f"{group.model_config['env_prefix']}{name}".upper())
        for group in GROUPS.values()
        for name, field in group.model_fields.items()
    )


# The last are for dbt alone, which is given them while it runs.
KNOWN = variables() | {
    f"ANALYTICS_POSTGRES_{name}" for name in ("SSLMODE", "SSLROOTCERT", "THREADS")
}


def read_settings() -> Settings:
    """Read the settings from the environment and `.env`.

    Raises:
        SettingsError: a variable is missing or unusable; its name is given, its value is not.

    """
    env_file.check_names({*os.environ, *env_file.names(ENV_FILE)}, KNOWN)
    groups, faults = {}, []
    for name, group in GROUPS.items():
        try:
            groups[name] = group.read()
        except SettingsError as error:
            faults.append(str(error))
    if faults:
        raise SettingsError(*dict.fromkeys(faults))  # the servers share one of them
    return Settings(**{name: groups[name] for name in Settings.model_fields})
