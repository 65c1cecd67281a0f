"""The boundary of tasks that look at the database again and again, for as long as the server runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from levity_trio.log_output import get_logger
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.reads import Unreadable

log = get_logger("system")


@contextmanager
def surviving(failure: str, **fields: object) -> Iterator[None]:
    """Log why one look failed: it must end neither its task nor the server. The next look tries again.

    `failure` says what could not be done. A database that cannot be written is left out: the writer logs that itself.
    """
    try:
        yield
    except StoreUnavailable:
        pass
    except (Unreadable, OSError) as error:
        log.warning(f"{failure}; it is tried again", reason=str(error), **fields)
    except Exception:  # what nobody foresaw
        log.exception(f"{failure}; it is tried again", **fields)
