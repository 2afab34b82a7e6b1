"""What each stage of a first load takes on its own: seconds by the clock, and of CPU in the pipeline and the three servers."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict

from lab import Cost, measured, servers, targets, write_result
from runs import prepare, run
from throughput import SAMPLES, grow

from deployments.clinic import create
from deployments.servers import Servers
from transfer.mysql import hashing, load_data, paging, pool, reading
from transfer.mysql.definition import as_replica
from transfer.mysql.page import Page, Selection
from transfer.postgres import tables
from transfer.postgres.literals import Place
from transfer.postgres.merging import totals
from transfer.postgres.pool import connect
from transfer.replica import proof
from transfer.replica import rows as replica_rows
from transfer.rules.layout import raw_fields, raw_key
from transfer.settings import MySQLServer, Settings
from transfer.source import survey as source
from transfer.values.table import SourceTable
from transfer.warehouse import public, raw
from transfer.warehouse.holdable import holdable_texts


def main() -> None:
    """Print a table of stages for each sample, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--patients", type=int, default=300, help="size of the clinic (%(default)s)"
    )
    parser.add_argument(
        "--share", type=float, default=0.5, help="of the samples' rows (%(default)s)"
    )
    parser.add_argument(
        "--table", action="append", choices=SAMPLES, help="only this one; repeatable"
    )
    options = parser.parse_args()
    names = options.table or list(SAMPLES)
    figures = {}
    with servers() as found, targets(found) as clinic:
        with closing(found.source.connect(clinic.source.db)) as connection:
            create(connection, options.patients, 1, None)
            for name in names:
                grow(connection, name, int(SAMPLES[name] * options.share))
        prepare(clinic)
        for each in source.survey(clinic.source, clinic.limits, names).tables:
            costs = stages(found, clinic, each)
            show(each, costs)
            figures[each.table.name] = {stage: asdict(cost) for stage, cost in costs.items()}
    write_result("stages", figures)


def stages(servers: Servers, settings: Settings, each: SourceTable) -> dict[str, Cost]:
    """Do one stage after the other, each over all rows."""
    costs: dict[str, Cost] = {}
    table, limits, name = each.table, settings.limits, each.table.name

    def stage(told: str, do: Callable[[], object]) -> object:
        with measured(servers) as found:
            result = do()
            reading.close_readers()  # their CPU counts once they have ended
        costs[told] = found[0]
        return result

    select, hashed = hashing.replica_select(table), hashing.row_hash(table)

    def read(server: MySQLServer, chosen: str, row_hash: str = "") -> list[Page]:
        return list(paging.pages(Selection(server, limits, each, chosen, row_hash)))

    stage(
        "source: server makes and sends rows",
        lambda: _drain(settings, f"SELECT {select} FROM {name}"),
    )
    stage(
        "source: … with their hashes",
        lambda: _drain(settings, f"SELECT {select}, {hashed} FROM {name}"),
    )
    pages: list[Page] = stage(
        "source: read in pages with hashes", lambda: read(settings.source, select, hashed)
    )  # type: ignore[assignment]
    rows = [page.rows for page in pages]
    stage("encode for LOAD DATA", lambda: [len(load_data.encode(page)) for page in rows])
    definition = as_replica(source.definition(settings.source, limits, name), "ready")
    with pool.connect(settings.replica, limits, writes=True) as connection:
        connection.run("creating", definition.create)

        def load() -> None:
            for page in rows:
                with connection.transaction():
                    load_data.load(connection, "ready", table.stored, page)

        stage("encode and LOAD DATA", load)
        stage("prove the replica's hashes", lambda: proof.hashes_of(connection, table, "ready"))
        adding = ", ".join(f"ADD {key}" for key in definition.keys)
        stage("build the replica's keys", lambda: adding and connection.run("keys", f"ALTER TABLE ready {adding}"))  # fmt: skip
        connection.run("dropping", "DROP TABLE ready")
    run(settings, name)
    stage("the replica's totals", lambda: replica_rows.totals(settings.replica, limits, table))
    chosen = raw.select(table)
    stage(
        "replica: server makes and sends rows",
        lambda: _drain(settings, f"SELECT {chosen} FROM {name}", "replica"),
    )
    pages = stage("replica: read in pages", lambda: read(settings.replica, chosen))  # type: ignore[assignment]
    fields, key, target = raw_fields(table), raw_key(table), Place("raw", f"{name}_again")
    texts = stage(
        "texts that PostgreSQL can hold",
        lambda: [holdable_texts(fields, page.rows)[0] for page in pages],
    )
    with connect(settings.warehouse) as connection:
        tables.create(connection, target, fields)
        stage("COPY", lambda: [connection.copy("copying", target, fields, page) for page in texts])  # type: ignore[union-attr]
        stage("raw's key", lambda: tables.make_ours(connection, target, key, "public"))
        stage("raw's totals", lambda: totals(connection, target, fields))
        made = public.recipe(limits, table, target.name)
        again = Place("public", target.name)
        stage(
            "public's rows",
            lambda: connection.run("making", f"CREATE TABLE {again} AS {made.select('raw')}"),
        )
        stage("public's key", lambda: tables.make_ours(connection, again, made.key, "public"))
    return costs


def _drain(settings: Settings, query: str, place: str = "source") -> None:
    """Let a server send rows to a client that only throws them away, in C."""
    server = getattr(settings, place)
    subprocess.run(
        [
            "mariadb",
            "--quick",
            "-N",
            f"-h{server.host}",
            f"-P{server.port}",
            f"-u{server.user}",
            server.db,
            "-e",
            query,
        ],
        env={"MYSQL_PWD": server.password.get_secret_value(), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def show(each: SourceTable, costs: dict[str, Cost]) -> None:
    """Print the stages as a table."""
    print(f"\n{each.table.name}, {each.size.rows:,} rows of {each.size.row_bytes} bytes")
    print("| stage | seconds | client | source | replica | PostgreSQL |\n|---|---|---|---|---|---|")
    for stage, cost in costs.items():
        parts: Sequence[float] = (cost.wall, cost.client, cost.source, cost.replica, cost.postgres)
        print(f"| {stage} | {' | '.join(f'{part:.2f}' for part in parts)} |", flush=True)


if __name__ == "__main__":
    main()
