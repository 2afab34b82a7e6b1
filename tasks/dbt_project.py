"""The dbt project as it stands in the folder: where it is, its digest, and its sources."""

from __future__ import annotations

from pathlib import Path

import yaml

from tasks import files
from tasks.models import BuildFailed, ModelsResult
from transfer.settings import ROOT
from transfer.values.table import digest

PROJECT = ROOT / "dbt"
TARGET = ROOT / ".local" / "dbt"
NOT_OURS = frozenset({"target", "logs", "dbt_packages"})


def project_hash(time_zone: str) -> str:
    """Return a digest of the project's files and of the time zone, which a view's SQL contains."""
    written = (
        f"{path.relative_to(PROJECT)}\x00{digest(path.read_bytes())}"
        for path in sorted(PROJECT.rglob("*"))
        if path.is_file() and _is_ours(path)
    )
    return digest(time_zone, *written)


def _is_ours(path: Path) -> bool:
    """Tell whether a file is the project's, and none that dbt or an editor has written."""
    written_by_dbt = NOT_OURS & set(path.relative_to(PROJECT).parts)
    return not written_by_dbt and not path.name.startswith(".")


def sources() -> frozenset[str]:
    """Return the base tables that the project declares as sources.

    Raises:
        BuildFailed: a file of the project cannot be read.

    """
    declared: set[str] = set()
    for path in (PROJECT / "models").rglob("*.yml"):
        try:
            if b"sources:" not in path.read_bytes():
                continue
            for group in files.described(path).get("sources", []):
                declared |= {str(table["name"]) for table in group.get("tables", [])}
        except (yaml.YAMLError, OSError, AttributeError, KeyError, TypeError):
            why = f"{path.relative_to(ROOT)}, which cannot be read"
            raise BuildFailed(ModelsResult("", failed=(why,))) from None
    return frozenset(declared)
