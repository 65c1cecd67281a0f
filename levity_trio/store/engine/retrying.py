"""What is tried again: looks of tasks that run as long as the server, and writes that must not be
lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import trio

from levity_trio.log.output import get_logger
from levity_trio.store.engine.faults import DatabaseDamaged, StoreUnavailable, Unreadable

T = TypeVar("T")

RETRY_SECONDS: Final = 1.0
log = get_logger("system")


@contextmanager
def surviving(failure: str, **fields: object) -> Iterator[None]:
    """Log why one look failed: it must end neither its task nor the server. The next look tries
    again.

    `failure` says what could not be done. A database that cannot be written is left out: the writer
    logs that itself.
    """
    try:
        yield
    except StoreUnavailable:
        pass
    except (Unreadable, OSError) as error:
        log.warning(f"{failure}; it is tried again", reason=str(error), **fields)
    except Exception:  # what nobody foresaw
        log.exception(f"{failure}; it is tried again", **fields)


async def persist(write: Callable[[], Awaitable[T]]) -> T:
    """Retry a write until the database accepts it. Raises DatabaseDamaged, which no retry
    repairs."""
    while True:
        try:
            return await write()
        except DatabaseDamaged:  # the writer has logged it
            raise
        except StoreUnavailable:
            # it is raised at once while a file of the database is lost
            await trio.sleep(RETRY_SECONDS)
