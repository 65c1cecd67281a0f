"""Stories of charging: the energy truly delivered, the charger's messages, and the resulting books.

A `Session` is the truth: a power curve on a connector whose true register is at `meter` when it
begins. A `Voice` is the charger's way of reporting. `tell` creates the honest messages (`Note`) of
a session. A lie (tests/store/lies.py) changes a register, a time, an id or the order of arrival, or
drops messages. `play` sends a story through `Station` in the order of arrival, and `verdict`
compares the billed energy with the truth. The seed determines everything.

    python -m tests.store.stories N SEED     plays N stories with lies; prints a table and the first
                                             undetected ones
    python -m tests.store.stories honest N SEED     plays N honest sessions; prints those flagged or
                                                    not exact
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from tests.store.books import Books, Station, meter_value
from tests.store.telling import charge_state, close_silent, settle, start_with, watts

Curve = tuple[tuple[float, float], ...]
"""Pieces of minutes and watts."""
VOLTS = 230


@dataclass(frozen=True)
class Voice:
    """How a charger reports a session."""

    every: float | None = 5
    """Minutes between readings."""
    unit: str = "Wh"
    decimals: int = 0
    """Decimals of readings in kWh."""
    rounds: bool = False
    """Whether readings are rounded half up; otherwise they are truncated."""
    coarse: int = 1
    """The step of its meter in Wh, also in start and stop."""
    per_session: bool = False
    """Readings count from 0 (Grizzl-E), start and stop the charger's life."""
    power: str = "W"
    """Of readings: W, kW, A (current and voltage of each phase), or nothing."""
    phases: int = 1
    battery_wh: int = 0
    """The capacity of the car's battery; above 0, the state of charge is sent."""
    data: bool = False
    """Whether the stop has transactionData."""


@dataclass(eq=False)
class Session:
    """The energy truly delivered, from `begin` (minutes since the start of the story)."""

    number: int
    connector: int
    tag: str
    begin: float
    meter: float
    curve: Curve
    voice: Voice
    slack: float = 0
    """Wh that its lie hides from any judge: a figure this far below the truth is right, too, if
    under review."""

    @property
    def end(self) -> float:
        return self.begin + sum(minutes for minutes, _ in self.curve)

    @property
    def delivered(self) -> float:
        return self.wh(self.end)

    @property
    def tolerance(self) -> int:
        """The charger's resolution at both ends."""
        return 2 * self.voice.coarse

    @property
    def figure(self) -> int:
        """Stop minus start, as an honest charger sends them."""
        return _meter(self.meter + self.delivered, self.voice) - _meter(self.meter, self.voice)

    def wh(self, minute: float) -> float:
        """Return the energy delivered until then."""
        left, found = minute - self.begin, 0.0
        for minutes, power in self.curve:
            found += power * max(0.0, min(left, minutes)) / 60
            left -= minutes
        return found

    def power(self, minute: float) -> float:
        left = minute - self.begin
        for minutes, power in self.curve:
            if left < minutes:
                return power
            left -= minutes
        return 0.0


@dataclass(eq=False)
class Note:
    """One message, or what happens to the connection: start, reading, stop, status, boot, lose,
    connect, close."""

    kind: str
    at: float
    session: Session
    wh: float = 0
    """The charger's lifetime register."""
    power: float = 0
    arrives: float = -1
    told: float = 0
    """Minutes by which its clock is ahead."""
    clock: str | None = None
    """The time sent instead."""
    raw: float | str | None = None
    """A register of a start or stop, sent instead."""
    scale: float = 1
    """The factor of a reading whose unit is wrong."""
    id_of: Session | int | None = None
    """The session whose id it has, or the number, if not its own."""
    tag: str | None = None
    status: str = ""
    is_lost: bool = False
    times: int = 1

    def __post_init__(self) -> None:
        if self.arrives < 0:
            self.arrives = self.at


@dataclass
class Story:
    """Sessions of one charger, and its messages."""

    sessions: list[Session]
    notes: list[Note] = field(default_factory=list)
    lie: str = "honest"
    modulus: int = 0
    """The value at which its register wraps to 0; 0 for never."""

    def of(self, session: Session, kind: str) -> list[Note]:
        found = [note for note in self.notes if note.session is session and note.kind == kind]
        return sorted(found, key=lambda note: note.at)

    def shift(self, connector: int, since: float, wh: float) -> None:
        """Raise the connector's register by an amount from then on."""
        for note in self.notes:
            if note.session.connector == connector and note.at >= since:
                note.wh += wh

    def in_order(self) -> list[Note]:
        return sorted(self.notes, key=lambda note: note.arrives)


