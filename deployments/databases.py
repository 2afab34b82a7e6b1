"""The pipeline's three databases and the accounts that the files in grants/ make for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

GRANTS = Path(__file__).parent / "grants"
DEFAULT_NAMES = {
    "source": "opendental",
    "replica": "opendental_replication",
    "postgres": "opendental_analytics",
}
ACCOUNTS = {"source": "readonly_user", "replica": "replication_user", "postgres": "analytics_user"}

# How the variables of each server begin, as in .env.template.
PREFIXES = {
    "source": "SOURCE_MYSQL",
    "replica": "REPLICATION_MYSQL",
    "postgres": "ANALYTICS_POSTGRES",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A database and the account with which the pipeline uses it."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Databases:
    """The three databases of one pipeline."""

    source: Database
    replica: Database
    warehouse: Database

    def variables(self) -> dict[str, str]:
        """Return the environment variables that name these databases to the pipeline."""
        result: dict[str, str] = {}
        for key, database in (
            ("source", self.source),
            ("replica", self.replica),
            ("postgres", self.warehouse),
        ):
            result |= {
                f"{PREFIXES[key]}_HOST": database.host,
                f"{PREFIXES[key]}_PORT": str(database.port),
                f"{PREFIXES[key]}_DB": database.name,
                f"{PREFIXES[key]}_USER": database.user,
                f"{PREFIXES[key]}_PASSWORD": database.password,
            }
        return result


def from_variables(key: str, variables: Mapping[str, str], default_port: int) -> Database:
    """Return the database that these variables name; missing ones have defaults."""
    prefix = PREFIXES[key]
    return Database(
        variables[f"{prefix}_HOST"],
        int(variables.get(f"{prefix}_PORT") or default_port),
        variables.get(f"{prefix}_DB") or DEFAULT_NAMES[key],
        variables.get(f"{prefix}_USER", ""),
        variables.get(f"{prefix}_PASSWORD", ""),
    )


def grants(key: str, database: str, password: str) -> list[str]:
    """Return the statements of grants/<key>.sql for this database and password."""
    text = re.sub(r"(?m)^\s*--.*$", "", (GRANTS / f"{key}.sql").read_text())
    default = DEFAULT_NAMES[key]
    text = text.replace(default.replace("_", r"\_"), database.replace("_", r"\_"))
    text = text.replace(default, database).replace("<password>", password)
    return [statement.strip() for statement in text.split(";\n") if statement.strip()]
