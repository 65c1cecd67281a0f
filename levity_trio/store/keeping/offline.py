"""Changes made from the command line while no server runs, under the database's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, cast

from levity_trio.clock import Clock, accelerated, system_clock
from levity_trio.config import ConfigError, EnvironmentProblem
from levity_trio.config.settings import DatabaseAddress
from levity_trio.store.engine.database import Database, Store
from levity_trio.store.engine.faults import DatabaseFault
from levity_trio.store.engine.file_store import InUse
from levity_trio.store.engine.opening import is_new, open_store
from levity_trio.store.reads.levity.rows import ImportedRows, total
from levity_trio.store.reads.reader import look
from levity_trio.store.reads.site.database import simulated_time
from levity_trio.store.writes.chargers import hiding
from levity_trio.store.writes.people.users import digest_of
from levity_trio.store.writes.site import demo, imports
from levity_trio.store.writes.site.demo import DemoRecipient, Resumed, Shared
from levity_trio.wire.times import stamp


def forget(
    address: DatabaseAddress,
    server: str,
    chargers: Sequence[str],
    pattern: str | None,
    retired_on: str | None,
    *,
    is_forced: bool = False,
) -> list[str]:
    """Hide chargers until they charge again: those named, and the strangers whose identities fit a
    shell pattern.

    Return which. `retired_on` is the day of their removal (YYYY-MM-DD), if they were removed.

    Raises:
        ConfigError: no charger has one of these identities; nothing was changed.
        EnvironmentProblem: a server runs, the database cannot be used, or a charger is still used.
    """
    with _open_known(address, server) as store:
        at = stamp(look(address, _clock)())
        named = partial(hiding.hide_each, chargers=chargers, pattern=pattern)
        write = partial(named, at=at, retired_on=retired_on, is_forced=is_forced)
        try:
            return cast("list[str]", store.commit([write])[0].unwrap())
        except hiding.UnknownIdentity as unknown:
            raise ConfigError(f"no charger {unknown} is in {address}") from None
        except hiding.StillUsed as why:
            raise EnvironmentProblem(str(why).replace("with force", "with --force")) from None
        except DatabaseFault as fault:
            raise EnvironmentProblem(f"cannot write the database {address}: {fault}") from None


def resume(
    address: DatabaseAddress,
    server: str,
    speed: int,
    started: datetime,
    cookies: Mapping[str, str],
    told: Sequence[DemoRecipient] = (),
    shared: Shared | None = None,
) -> Resumed:
    """Let a history with a simulated clock go on from its last moment, and log in the first user of
    each role.

    `told` get messages, `shared` is the feeder, `started` the machine's present moment. Raises
    EnvironmentProblem.
    """
    logins = {role: digest_of(cookie) for role, cookie in cookies.items()}
    with _open_known(address, server) as store:
        write = partial(
            demo.resume, speed=speed, started=started, logins=logins, told=told, shared=shared
        )
        return cast("Resumed", store.commit([write])[0].unwrap())


ServerRuns = InUse
Import = Callable[[str, Sequence[Sequence[Any]]], ImportedRows]
"""Imports parts of a history: the kind of their rows, one of KINDS, and the rows of each part."""


@contextmanager
def open_import(address: DatabaseAddress, server: str) -> Iterator[Import]:
    """Import history into a database as the server of this name. A missing file, or the schema, is
    created.

    Raises:
        ServerRuns: a server runs on the database; it has to import.
        EnvironmentProblem: the database cannot be used.
    """
    simulated = None if is_new(address) else look(address, simulated_time)
    with open_store(address, server, simulated) as store:
        clock = look(address, _clock)

        def take(kind: str, parts: Sequence[Sequence[Any]]) -> ImportedRows:
            at = stamp(clock())
            try:
                results = store.commit(
                    [partial(imports.take, kind=kind, rows=rows, at=at) for rows in parts]
                )
            except DatabaseFault as fault:
                raise EnvironmentProblem(
                    f"cannot write the database {address}: {fault}; then import again"
                ) from None
            return total([cast("ImportedRows", result.unwrap()) for result in results])

        yield take


def _clock(db: Database) -> Clock:
    simulated = simulated_time(db)
    return accelerated(simulated, system_clock) if simulated else system_clock


@contextmanager
def _open_known(address: DatabaseAddress, server: str) -> Iterator[Store]:
    """Open an existing database as the server of this name, at the clock speed that it was created
    for."""
    with open_store(address, server, look(address, simulated_time)) as store:
        yield store
