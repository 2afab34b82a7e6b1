"""What SHOW CREATE TABLE says, turned into the definition of the replica's table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from transfer.mysql import quote

OPTIONS_OF_OTHER_ENGINES = re.compile(
    r" (ROW_FORMAT|CHECKSUM|DELAY_KEY_WRITE|PACK_KEYS|TRANSACTIONAL|PAGE_CHECKSUM|MIN_ROWS|MAX_ROWS|AVG_ROW_LENGTH"
    r"|KEY_BLOCK_SIZE|INSERT_METHOD|UNION|(DATA|INDEX) DIRECTORY)=('[^']*'|\([^)]*\)|\S+)"
)

# A name or a comment may hold line breaks of its own.
LINES = re.compile(r"(?:`[^`]*`|'(?:[^'\\]|\\.)*'|[^`'\n])+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Definition:
    """A table's SHOW CREATE TABLE, taken apart: columns and primary key first, the other keys once the rows are there."""

    create: str
    keys: tuple[str, ...]


def as_replica(definition: str, name: str) -> Definition:
    """Turn the source's definition into that of an InnoDB table without foreign keys and partitions."""
    _head, *lines = LINES.findall(definition)
    end = next(position for position, line in enumerate(lines) if line.startswith(")"))
    body = [line.strip().removesuffix(",") for line in lines[:end]]
    counter = next(
        (line.split("` ")[0] + "`" for line in body if line.startswith("`") and " AUTO_INCREMENT" in line), None
    )
    primary = next((line for line in body if line.startswith("PRIMARY KEY")), "")
    kept: list[str] = []
    keys: list[str] = []
    for line in body:
        if re.match(r"CONSTRAINT .* FOREIGN KEY ", line):
            continue
        is_key = re.match(r"(UNIQUE |FULLTEXT |SPATIAL )?KEY ", line)
        needed_at_once = counter and f"({counter}" in line and f"({counter}" not in primary
        (keys if is_key and not needed_at_once else kept).append(line)
    if counter and not any(f"({counter}" in line for line in body):  # MyISAM lets it stand second in a key, InnoDB not
        kept.append(f"KEY `_elt_counter` ({counter})")
    options, comment, rest = lines[end].partition(" COMMENT=")
    options = OPTIONS_OF_OTHER_ENGINES.sub("", re.sub(r"ENGINE=\w+", "ENGINE=InnoDB", options))
    return Definition(
        f"CREATE TABLE {quote(name)} (\n  " + ",\n  ".join(kept) + f"\n{options}{comment}{rest}", tuple(keys)
    )


def structure(definition: str) -> tuple[str, frozenset[str]]:
    """Return what two definitions of the same table have in common, whatever their engines and counters."""
    found = as_replica(definition, "x")
    return re.sub(r" AUTO_INCREMENT=\d+|/\*.*?\*/", "", found.create), frozenset(found.keys)
