"""In which order a backend is told: nothing twice and nothing skipped, however the history is cut
into pages, and wherever a copy begins anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing as closing_of
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from levity_trio.store.reads.site import receivers as reads
from levity_trio.store.writes.site import receivers
from levity_trio.store.writes.transactions import stops
from tests.backends.site import OF_SESSIONS, Backend, Site, Told, Wired, dialling
from tests.charger.conftest import run_in_virtual_time
from tests.store.books import Books, in_memory


@contextmanager
def pages_of(frames: int, rows: int, sessions: int) -> Iterator[None]:
    """Read pages of so many frames, rows of the log and sessions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reads, "FRAMES_AT_ONCE", frames)
        patch.setattr(reads, "LOG_ROWS_AT_ONCE", rows)
        patch.setattr(reads, "SESSIONS_AT_ONCE", sessions)
        yield


UNSHRUNK: Final = settings(phases=[Phase.explicit, Phase.generate])
"""To shrink a history takes minutes, and it can be read as it is."""

# A history

CONNECTORS = st.sampled_from([1, 2])
STEPS = st.one_of(
    st.tuples(st.just("session"), CONNECTORS, st.lists(st.booleans(), max_size=5)),
    st.tuples(st.just("start"), CONNECTORS),
    st.tuples(st.just("read"), CONNECTORS, st.booleans()),
    st.tuples(st.just("stop"), CONNECTORS),
    st.tuples(st.just("again")),
    st.tuples(st.just("status"), CONNECTORS),
    st.tuples(st.just("wait"), st.sampled_from([0.001, 1, 5])),
    st.tuples(st.just("neighbour"), st.integers(1, 4)),
    st.tuples(st.just("close")),
    st.tuples(st.just("unknown")),
)
HISTORIES = st.lists(STEPS, max_size=30)
HIDING = st.one_of(STEPS, st.tuples(st.just("hidden"), CONNECTORS, st.booleans()))
PRUNING = st.one_of(STEPS, st.tuples(st.just("prune"), st.integers(0, 3)))
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3))
CUTS = st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=6)
"""After how many messages the backend goes away, each time, and whether it answered the last
one."""


def chapters_of(steps: Any) -> Any:
    """Histories, each of which is told in pages of its own sizes, with its own cuts."""
    return st.lists(st.tuples(st.lists(steps, max_size=30), SIZES, CUTS), max_size=4)


