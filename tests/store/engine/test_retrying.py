"""Looks and writes that are tried again."""

from __future__ import annotations

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.store.engine.faults import DatabaseDamaged, StoreUnavailable, Unreadable
from levity_trio.store.engine.writer import persist, surviving

pytestmark = pytest.mark.sqlite  # no database is involved


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (StoreUnavailable("full"), None),
        (DatabaseDamaged("a page"), None),
        (Unreadable("locked"), "warning"),
        (PermissionError("no"), "warning"),
        (KeyError("unforeseen"), "error"),
        (ExceptionGroup("several", [ValueError(1), ValueError(2)]), "error"),
    ],
)
@pytest.mark.logs_errors
def test_a_failed_look_is_told_once(
    log_lines: list[EventDict], error: Exception, level: str | None
) -> None:
    with surviving("it could not be done", charger="CP-1"):
        raise error
    told = [(line["log_level"], line["event"], line["charger"]) for line in log_lines]
    assert told == (
        [] if level is None else [(level, "it could not be done; it is tried again", "CP-1")]
    )


async def test_a_cancelled_look_ends() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        with surviving("it could not be done"):
            await trio.sleep(1)
        raise AssertionError("the cancellation was swallowed")
    assert scope.cancelled_caught


@pytest.mark.usefixtures("autojump_clock")
async def test_a_write_is_retried_until_it_is_stored() -> None:
    errors: list[Exception] = [StoreUnavailable("full"), StoreUnavailable("full")]

    async def write() -> str:
        if errors:
            raise errors.pop()
        return "stored"

    assert await persist(write) == "stored"
    assert trio.current_time() >= 2


async def test_a_write_that_needs_a_damaged_page_is_not_retried() -> None:
    async def write() -> str:
        raise DatabaseDamaged("a page")

    with pytest.raises(DatabaseDamaged):
        await persist(write)
