"""Whether the three servers can be used as they are, found out in seconds and changing nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from time import monotonic

from transfer.errors import DatabaseFault, PracticeUpgrading, PreflightError, SettingsError
from transfer.journey import compatibility, mysql_checks, postgres_checks
from transfer.journey.mysql_checks import Seen
from transfer.journey.refusals import sentence_for
from transfer.postgres.pool import connect
from transfer.settings import Server, Settings, Warehouse
from transfer.values.checked import Checked

log = logging.getLogger("elt.connection")


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen of the three servers, and whether the replica can hold the source's tables."""

    source: Seen
    replica: Seen
    warehouse: Seen
    between: tuple[Checked, ...] = ()

    @property
    def servers(self) -> tuple[Seen, ...]:
        """All three."""
        return self.source, self.replica, self.warehouse


def look(settings: Settings) -> Looked:
    """Look at all three servers at once, logging into each a single time."""
    source, replica, warehouse = settings.source, settings.replica, settings.warehouse
    with ThreadPoolExecutor(3) as pool:
        looks = (
            pool.submit(_reached, source, lambda: mysql_checks.source(source, settings.limits)),
            pool.submit(_reached, replica, lambda: mysql_checks.replica(settings)),
            pool.submit(_reached, warehouse, lambda: postgres_checks.warehouse(warehouse)),
        )
        of_source, of_replica, of_warehouse = (look.result() for look in looks)
    looked = Looked(of_source, of_replica, of_warehouse)
    if of_source.sentence or of_replica.sentence:
        return looked
    return replace(looked, between=_between(settings, of_source, of_replica))


def _between(settings: Settings, source: Seen, replica: Seen) -> tuple[Checked, ...]:
    """Check whether the replica can hold what the source has."""
    names = compatibility.names(settings.replica, source.tables, lowers=replica.lowers)
    collations = compatibility.collations(settings, source.used, replica.known)
    place = settings.replica.place
    return (
        Checked(place, "names of tables", "in lower case" if replica.lowers else "kept", names),
        Checked(place, "collations", f"{len(source.used)} in use", collations),
        *(
            Checked(
                server.place,
                "names outside ASCII",
                f"in {len(source.foreign)} tables",
                compatibility.handshake(server, settings.limits, source.foreign),
            )
            for server in (settings.source, settings.replica)
        ),
    )


def check(settings: Settings) -> tuple[str, ...]:
    """Look at all three servers; return what is worth a remark but no reason to stop.

    Raises:
        PreflightError: one or more cannot be used; a sentence for each, naming the setting and the
            mend.

    """
    looked = look(settings)
    found = [seen.sentence for seen in looked.servers if seen.sentence]
    found += [each.sentence for each in looked.between if each.sentence]
    if found:
        raise PreflightError(*found)
    return tuple(each.sentence for seen in looked.servers for each in seen.checks if each.sentence)


def reach(warehouse: Warehouse) -> None:
    """Log into the warehouse, for what reads nothing else.

    Raises:
        PreflightError: it cannot be reached; the sentence names the setting and the mend.

    """

    def look() -> Seen:
        with connect(warehouse):
            return Seen()

    if sentence := _reached(warehouse, look).sentence:
        raise PreflightError(sentence)


def _reached(server: Server, look: Callable[[], Seen]) -> Seen:
    started = monotonic()
    where = f"{server.user}@{server.host}:{server.port}"
    try:
        seen = look()
    except DatabaseFault as fault:
        return Seen((Checked(server.place, "answers", where, sentence_for(server, fault)),))
    except (PracticeUpgrading, SettingsError) as refused:
        return Seen((Checked(server.place, "usable", where, str(refused)),))
    seconds = monotonic() - started
    log.info("%s %s answers in %.3f s", server.place, where, seconds)
    answers = Checked(server.place, "answers", f"{where} in {seconds:.3f} s")
    return replace(seen, checks=(answers, *seen.checks))