class Story:
    """What a charger does, with another register in each message."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.charger = site.charger
        self.beside = Wired(site.books, "CP-2")
        self.register = 1000
        self.open: dict[int, int] = {}
        self.last: Any = None

    def play(self, steps: list[tuple[Any, ...]]) -> None:
        for name, *values in steps:
            self.go_on()
            getattr(self, name)(*values)

    def go_on(self) -> None:
        self.site.books.wait(0.01)
        self.register += 1

    def session(self, connector: int, readings: list[bool]) -> None:
        """A whole session; of its readings, some name it."""
        self.start(connector)
        for is_named in readings:
            self.go_on()
            self.read(connector, is_named)
        self.go_on()
        self.stop(connector)

    def start(self, connector: int) -> None:
        at = self.charger.clock()
        self.last = partial(self.charger.start, self.register, connector, at=at)
        self.open[connector] = self.last()

    def read(self, connector: int, is_named: bool) -> None:
        number = self.open.get(connector)
        value = self.charger.register(self.register)
        self.charger.tell(value, transaction=number if is_named else None, connector=connector)

    def hidden(self, connector: int, is_named: bool) -> None:
        """Readings whose frame is not kept, as on a full disk."""
        self.charger.is_logged = False
        self.read(connector, is_named)
        self.charger.is_logged = True

    def prune(self, kept: int) -> None:
        """Delete all frames but the last ones, as retention does."""
        self.site.books.connection.execute(
            "DELETE FROM log WHERE id <= (SELECT max(id) FROM log) - ?", (kept,)
        )

    def stop(self, connector: int) -> None:
        if connector in self.open:
            number, at = self.open.pop(connector), self.charger.clock()
            self.last = partial(self.charger.stop, number, self.register, at=at)
            self.last()

    def again(self) -> None:
        if self.last is not None:
            self.last()

    def status(self, connector: int) -> None:
        self.charger.status("Charging", connector)

    def wait(self, minutes: float) -> None:
        self.site.books.wait(minutes)

    def neighbour(self, frames: int) -> None:
        for _ in range(frames):
            self.beside.tell(self.beside.register(self.register))

    def close(self) -> None:
        """Restart, and let the server close what was open."""
        self.charger.boot()
        self.site.books.wait(1)
        self.site.books.run(stops.close_silent, self.site.books.at, 0.0)

    def unknown(self) -> None:
        self.charger.stop(4711, self.register)


# What was told of it


def told_once(told: list[Told | None]) -> list[Told]:
    """Return what was told of sessions, without what was told again because the backend went away
    (None) before its answer was stored."""
    found: list[Told] = []
    was_cut = False
    for one in told:
        if one is None:
            was_cut = True
        elif one[0] in OF_SESSIONS:
            if was_cut and found and register_of(one) == register_of(found[-1]):
                found.pop()
            found.append(one)
            was_cut = False
    return found


def register_of(told: Told) -> tuple[str, object]:
    """Return what names a message: its register is in no other one."""
    action, payload = told
    if action == "MeterValues":
        return action, int(payload["meterValue"][0]["sampledValue"][0]["value"])
    return action, payload.get("meterStart", payload.get("meterStop"))


def plain(site: Site, told: list[Told | None]) -> list[tuple[object, ...]]:
    """Return what was told, each with the register at the start of its session."""
    sessions = site.backend.sessions
    found: list[tuple[object, ...]] = []
    for one in told_once(told):
        number = one[1].get("transactionId")
        start = None if number is None else sessions[number]["meterStart"]
        found.append((*register_of(one), start))
    return found


async def told_in_pages(
    site: Site, sizes: tuple[int, int, int], cuts: list[tuple[int, bool]]
) -> list[Told | None]:
    """Let the backend be told in pages of these sizes, and go away in between."""
    before = len(site.backend.history)
    site.backend.leaves = list(cuts)
    with pages_of(*sizes):
        await site.tell(1200)
    site.backend.leaves = []
    return site.backend.history[before:]


def new_site(backend: Backend) -> Site:
    return Site(Books(in_memory()), backend)


@UNSHRUNK
@given(HISTORIES, SIZES, CUTS)
@example([("unknown",), ("read", 1, True)], (4, 5, 1), [])
def test_pages_and_restarts_change_nothing(
    steps: list[tuple[Any, ...]], sizes: tuple[int, int, int], cuts: list[tuple[int, bool]]
) -> None:
    """A second backend, which is told all at once, is told the same."""

    async def check() -> None:
        site = new_site(backend)
        with closing_of(site.books.connection):
            other = site.add("at once", site.charger.name)
            site.books.run(receivers.pause_backend, other, site.books.at)
            Story(site).play(steps)
            in_pages = await told_in_pages(site, sizes, cuts)

            site.books.run(receivers.pause_backend, site.number, site.books.at)
            site.books.run(receivers.pause_backend, other, None)
            before = len(site.backend.history)
            await site.tell(1200)
            assert plain(site, in_pages) == plain(site, site.backend.history[before:])

    with dialling(Backend()) as backend:
        run_in_virtual_time(check)


@UNSHRUNK
@given(chapters_of(STEPS))
def test_nothing_is_skipped_and_nothing_told_twice(
    chapters: list[tuple[list[tuple[Any, ...]], tuple[int, int, int], list[tuple[int, bool]]]],
) -> None:
    """Each session begins once, ends once if it ended, and has its readings in between."""

    async def check() -> None:
        site = new_site(backend)
        with closing_of(site.books.connection):
            story = Story(site)
            for steps, sizes, cuts in chapters:
                story.play(steps)
                await told_in_pages(site, sizes, cuts)
            await site.tell(1200)
            told = plain(site, site.backend.history)
            check_all(site, told)

    with dialling(Backend()) as backend:
        run_in_virtual_time(check)


def check_all(site: Site, told: list[tuple[object, ...]]) -> None:
    """Compare what was told with what is stored."""
    rows = site.books.rows(
        "SELECT meter_start, status = 'Completed', stopped_by = 'system' FROM tx ORDER BY id"
    )
    starts = [register for action, register, _ in told if action == "StartTransaction"]
    # Of one whose start was lost, a register was found among its readings.
    assert [
        register if told else None for register, (told, *_) in zip(starts, rows, strict=True)
    ] == [register for register, *_ in rows]
    of_sessions = dict(zip(starts, rows, strict=True))
    ended = [register for register, (_, has_ended, _) in of_sessions.items() if has_ended]
    stopped = [start for action, _, start in told if action == "StopTransaction"]
    assert sorted(stopped, key=str) == sorted(ended, key=str)

    frames = site.books.rows(
        "SELECT frame FROM log WHERE cp_id = 'CP-1' AND action = 'MeterValues' ORDER BY id"
    )
    late = site.books.rows(
        "SELECT payload, tx_id FROM backend_refused WHERE action = 'MeterValues' AND kind = 'late'"
    )
    # Only readings of a session that the server had ended before are late.
    assert {session for _, session in late} <= {
        session for (session,) in site.rows("tx_id", "tx_event WHERE kind = 'close'")
    }
    kept = [register_of(("MeterValues", json.loads(payload))) for payload, _ in late]
    sent = [register_of(("MeterValues", json.loads(frame)[3])) for (frame,) in frames]
    readings = [one[:2] for one in told if one[0] == "MeterValues"]
    assert readings == [one for one in sent if one not in kept]
    assert len(readings) + len(kept) == len(sent)

    for start in starts:
        own = [one[0] for one in told if one[2] == start or one[:2] == ("StartTransaction", start)]
        assert own[0] == "StartTransaction"
        assert "StopTransaction" not in own[:-1]


@UNSHRUNK
@given(st.sampled_from([HIDING, PRUNING]).flatmap(chapters_of))
def test_frames_that_are_lost_lose_no_reading(
    chapters: list[tuple[list[tuple[Any, ...]], tuple[int, int, int], list[tuple[int, bool]]]],
) -> None:
    """When their session ends, those that were not told come from what is stored."""

    async def check() -> None:
        site = new_site(backend)
        with closing_of(site.books.connection):
            story = Story(site)
            for steps, sizes, cuts in chapters:
                story.play(steps)
                await told_in_pages(site, sizes, cuts)
            for connector in (1, 2):
                story.go_on()
                story.stop(connector)
            await site.tell(1200)

            told = plain(site, site.backend.history)
            readings = [register for action, register, _ in told if action == "MeterValues"]
            assert len(readings) == len(set(readings))
            late = site.rows("payload", "backend_refused WHERE action = 'MeterValues'")
            kept = {register_of(("MeterValues", json.loads(payload)))[1] for (payload,) in late}
            stored = site.rows(
                "wh, tx_id",
                "meter_val JOIN backend_tx USING (tx_id) WHERE source = 'MeterValues' "
                "AND cp_id = 'CP-1' AND stopped_at IS NOT NULL",
            )
            assert {wh for wh, _ in stored} <= {*readings, *kept}

    with dialling(Backend()) as backend:
        run_in_virtual_time(check)