def tell(session: Session) -> list[Note]:
    """Return the honest messages of a session."""
    notes = [Note("start", session.begin, session, session.meter, tag=session.tag)]
    notes.append(Note("status", session.begin + 0.1, session, status="Charging"))
    every, minute = session.voice.every, session.begin
    while every is not None and (minute := minute + every) < session.end:
        notes.append(
            Note(
                "reading",
                minute,
                session,
                session.meter + session.wh(minute),
                session.power(minute),
            )
        )
    notes.append(
        Note("stop", session.end, session, session.meter + session.delivered, tag=session.tag)
    )
    notes.append(Note("status", session.end + 0.5, session, status="Available"))
    return notes


def outage(story: Story, since: float, until: float) -> None:
    """Interrupt the connection: messages arrive in order afterwards; statuses are lost."""
    session = story.sessions[0]
    waiting = [note for note in story.in_order() if since <= note.arrives < until]
    for place, note in enumerate(waiting):
        note.arrives = until + (place + 1) / 600
        note.is_lost = note.is_lost or note.kind == "status"
    story.notes += [Note("lose", since, session), Note("connect", until, session)]


class Verdict(StrEnum):
    RIGHT = "right, certain"
    FLAGGED = "right, flagged"
    WRONG = "wrong, flagged"
    SILENT = "SILENTLY WRONG"
    LOST = "lost"


class Outcome(NamedTuple):
    session: Session
    verdict: Verdict
    transaction: int | None
    wh: int | None
    review: str | None


