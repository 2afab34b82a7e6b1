"""Servers of a test's own, with its own arguments; they are gone when it ends."""

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import EDITIONS

from deployments import servers as deployed
from deployments.installation import LOCAL, make_private, prepare
from deployments.processes import PrivateProcess
from deployments.server import Server
from deployments.servers import Servers


@contextmanager
def home(name: str) -> Iterator[Path]:
    """Return a folder where `make stop` finds what a killed test left running."""
    folder = LOCAL / "-".join(filter(None, ["test", name, *EDITIONS, str(os.getpid())]))
    make_private(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def started(folder: Path, arguments: dict[str, Sequence[str]]) -> Iterator[Servers]:
    """Start servers with these arguments, and make their databases.

    `arguments` has one entry, which may be empty, for each server that the test starts.
    """
    remembered = prepare(folder)
    if not remembered.programs:
        pytest.skip("containers take no arguments")
    found = deployed._servers(folder, remembered)
    changed = {
        server.name: _with(server, arguments[server.name])
        for server in found.all()
        if server.name in arguments
    }
    servers = replace(found, **changed)  # type: ignore[arg-type]
    try:
        with ThreadPoolExecutor() as pool:
            list(
                pool.map(
                    lambda server: deployed._start(server, folder, remembered), changed.values()
                )
            )
        for name, server in changed.items():
            server.create_database(
                getattr(servers.databases, "warehouse" if name == "postgres" else name)
            )
        yield servers
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda server: server.kill(), changed.values()))


def _with(server: Server, arguments: Sequence[str]) -> Server:
    process = server.process
    assert isinstance(process, PrivateProcess)
    return replace(server, process=replace(process, command=(*process.command, *arguments)))
