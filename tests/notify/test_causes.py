"""What begins and ends is one message each: whatever dies together, comes back one by one, or
flickers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from orjson import dumps

from levity_trio.access.turned_away import Refusal
from levity_trio.events import LimitIgnored
from levity_trio.locale import speaking
from levity_trio.notify.kinds import (
    OF_DRIVER,
    OF_SITE,
    CausePlace,
    Condition,
    MessageCause,
    MessageKind,
    Span,
    Where,
    begun,
    changed,
)
from levity_trio.notify.reading import (
    CONDITIONS,
    Cursor,
    LookFindings,
    MessageRecipient,
    ToldBegin,
)
from levity_trio.notify.rounds import MAIL, messages_of
from levity_trio.store.beside.backup_note import LastBackup
from levity_trio.store.engine.database import DatabaseSpace
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.load import load
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.people.messages import NewMessage
from levity_trio.wire.times import stamp
from tests.notify.site import WAYS, Site
from tests.sizes import size
from tests.store import loads
from tests.store.nows import WELL

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def fault(charger: str, minutes: float, code: str = "GroundFailure") -> Condition:
    return Condition(MessageKind.FAULTED, code, CausePlace(charger, 1), NOON + minutes * MINUTE)


def away(charger: str, minutes: float) -> Condition:
    return Condition(MessageKind.AWAY, "", CausePlace(charger), NOON + minutes * MINUTE)


def watched(*looks: tuple[float, list[Condition]]) -> list[MessageCause]:
    """Look at some minutes; return all causes as they are then."""
    causes: dict[int, MessageCause] = {}
    for minutes, present in looks:
        known = [one for one in causes.values() if one.ended_at is None]
        for one in changed(known, present, NOON + minutes * MINUTE):
            number = one.id or len(causes) + 1
            causes[number] = replace(one, id=number)
    return list(causes.values())


def test_each_kind_can_be_chosen_by_its_words() -> None:
    # A reminder is what an owner sends.
    assert sorted((*OF_SITE, *OF_DRIVER, MessageKind.REMINDER)) == sorted(MessageKind)


LASTING = [kind for kind in MessageKind if kind.how.over is not None]


def test_each_kind_without_words_for_its_end_is_told_once() -> None:
    """By a fact, or in the digest of a day. What lasts ends, and its end is told."""
    told_once = {MessageKind.DOUBTFUL, MessageKind.REPORT, MessageKind.REMINDER, *OF_DRIVER}
    assert set(MessageKind) - set(LASTING) == told_once
    assert not told_once & {*CONDITIONS.values()}


def told_of(kind: MessageKind, places: int, spoken: str, *, is_over: bool) -> NewMessage:
    """The message that an owner gets when something begins at some places, or is over."""
    owner = MessageRecipient(
        id=1,
        is_driver=False,
        account=None,
        language=spoken,
        mail="owner@example.org",
        has_push=False,
        kinds=[kind],
        away_minutes=0,
        quiet=None,
        with_names=False,
        gets_statements=False,
        added_at=stamp(NOON),
        is_household=False,
    )
    there = [CausePlace(f"CP-{number}") for number in range(places)]
    conditions = [Condition(kind, "", place, NOON, "It lasts") for place in there]
    (cause,) = changed([], conditions, NOON + 10 * MINUTE)
    found = LookFindings(
        cursor=Cursor(0, 0, None),
        upto=0,
        recipients=[owner],
        causes=[replace(cause, id=1)] if is_over else [],
        begun=frozenset([ToldBegin(1, owner.id, MAIL)] if is_over else []),
        digests={},
        conditions=[] if is_over else conditions,
        unknown=[],
        doubts={},
        facts=[],
        full=[],
        names={},
        with_connectors=frozenset(),
    )
    now = NOON + 10 * MINUTE
    if is_over:
        # It has just ended, and is calm for a while.
        (calm,) = changed(found.causes, [], now)
        found, now = found._replace(causes=[calm]), now + 10 * MINUTE
    (message,) = messages_of(found, WAYS, now).messages
    assert message.part == ("end" if is_over else "begin")
    return message


@pytest.mark.parametrize("kind", LASTING)
@pytest.mark.parametrize("places", [1, 3])
@pytest.mark.parametrize("is_over", [False, True])
def test_each_kind_tells_its_begin_and_its_end_in_each_language(
    kind: MessageKind, places: int, *, is_over: bool
) -> None:
    english, german = (told_of(kind, places, spoken, is_over=is_over) for spoken in ("en", "de"))
    assert english.body != german.body
    for text in (english.subject, english.body, german.subject, german.body):
        assert text
        assert "%" not in text
    if is_over:
        assert english.subject != german.subject
        assert english.subject in english.body


def test_what_is_gone_in_a_moment_is_no_cause() -> None:
    assert watched((0.5, [fault("A", 0)]), (1, []), (10, [])) == []


def test_what_lasts_begins_and_ends_once() -> None:
    one = [fault("A", 0)]
    assert [cause.ended_at for cause in watched((1, one), (2, one))] == [None]
    (cause,) = watched((1, one), (2, one), (30, []), (31, []), (36, []), (40, []))
    assert (cause.began_at, cause.ended_at) == (NOON, NOON + 30 * MINUTE)


def test_what_flickers_is_one_cause() -> None:
    looks = [(n, [fault("A", n)] if n % 2 else []) for n in range(1, 60)]
    (cause,) = watched((1, [fault("A", 0)]), *looks)
    assert cause.ended_at is None


def test_faults_of_one_kind_at_many_chargers_are_one() -> None:
    many = [fault(name, n / 10) for n, name in enumerate("ABCDEFGH")]
    (cause,) = watched((2, many), (3, [*many, fault("I", 2.5)]))
    assert len(cause.parts) == 9
    other = fault("Z", 0, "HighTemperature")
    assert len(watched((2, [*many, other]))) == 2


def test_an_hour_later_the_same_fault_is_another_one() -> None:
    first, second = fault("A", 0), fault("B", 60)
    assert len(watched((2, [first]), (62, [first, second]))) == 2


def test_one_that_never_returns_does_not_hide_the_next_outage() -> None:
    both = [away("A", 0), away("B", 0)]
    found = watched((3, both), (20, both[:1]), (300, [away("A", 0), away("B", 297)]))
    assert [(len(one.parts), one.lasting) for one in found] == [
        (2, [CausePlace("A")]),
        (1, [CausePlace("B")]),
    ]


def test_a_slow_trickle_is_told_all_the_same() -> None:
    trickle = [away(f"CP-{n}", n) for n in range(12)]
    assert watched((9.5, trickle[:10])) == []
    assert [len(one.parts) for one in watched((11, trickle))] == [12]


@pytest.mark.parametrize("seed", range(5))
def test_a_look_more_or_less_changes_no_cause(seed: int) -> None:
    """Whatever lasts long enough is found, however often the server was killed meanwhile."""
    random = Random(seed)
    lasting = [away(f"CP-{n}", random.uniform(0, 3)) for n in range(20)]
    back = {one.place: 60 + random.uniform(0, 4) for one in lasting}

    def at(minute: float) -> list[Condition]:
        return [
            one
            for one in lasting
            if one.since <= NOON + minute * MINUTE and minute < back[one.place]
        ]

    minutes = [n / 2 for n in range(1, 200) if random.random() < 0.6] + [120.0]
    (cause,) = watched(*((minute, at(minute)) for minute in minutes))
    assert len(cause.parts) == 20
    assert cause.ended_at is not None


# At a site


class Night:
    """A night in which the switch under twenty chargers dies twice. The server is killed at one of
    its moments."""

    MOMENTS = 16

    def __init__(self, killed_at: int | None, **owner: Any) -> None:
        self.site = Site(20, **owner)
        self._killed_at = killed_at
        self._random = Random(killed_at)
        self._moments = count()

    def pass_(self) -> list[str]:
        """Return the parts of what was told."""
        self.site.wait(60, every=15)
        for _ in range(2):
            self._die()
            for minutes in (1, 3, 9, 30):
                self._wait(minutes)
            self._return()
            for minutes in (2, 120):
                self._wait(minutes)
        return [part for _, part, _ in self.site.told()]

    def _die(self) -> None:
        # each is missed when its next answer is
        for one in self._random.sample(self.site.stations, 20):
            one.lose()
            self.site.wait(0.15)
            self._moment(one is self.site.stations[0])

    def _return(self) -> None:
        for one in self._random.sample(self.site.stations, 20):
            if not self.site.is_connected(one):
                one.connect()
            self.site.wait(0.1)
            self._moment(one is self.site.stations[0])

    def _wait(self, minutes: float) -> None:
        self.site.wait(minutes, every=minutes / 6)
        self._moment(True)

    def _moment(self, is_one: bool) -> None:
        if is_one and next(self._moments) == self._killed_at:
            self.site.restart()


def test_a_switch_that_dies_under_twenty_chargers_twice_in_a_night() -> None:
    night = Night(None, quiet_from="22:00", quiet_until="06:30")
    assert night.pass_() == ["begin", "end"] * 2
    subjects = [subject for _, _, subject in night.site.told()]
    print(*subjects, sep="\n")
    assert subjects == ["20 chargers are away", "20 chargers are back"] * 2


@pytest.mark.parametrize("killed_at", range(0, Night.MOMENTS, size(1, 3)))
def test_a_restart_at_any_moment_tells_neither_more_nor_less(killed_at: int) -> None:
    night = Night(killed_at)
    assert night.pass_() == ["begin", "end"] * 2
    assert {kind for kind, _, _ in night.site.told()} == {"away"}


def test_a_charger_that_is_away_for_a_few_minutes_is_not_told() -> None:
    site = Site(3, away_minutes=10)
    site.stations[0].lose()
    site.wait(8)
    site.stations[0].connect()
    site.wait(30)
    assert site.told() == []
    site.stations[0].lose()
    site.wait(9)
    assert site.told() == []
    site.wait(2)
    assert site.told() == [("away", "begin", "CP-01 is away")]


def test_chargers_that_go_away_one_after_the_other_are_one_message() -> None:
    site = Site(20)
    for station in site.stations:
        station.lose()
        site.wait(1)
    site.wait(10)
    assert [(kind, part) for kind, part, _ in site.told()] == [("away", "begin")]
    for station in site.stations:
        station.connect()
        site.wait(1)
    assert len(site.told()) == 1, "the last one may go away again"
    site.wait(10)
    assert site.told()[1:] == [("away", "end", "20 chargers are back")]


def test_nobody_was_away_while_the_server_was_off() -> None:
    site = Site(5)
    site.wait(5)
    site.books.wait(600)
    site.restart()
    site.wait(60)
    assert site.told() == []


def test_a_charger_that_was_hidden_ends_what_was_told_of_it() -> None:
    site = Site(2)
    site.stations[1].lose()
    site.wait(20)
    site.books.connection.execute(
        "UPDATE cp SET hidden_at = ? WHERE id = 'CP-02'", (site.books.at,)
    )
    site.wait(10)
    assert [part for _, part, _ in site.told()] == ["begin", "end"]


def test_one_that_is_turned_away_at_the_door_is_not_back() -> None:
    site = Site(2)
    site.stations[0].lose()
    site.wait(20)
    refused = Refusal("CP-01", "10.0.0.1", "wrong_password", "its password is wrong", site.books.at)
    site.books.run(sessions.note_turned_away, refused)
    site.wait(20)
    assert [part for _, part, _ in site.told()] == ["begin"]


def test_a_fault_passes_quiet_hours_and_others_wait() -> None:
    site = Site(2, quiet_from="22:00", quiet_until="06:30", away_minutes=5)
    site.books.now = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)  # 23:30 at the site
    site.stations[0].status("Faulted", error="GroundFailure")
    site.stations[1].lose()
    site.wait(10)
    due = dict(site.books.rows("SELECT kind, not_before FROM message"))
    assert due["fault"] < site.books.at
    assert due["away"] == "2026-03-02T05:30:00.000Z"
    assert "CP-01 has been faulted since 23:30: GroundFailure." in site.bodies()


def test_what_the_machine_lacks_is_a_fact_and_a_message() -> None:
    site = Site()
    made = LastBackup(stamp(site.books.now - timedelta(days=4)), "/mnt/a.db", 4096)
    site.machine = WELL._replace(
        is_saved_elsewhere=False, backup=made, space=DatabaseSpace(0, 0, 0, 499_000_000)
    )
    site.wait(1)
    # other words are no other cause
    site.machine = WELL._replace(space=DatabaseSpace(0, 0, 0, 498_000_000))
    site.wait(10)
    site.machine = WELL
    site.wait(10)
    assert [(kind, part) for kind, part, _ in site.told()] == [
        *(("backup", "begin"), ("disk", "begin"), ("backup", "end"), ("disk", "end")),
    ]
    facts = site.books.rows(
        "SELECT kind, json_extract(data, '$.kind') FROM event WHERE kind LIKE 'Cause%' ORDER BY id"
    )
    assert facts == [
        *(
            ("CauseBegan", "backup"),
            ("CauseBegan", "disk"),
            ("CauseEnded", "backup"),
            ("CauseEnded", "disk"),
        ),
    ]


def test_an_exceeded_circuit_passes_quiet_hours_and_a_silent_meter_waits() -> None:
    site = Site(quiet_from="22:00", quiet_until="06:30")
    site.books.now = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)  # 23:30 at the site
    over = [{"circuit": "Feeder", "phase": phase, "since": site.books.at} for phase in ("L1", "L3")]
    meter = loads.silent_meter("Main", site.books.at)
    shown = {"at": site.books.at, "is_shadow": True, "lines": [], "cars": [], "grid_a": None}
    site.books.run(
        load.keep_state,
        site.books.at,
        dumps(shown | {"over": over, "meters": [meter]}).decode(),
        "[]",
    )
    site.wait(10)
    site.books.run(
        load.keep_state, site.books.at, dumps(shown | {"over": [], "meters": []}).decode(), "[]"
    )
    site.wait(10)
    assert site.told() == [
        ("exceeded", "begin", "Feeder is above its limit on L1 and L3"),
        ("meter", "begin", "The meter Main is silent, so cars may get less than there is"),
        ("exceeded", "end", "The circuit is within its limit again"),
        ("meter", "end", "The meter shows currents again"),
    ]
    due = dict(site.books.rows("SELECT kind, not_before FROM message WHERE part = 'begin'"))
    assert due["exceeded"] < site.books.at
    assert due["meter"] == "2026-03-02T05:30:00.000Z"


def test_what_is_odd_about_a_charger_is_told_once_by_cause_and_waits_for_the_morning() -> None:
    site = Site(2, quiet_from="22:00", quiet_until="06:30")
    site.books.now = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)  # 23:30 at the site
    odd = [
        *(("comes_and_goes", 50, 0, 0), ("measures_nothing", 3, 1, 0)),
        *(("meter_exchanged", 7_400_000, 1, 61_000), ("meter_exchanged", 7_400_000, 2, 83_000)),
    ]
    for _ in range(3):
        for cause, figure, connector, earlier in odd:
            origin = Origin("CP-02", None, site.books.at)
            site.books.run(sessions.note_oddity, origin, cause, figure, connector, earlier)
        site.wait(10)
    words = "between two sessions its register went from 61 to 7400 kWh, more than can have flowed"
    assert site.told() == [
        (
            "fault",
            "note",
            "CP-02 connected more than 50 times in a day; look at its network and its power supply",
        ),
        (
            "fault",
            "note",
            (
                "CP-02 charged in 3 sessions and measured nothing; look at its meter with a test "
                "charge"
            ),
        ),
        ("fault", "note", f"CP-02 has another meter: {words}"),
    ]
    assert site.books.rows("SELECT DISTINCT link, not_before FROM message") == [
        ("https://home.example.org/chargers/CP-02", "2026-03-02T05:30:00.000Z")
    ]


def test_chargers_that_do_not_obey_are_told_each_by_itself_and_once() -> None:
    site = Site(2)
    site.books.run(load.manage, ["CP-01", "CP-02"], site.books.at, "anna")
    for charger in ("CP-01", "CP-02", "CP-01"):
        fact = LimitIgnored(
            charger=charger, at=site.books.at, connector=1, limit=10, drawn=15.8, way=1
        )
        site.books.run(load.note_ignored, fact, 2, None)
        site.wait(3)
    for _ in range(3):
        site.books.run(load.note_obeyed, "CP-01", 1, site.books.at)
        site.wait(10)
    site.books.run(load.let_go, ["CP-02"], site.books.at, "anna")
    site.wait(10)
    assert site.told() == [
        ("ignored", "begin", "CP-01 does not obey its limit, so others may get less current"),
        ("ignored", "begin", "CP-02 does not obey its limit, so others may get less current"),
        ("ignored", "end", "CP-01 no longer ignores its limit"),
        ("ignored", "end", "CP-02 no longer ignores its limit"),
    ]
    assert site.books.rows("SELECT DISTINCT link FROM message") == [
        ("https://home.example.org/load",)
    ]


def test_a_german_message_has_words_for_a_code_and_leaves_a_name() -> None:
    where = Where({"CP-1": "Left"}, (), UTC, NOON)
    cause = MessageCause(
        kind=MessageKind.FAULTED,
        subject="GroundFailure",
        parts={CausePlace("CP-1"): Span(NOON)},
        began_at=NOON,
        found_at=NOON,
    )
    with speaking("de"):
        assert begun(cause, where).body == "Left ist seit 12:00 gestört: Erdschluss."
        assert (
            begun(replace(cause, subject="Left"), where).body
            == "Left ist seit 12:00 gestört: Left."
        )