class Played:
    """A story sent to the books through a station."""

    def __init__(self, story: Story, books: Books, name: str) -> None:
        self.story = story
        self.books = books
        self.station = Station(books, name)
        self.ids: dict[Session, int] = {}
        self.base = books.now

    def send_all(self, hear: Callable[[Note], None] | None = None) -> None:
        for note in self.story.in_order():
            if note.is_lost:
                continue
            self.books.now = self.base + timedelta(minutes=note.arrives)
            for _ in range(note.times):
                self._send(note)
            if hear is not None:
                hear(note)
        settle(self.books)
        if self.books.rows(
            "SELECT 1 FROM tx WHERE cp_id = ? AND status = 'Active'", self.station.name
        ):
            self.books.wait(60)
            close_silent(self.station)  # as the plugin would; what was told is billed, under review
            settle(self.books)

    def _send(self, note: Note) -> None:
        match note.kind:
            case "start":
                self._start(note)
            case "reading":
                self.station.tell(
                    self.reading(note),
                    transaction=self.id_of(note),
                    connector=note.session.connector,
                )
            case "stop":
                self._stop(note)
            case "status":
                self.station.status(note.status, note.session.connector, at=self.clock(note))
            case "close":
                close_silent(self.station)
            case "boot" | "lose" | "connect":
                getattr(self.station, note.kind)()

    def _start(self, note: Note) -> None:
        register, session = register_of(note, self.story), note.session
        # a message that the books refuse is lost, and the verdict says so
        with suppress(sqlite3.IntegrityError):
            found = start_with(
                self.station, register, note.tag or "", self.clock(note), session.connector
            )
            self.ids[session] = found

    def _stop(self, note: Note) -> None:
        data = []
        if note.session.voice.data:
            for context, at, wh in (
                ("Begin", note.session.begin, note.session.meter),
                ("End", note.at, note.wh),
            ):
                sample = {
                    "value": str(_meter(wh, note.session.voice)),
                    "context": f"Transaction.{context}",
                }
                data.append(meter_value(self._time(at + note.told), sample))
        register: Any = register_of(note, self.story)
        with suppress(sqlite3.IntegrityError):
            self.station.stop(self.id_of(note), register, self.clock(note), note.tag, data=data)

    def id_of(self, note: Note) -> int:
        meant = note.session if note.id_of is None else note.id_of
        return meant if isinstance(meant, int) else self.ids.get(meant, -1)

    def clock(self, note: Note) -> str:
        return note.clock or self._time(note.at + note.told)

    def _time(self, minute: float) -> str:
        return (self.base + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def reading(self, note: Note) -> dict[str, Any]:
        return meter_value(self.clock(note), *samples_of(note, self.story))

    def outcomes(self) -> list[Outcome]:
        return [self._outcome(session) for session in self.story.sessions]

    def _outcome(self, session: Session) -> Outcome:
        transaction = self.ids.get(session) or self._nameless()
        if transaction is None:
            return Outcome(session, Verdict.LOST, None, None, None)
        wh, review = self.books.row(
            "SELECT energy_delivered, review FROM tx WHERE id = ?", transaction
        )
        shared = [one for one, number in self.ids.items() if number == transaction]
        if wh is None or shared not in ([session], []):
            return Outcome(session, Verdict.LOST, transaction, wh, review)
        return Outcome(session, verdict(session, wh, review), transaction, wh, review)

    def _nameless(self) -> int | None:
        """Return a transaction without a start in this story: that of a stop whose start was
        lost."""
        found = self.books.rows("SELECT id FROM tx WHERE cp_id = ? ORDER BY id", self.station.name)
        unclaimed = [number for (number,) in found if number not in self.ids.values()]
        return unclaimed[0] if unclaimed else None


def verdict(session: Session, wh: int, review: str | None) -> Verdict:
    """The comparison of a figure with the truth."""
    off = wh - session.delivered
    if review is None:
        return Verdict.RIGHT if abs(off) <= session.tolerance else Verdict.SILENT
    return (
        Verdict.FLAGGED
        if -session.slack <= off + session.tolerance and off <= session.tolerance
        else Verdict.WRONG
    )


def play(
    story: Story, books: Books, name: str, hear: Callable[[Note], None] | None = None
) -> Played:
    played = Played(story, books, name)
    played.send_all(hear)
    return played


# Messages


def _meter(wh: float, voice: Voice) -> int:
    return int(wh // voice.coarse * voice.coarse)


def register_of(note: Note, story: Story) -> float | str:
    """Return the register of a start or stop as sent."""
    if note.raw is not None:
        return note.raw
    wh = _meter(note.wh, note.session.voice)
    return wh % story.modulus if story.modulus else wh


def samples_of(note: Note, story: Story) -> Iterator[dict[str, str]]:
    voice = note.session.voice
    wh = note.wh - note.session.meter if voice.per_session else note.wh
    wh = max(0.0, wh % story.modulus if story.modulus else wh)
    yield _register(_meter(wh, voice) if voice.coarse > 1 else wh, voice, note.scale)
    yield from _power(note.power, voice)
    if voice.battery_wh:
        yield charge_state(int(20 + 100 * note.session.wh(note.at) / voice.battery_wh))


def _register(wh: float, voice: Voice, scale: float) -> dict[str, str]:
    places = Decimal(1).scaleb(-voice.decimals if voice.unit == "kWh" else 0)
    value = Decimal(str(round(wh * scale, 3))) / (1000 if voice.unit == "kWh" else 1)
    if scale < 1:
        places /= 1000  # kWh called Wh have decimals
    text = str(value.quantize(places, ROUND_HALF_UP if voice.rounds else ROUND_FLOOR))
    return {"value": text, "unit": voice.unit}


def _power(power: float, voice: Voice) -> Iterator[dict[str, str]]:
    if voice.power in ("W", "kW"):
        yield watts(round(power), voice.power)
    elif voice.power == "A":
        for phase in ("L1", "L2", "L3")[: voice.phases]:
            ampere = f"{power / VOLTS / voice.phases:.1f}"
            yield {"value": ampere, "measurand": "Current.Import", "unit": "A", "phase": phase}
            yield {
                "value": f"{VOLTS}.0",
                "measurand": "Voltage",
                "unit": "V",
                "phase": f"{phase}-N",
            }


def timeline(played: Played) -> str:
    """Return a story as text: each message in order of arrival, then the billed energy and the
    truth."""
    lines = [f"{played.story.lie}, at {played.station.name}, {_day(played.base)}"]
    lines += [_line(note, played) for note in played.story.in_order()]
    for outcome in played.outcomes():
        truth = f"{outcome.session.delivered:.0f} Wh delivered"
        lines.append(
            f"  => {outcome.session.number}: {outcome.wh} Wh, {truth}: {outcome.verdict}; "
            f"{outcome.review}"
        )
    return "\n".join(lines)


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _line(note: Note, played: Played) -> str:
    what = note.status
    if note.kind in ("start", "stop"):
        what = f"{register_of(note, played.story)} as {played.id_of(note)} by {note.tag!r}"
    elif note.kind == "reading":
        what = " ".join(sample["value"] for sample in samples_of(note, played.story))
    lost = " LOST" if note.is_lost else ""
    own = f"at {note.at:.1f}" if abs(note.arrives - note.at) > 1 else ""
    own += (
        f" its clock {note.clock or f'{note.told:+.0f} minutes'}" if note.told or note.clock else ""
    )
    return (
        f"  {note.arrives:7.1f} {note.session.number}/{note.session.connector} "
        f"{note.kind:8}{what} {own}{lost}"
    )


def main(arguments: list[str]) -> None:
    from tests.store import honest_stories, lies  # noqa: PLC0415 - they are made of what stands here

    if arguments[:1] == ["honest"]:
        count, seed = (int(text) for text in [*arguments[1:], "5000", "1"][:2])
        print(honest_stories.honest(count, seed))
    else:
        count, seed = (int(text) for text in [*arguments, "2000", "1"][:2])
        lies.examine(count, seed)


if __name__ == "__main__":
    main(sys.argv[1:])
