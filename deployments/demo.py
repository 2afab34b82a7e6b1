"""The demo: private servers, a synthetic clinic, one run of the whole ELT, and where to look."""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from pymysql.err import OperationalError

from deployments import prefect_server, servers
from deployments.clinic.create import read_mark
from deployments.installation import LOCAL, PROJECT
from deployments.processes import ServerError
from deployments.servers import DEMO_MARK, ENV_FILE, Servers

UNFINISHED = LOCAL / "source" / "clinic.unfinished"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m deployments.demo", description=__doc__)
    parser.add_argument(
        "--patients", type=int, default=1000, help="size of the clinic (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed gives the same clinic (%(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        sys.exit(demo(options.patients, options.seed))
    except (ServerError, ConnectionError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def demo(patients: int, seed: int) -> int:
    """Run the demo; return an exit status."""
    started = time.monotonic()
    found = servers.find()
    if _belongs_to_user(found):
        source = found.databases.source
        raise ServerError(
            f"{source.name} at {source.host}:{source.port} is your own database, "
            "which the demo leaves alone: run .venv/bin/python flows/elt.py for it, "
            "or move .env away for the demo."
        )
    addresses = [f"{server.name} {server.host}:{server.port}" for server in found.all()]
    _say("servers", ", ".join(addresses))
    if found.ours:
        _write_env(found)
    with ThreadPoolExecutor() as pool:
        prefect = pool.submit(prefect_server.start, LOCAL)
        status = _fill(found, patients, seed)
        api = prefect.result()
    if found.ours:
        _write_env(found, PREFECT_API_URL=api)
    _say("Prefect", api.removesuffix("/api"))
    status = status or _run("flows/elt.py", PREFECT_API_URL=api, **found.databases.variables())
    if status == 0:
        _show_numbers(found)
        status = _run("-m", "tasks.report.practice_report", **found.databases.variables())
        print(_describe_results(found, api, time.monotonic() - started))
    return status


def _belongs_to_user(found: Servers) -> bool:
    """Tell whether the source is the user's own: not ours, not empty, not a synthetic clinic.

    A source on another machine counts as the user's without a look at it.
    """
    if found.ours:
        return False
    if not found.source.on_this_machine:
        return True
    if _has_no_tables(found):
        return False
    # A preference table with other columns, or one that we may not read, is not ours.
    with (
        suppress(OperationalError),
        closing(found.source.connect(found.databases.source.name)) as connection,
    ):
        return read_mark(connection) is None
    return True


def _fill(found: Servers, patients: int, seed: int) -> int:
    """Make the clinic if the source is empty, or if an earlier attempt was interrupted."""
    if UNFINISHED.exists() and found.ours:
        found.source.execute(f"drop database `{found.databases.source.name}`")
        found.source.create_database(found.databases.source)
    elif not (found.on_this_machine and _has_no_tables(found)):
        return 0
    _say("clinic", f"filling the source with a synthetic practice of {patients:,} patients")
    if found.ours:
        UNFINISHED.touch()
    status = _run(
        "-m", "deployments.clinic", "create", "--patients", str(patients), "--seed", str(seed)
    )
    if status == 0:
        UNFINISHED.unlink(missing_ok=True)
    return status


def _write_env(found: Servers, **more: str) -> None:
    """Write the addresses into .env, or what has changed in them.

    A user's own file stays as it is, and so do the lines that a user added to ours.
    """
    addresses = found.databases.variables() | more
    before = ENV_FILE.read_text() if ENV_FILE.exists() else ""
    if ENV_FILE.exists() and not servers.is_written_by_demo(ENV_FILE):
        return
    added = [
        line
        for line in before.splitlines()
        if line not in ("", DEMO_MARK) and line.partition("=")[0] not in addresses
    ]
    text = "\n".join(
        [DEMO_MARK, *(f"{name}={value}" for name, value in addresses.items()), *added, ""]
    )
    if text == before:
        return
    ENV_FILE.unlink(missing_ok=True)
    ENV_FILE.touch(mode=0o600)
    ENV_FILE.write_text(text)


def _has_no_tables(found: Servers) -> bool:
    query = "select count(*) from information_schema.tables where table_schema = %s"
    with closing(found.source.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(query, [found.databases.source.name])
        return bool(cursor.fetchone() == (0,))


def _run(*arguments: str, **variables: str) -> int:
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env={**os.environ, **variables}, check=False
    ).returncode


MONTHS = """
    with production as (
        select date_trunc('month', production_date) as month,
            sum(gross_production) as gross, sum(net_production) as net
        from public_marts.daily_production where production_date <= now() group by 1
    ),
    collections as (
        select date_trunc('month', collection_date) as month, sum(total_income) as income
        from public_marts.daily_collections where collection_date <= now() group by 1
    )
    select to_char(month, 'YYYY-MM'), round(gross), round(net), round(income)
    from production join collections using (month) order by month desc limit 6
"""


def _show_numbers(found: Servers) -> None:
    """Print the practice's last months, from the marts."""
    with (
        closing(found.postgres.connect(found.databases.warehouse.name)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(MONTHS)
        months = cursor.fetchall()
    print(f"\n{'month':9}{'gross production':>18}{'net production':>18}{'collections':>14}")
    for month, *amounts in months:
        gross, net, income = (f"{amount or 0:,.0f}" for amount in amounts)
        print(f"{month:9}{gross:>18}{net:>18}{income:>14}")


def _describe_results(found: Servers, api: str, seconds: float) -> str:
    databases = found.databases
    source, replica, warehouse = databases.source, databases.replica, databases.warehouse
    python = os.path.relpath(sys.executable)
    return f"""
The demo took {seconds:.0f} seconds. Where to look (passwords: .env):

  source     mysql -h {source.host} -P {source.port} -u {source.user} -p {source.name}
  replica    mysql -h {replica.host} -P {replica.port} -u {replica.user} -p {replica.name}
  warehouse  psql -h {warehouse.host} -p {warehouse.port} -U {warehouse.user} {warehouse.name}
             raw, public, public_staging, public_intermediate, public_marts
  report     reports/practice.html
  marts      select * from public_marts.daily_production
             where procedures_completed > 0 order by 1 desc limit 10;
  runs       {api.removesuffix("/api")}
  logs       logs/elt_pipeline.log, logs/connection.log

Play the clinic's next day and bring it over. The first one is tomorrow, and the report shows a
day only when it has come:

  {python} -m deployments.clinic day
  {python} flows/elt.py

make stop stops the servers, make clean removes them and their data.
"""


def _say(subject: str, line: str) -> None:
    print(f"{subject:9}{line}", flush=True)


if __name__ == "__main__":
    main()
