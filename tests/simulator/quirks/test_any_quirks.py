"""Any combination of quirks: nothing breaks, only what a quirk loses is lost, and a retry repeats
the first message."""

from collections.abc import Collection
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.simulator.charger.state import Payload
from levity_trio.simulator.physics import Vehicle
from levity_trio.simulator.provable import prove
from levity_trio.simulator.quirks import QUIRKS
from tests.simulator.quirks.driven import Driven
from tests.sizes import size

HOUR = 3600.0
NO_OFFLINE_START = "no-offline-start"
STORED = ("StartTransaction", "MeterValues", "StopTransaction")
BIG = Vehicle(name="Big", battery_wh=90_000, soc=0.1, max_ac_w=22_000, ac_phases=3)

subsets = st.sets(st.sampled_from(sorted(QUIRKS))).map(lambda names: tuple(sorted(names)))


def a_day(names: tuple[str, ...], **how: Any) -> Driven:
    """Transactions on two connectors, one begun offline, one cut short by a power failure; and
    calls to the charger."""
    driven = Driven(*names, connectors=2, phases=3, **how)
    charger = driven.charger
    charger.configuration.change("MeterValueSampleInterval", "300")
    charger.configuration.change(
        "StopTxnSampledData", "Energy.Active.Import.Register,Current.Import"
    )
    driven.session(100, 2 * HOUR)
    driven.session(600, 3 * HOUR, connector=2, vehicle=BIG)
    driven.later(4 * HOUR, charger.go_offline)
    driven.session(4.2 * HOUR, 1 * HOUR)
    driven.later(4.7 * HOUR, charger.go_online)
    driven.session(6 * HOUR, 2 * HOUR, connector=2)
    driven.later(7 * HOUR, charger.power_off)
    driven.later(7.1 * HOUR, charger.power_on)
    for hour in (0.5, 1.5, 3.5, 6.5, 9.5):
        driven.run(hour * HOUR)
        for reply in ask(driven):
            assert "answers-garbage" in names or orjson.loads(reply)
    driven.session(10 * HOUR, 1 * HOUR)
    driven.run(24 * HOUR)
    return driven


def ask(driven: Driven) -> list[str]:
    calls = (
        ("TriggerMessage", {"requestedMessage": "MeterValues"}),
        ("GetConfiguration", {"key": ["CpoName"]}),
    )
    return [reply for action, payload in calls for _, reply in driven.ask(action, payload)]


@cache
def truth() -> tuple[int, ...]:
    """The Wh of each transaction without quirks; the third begins offline."""
    return tuple(entry.energy_wh for entry in a_day(()).charger.ledger)


def check(driven: Driven, names: Collection[str]) -> None:
    charger = driven.charger
    assert len(charger.ledger) == (4 if NO_OFFLINE_START in names else 5)
    for entry in charger.ledger:
        assert entry.is_ended
        assert not entry.thrown_away
        assert 0 <= prove(entry).proved_wh <= entry.energy_wh
    assert not charger.memory.messages
    assert charger.tally.unanswered == charger.tally.unreadable == charger.tally.discarded == 0


@settings(max_examples=size(40, 8), deadline=None)
@given(subsets)
def test_any_quirks_together(names: tuple[str, ...]) -> None:
    driven = a_day(names)
    check(driven, names)
    begun = truth()[:2] + truth()[3:] if NO_OFFLINE_START in names else truth()
    assert tuple(entry.energy_wh for entry in driven.charger.ledger) == begun


@pytest.mark.parametrize("name", QUIRKS)
def test_each_alone(name: str) -> None:
    check(a_day((name,)), [name])


def test_all_together() -> None:
    check(a_day(tuple(QUIRKS)), QUIRKS)


@settings(max_examples=size(20, 8), deadline=None)
@given(subsets)
def test_a_repeat_is_what_it_repeats_byte_for_byte(names: tuple[str, ...]) -> None:
    told = a_day(names, refuses_first=True).frames
    stored = [orjson.dumps(frames) for frames in told if is_stored(*frames[-1])]
    assert len(stored) > 2 * 70
    assert stored[0::2] == stored[1::2]


@pytest.mark.parametrize("name", QUIRKS)
def test_what_is_stored_stays_as_it_was(name: str) -> None:
    driven = Driven(name, refuses_first=True)
    driven.charger.configuration.change("StopTxnSampledData", "Energy.Active.Import.Register")
    driven.later(50, driven.charger.go_offline)
    driven.session(100, 2 * HOUR)
    driven.run(3 * HOUR)
    stored = driven.charger.memory.to_json()
    for message in driven.charger.memory.messages:
        transaction = next(iter(driven.charger.transactions.values()))
        assert driven.charger.quirks.frames((message.action, message.payload), transaction)
    assert driven.charger.memory.to_json() == stored


def is_stored(action: str, payload: Payload) -> bool:
    """Return whether a charger keeps it until it is acknowledged, which excludes readings outside
    transactions."""
    return action in STORED and (action != "MeterValues" or "transactionId" in payload)


@pytest.mark.parametrize("name", QUIRKS)
def test_messages_from_before_a_restart_of_the_simulator(name: str) -> None:
    """Queued messages are sent although their transactions are no longer known."""
    driven = Driven(name)
    driven.session(100, 2 * HOUR)
    driven.later(HOUR, driven.charger.go_offline)
    driven.run(3 * HOUR)
    waiting = [message.action for message in driven.charger.memory.messages]
    assert waiting.count("StopTransaction") == 1
    driven.frames.clear()
    driven.restart()
    driven.run(4 * HOUR)
    assert [frames[-1][0] for frames in driven.frames if frames[-1][0] in STORED] == waiting
    assert not driven.charger.memory.messages
