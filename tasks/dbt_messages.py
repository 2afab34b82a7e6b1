"""What dbt says of a failed node, in our own words: dbt's may quote a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

# The first match wins. PostgreSQL's own sentence begins a line, so that a value which is quoted
# further on decides nothing.
REASONS = (
    (r"^Got 1 result, configured to (fail|warn)", "1 row fails"),
    (r"^Got (\d+) results, configured to (fail|warn)", r"\1 rows fail"),
    # Our own sentences: of relations and columns alone.
    (r"(?m)^\s*(\S+ must get other columns, but .+): drop that", r"\1: drop that and run again"),
    (r"(?m)^\s*(\S+ has other columns than its model): drop it", r"\1: drop it and run again"),
    (r"^Compilation Error", "it does not compile"),
    (r"^Parsing Error", "it does not parse"),
    (r"(?m)^\s*column .+ does not exist", "a column that it reads does not exist"),
    (r"(?m)^\s*(relation|schema) .+ does not exist", "a table that it reads does not exist"),
    (
        r"(?m)^\s*(function|operator|type) .+ does not exist",
        "a function or type that it uses does not exist",
    ),
    (r"(?m)^\s*syntax error at", "its SQL has a syntax error"),
    (r"(?m)^\s*(permission denied|must be owner)", "the warehouse's user lacks a privilege"),
    (r"(?m)^\s*division by zero", "it divides by zero"),
    (
        r"(?m)^\s*invalid (input syntax|value)",
        "a value cannot be read as the type that it is cast to",
    ),
    (r"(?m)^\s*(numeric field overflow|.*out of range)", "a value is out of its type's range"),
    (r'(?m)^\s*null value in column "(\w+)"', r"\1 would be NULL"),
    (r"(?m)^\s*(duplicate key|could not create unique index)", "a unique key would be doubled"),
    (r"(?m)^\s*deadlock detected", "a deadlock was resolved against it"),
    (
        r"(?m)^\s*(canceling statement due to lock timeout|could not obtain lock)",
        "a lock was held too long by somebody else",
    ),
    (r"(?m)^\s*canceling statement", "it was cancelled"),
    (
        r"(?m)^\s*cannot drop .+ because other objects depend on it",
        "other objects depend on what it replaces",
    ),
    (
        r"(?m)^\s*(terminating connection|server closed the connection|connection to server)",
        "the connection was lost",
    ),
    (r"(?m)^\s*could not (extend|write) ", "the warehouse's disk is full"),
    (r"^Database Error", "refused by PostgreSQL"),
)


def reason_of(message: str) -> str:
    """Say in our own words what dbt's message means."""
    matches = ((re.search(pattern, message), words) for pattern, words in REASONS)
    return next((found.expand(words) for found, words in matches if found), "dbt gives up on it")


def reasons_of(nodes: Sequence[Any], *statuses: str) -> tuple[str, ...]:
    """Name the nodes that ended in one of these ways, each with its reason."""
    return tuple(
        f"{node.node.resource_type} {node.node.name}:"
        f" {reason_of(node.message or '')}{_keys_in(node.node)}"
        for node in nodes
        if str(node.status) in statuses
    )


def _keys_in(node: Any) -> str:
    """Say where a test keeps the keys of what it found."""
    kept = node.resource_type == "test" and node.relation_name
    return f", their keys are in {node.schema}.{node.alias}" if kept else ""
