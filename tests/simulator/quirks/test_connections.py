"""Quirks of connections: handshakes, drops, floods of calls, boots and responses."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import orjson
import pytest

from levity_trio.simulator.charger.state import Quirks
from levity_trio.simulator.provable import prove
from levity_trio.simulator.quirks import made
from levity_trio.simulator.quirks.connections import GARBAGE, GARBLED
from levity_trio.simulator.quirks.messages import INTERVALS, SparseReadings
from levity_trio.wire.frames import CallResult, parse_frame, result_text
from tests.simulator.quirks.driven import Driven, an_hour


def quirks(*names: str) -> Quirks:
    return made(names, "seed")


@pytest.mark.parametrize(
    ("names", "offers_subprotocol", "answers_pings"),
    [
        ((), True, True),
        (("no-subprotocol",), False, True),
        (("no-pings",), True, False),
        (("grizzl-e",), False, False),
        (("two-calls", "no-pings"), True, False),
    ],
)
def test_who_offers_a_subprotocol_and_answers_pings(
    names: tuple[str, ...], offers_subprotocol: bool, answers_pings: bool
) -> None:
    assert quirks(*names).offers_subprotocol is offers_subprotocol
    assert quirks(*names).answers_pings is answers_pings


@pytest.mark.parametrize("name", ["no-subprotocol", "no-pings"])
def test_no_message_is_another(name: str) -> None:
    assert an_hour(name).frames == an_hour().frames


def test_a_grizzl_e_counts_its_sessions_from_zero() -> None:
    assert an_hour("grizzl-e").frames == an_hour("session-readings").frames != an_hour().frames


HOUR = 3600
DAYS = 4


def days(*names: str) -> Driven:
    """Four days with a long transaction every six hours."""
    driven = Driven(*names)
    for number in range(4 * DAYS):
        driven.session(6.0 * HOUR * number + 100, 4 * HOUR)
    driven.run(DAYS * 24 * HOUR)
    return driven


@pytest.mark.parametrize(
    ("name", "kind", "least", "most"),
    [("silent-death", "freeze", 20 * 60, 40 * 60), ("half-closed", "half-close", 60, 600)],
)
def test_a_line_dies_every_few_hours(name: str, kind: str, least: float, most: float) -> None:
    connection_effects = days(name).connection_effects
    assert {effect.kind for _, effect in connection_effects} == {kind}
    assert all(least <= effect.seconds <= most for _, effect in connection_effects)
    assert DAYS * 6 <= len(connection_effects) <= DAYS * 24


@pytest.mark.parametrize("name", ["silent-death", "half-closed", "reconnect-storm"])
def test_it_happens_in_sessions_too_and_no_session_is_lost(name: str) -> None:
    driven = days(name)
    in_sessions = [at for at, _ in driven.connection_effects if at % (6 * HOUR) < 4 * HOUR]
    assert in_sessions
    assert len(in_sessions) < len(driven.connection_effects)
    ledger = driven.charger.ledger
    assert len(ledger) == 4 * DAYS
    assert all(entry.is_ended and prove(entry).proved_wh == entry.energy_wh for entry in ledger)
    assert len(driven.told("StopTransaction")) == 4 * DAYS


def test_a_storm_drops_the_connection_many_times_in_a_row() -> None:
    connection_effects = days("reconnect-storm").connection_effects
    assert {(effect.kind, effect.seconds) for _, effect in connection_effects} == {("drop", 0.5)}
    storms = [1]
    for (before, _), (after, _) in pairwise(connection_effects):
        if after - before < 5 * 60:
            storms[-1] += 1
        else:
            storms.append(1)
    assert all(8 <= drops <= 20 for drops in storms[:-1])
    assert len(storms) > DAYS * 4


def test_without_a_quirk_no_line_dies() -> None:
    assert not days().connection_effects


@pytest.mark.parametrize(
    "name", ["silent-death", "half-closed", "reconnect-storm", "answers-garbage"]
)
def test_what_is_planned_goes_with_the_power_and_comes_with_it(name: str) -> None:
    driven = Driven(name)
    driven.run(60)
    assert driven.charger.agenda.next_due is not None
    driven.charger.power_off(60.0)
    assert driven.charger.agenda.next_due is None
    driven.charger.power_on(100.0)
    assert driven.charger.agenda.next_due is not None


def test_a_charger_that_is_offline_has_no_line_to_kill() -> None:
    driven = Driven("silent-death", "half-closed", "reconnect-storm", "answers-garbage")
    driven.charger.go_offline(0.0)
    driven.run(24 * HOUR)
    assert [effect.kind for _, effect in driven.connection_effects] == ["drop"]
    assert not driven.texts


def test_nothing_else_is_another() -> None:
    for name in ("silent-death", "half-closed", "reconnect-storm"):
        for action in ("StartTransaction", "MeterValues", "StopTransaction"):
            assert an_hour(name).told(action) == an_hour().told(action)


def test_a_heartbeat_goes_ahead_of_each_call() -> None:
    told = an_hour("two-calls").frames
    ahead = [frames[:-1] for frames in told]
    assert [[frames[-1]] for frames in told] == an_hour().frames
    for before, frames in zip(ahead, told, strict=True):
        alone = frames[-1][0] in ("BootNotification", "Heartbeat")
        assert before == ([] if alone else [("Heartbeat", {})])


def test_a_status_comes_twenty_times() -> None:
    told = an_hour("status-flood").frames
    assert [[frames[-1]] for frames in told] == an_hour().frames
    for frames in told:
        assert frames == frames[-1:] * (20 if frames[-1][0] == "StatusNotification" else 1)


def test_both_at_once() -> None:
    told = an_hour("two-calls", "status-flood").frames
    (flood, *_) = [frames for frames in told if frames[-1][0] == "StatusNotification"]
    assert [action for action, _ in flood].count("StatusNotification") == 20
    assert ("Heartbeat", {}) in flood


def a_long_stay(*quirks: str) -> Driven:
    """Six hours; after two the power fails for ten minutes, and the transaction continues."""
    driven = Driven(*quirks)
    driven.session(100, 6 * HOUR)
    driven.later(2 * HOUR, lambda at: driven.charger.fail(at, keeps_sessions=True))
    driven.later(2 * HOUR + 600, driven.charger.power_on)
    driven.run(8 * HOUR)
    return driven


def test_it_boots_in_the_middle_of_a_session() -> None:
    driven = Driven("boots-again")
    driven.session(100, 20 * HOUR)
    driven.run(22 * HOUR)
    assert len(driven.told("BootNotification")) > 3
    (entry,) = driven.charger.ledger
    assert prove(entry).is_honest
    assert len(driven.told("StartTransaction")) == len(driven.told("StopTransaction")) == 1


def test_available_is_told_of_a_connector_that_charges() -> None:
    def statuses(driven: Driven) -> list[str]:
        return [
            one["status"] for one in driven.told("StatusNotification") if one["connectorId"] == 1
        ]

    assert statuses(a_long_stay()) == [
        "Available",
        "Preparing",
        "Charging",
        "Charging",
        "Available",
    ]
    liar = a_long_stay("available-after-boot")
    assert statuses(liar) == [
        "Available",
        "Available",
        "Preparing",
        "Charging",
        "Available",
        "Charging",
        "Available",
    ]
    assert liar.charger.ledger[0].lies == ["Available while it charged"]
    assert a_long_stay().charger.ledger[0].lies == []
    assert liar.charger.ledger[0].energy_wh == a_long_stay().charger.ledger[0].energy_wh


def test_readings_come_as_rarely_as_it_likes() -> None:
    driven = a_long_stay("sparse-readings")
    (quirk,) = driven.quirks
    assert isinstance(quirk, SparseReadings)
    assert quirk._interval in INTERVALS
    assert driven.charger.configuration.text("MeterValueSampleInterval") == quirk._interval
    assert len(driven.told("MeterValues")) < 12
    assert prove(driven.charger.ledger[0]).is_honest


def test_a_second_stop_says_more_and_does_not_count() -> None:
    driven = an_hour("stops-twice")
    first, second = driven.told("StopTransaction")
    assert second["meterStop"] - first["meterStop"] == 100
    assert second["timestamp"] > first["timestamp"]
    assert [first] == an_hour().told("StopTransaction")
    (entry,) = driven.charger.ledger
    stop = entry.message("StopTransaction")
    assert stop is not None
    assert stop.moments[-1].register == str(first["meterStop"])
    proof = prove(entry)
    assert (proof.lost, proof.is_contradicted, proof.is_honest) == ((), True, False)


@pytest.mark.parametrize("name", ["repeats-stop", "repeats-start"])
def test_a_repeat_of_the_same_contradicts_nothing(name: str) -> None:
    assert prove(an_hour(name).charger.ledger[0]).is_honest


CALLS = 200
RIGHT = '[3,"17",{"status":"Unlocked"}]'
REFUSED = '[4,"17","NotImplemented","unknown action",{}]'


def replies(*names: str) -> list[list[tuple[float, str]]]:
    driven = Driven(*names)
    return [driven.ask("UnlockConnector", {"connectorId": 1}) for _ in range(CALLS)]


def test_without_a_quirk_each_answer_comes_at_once() -> None:
    assert replies() == [[(0.0, RIGHT)]] * CALLS


def test_about_half_are_never_answered() -> None:
    counted = Counter(len(reply) for reply in replies("never-answers"))
    assert set(counted) == {0, 1}
    assert 0.3 < counted[0] / CALLS < 0.7
    assert all(reply in ([], [(0.0, RIGHT)]) for reply in replies("never-answers"))


def test_late_answers_are_right_ones() -> None:
    for ((seconds, text),) in replies("answers-late"):
        assert 35 <= seconds <= 65
        assert text == RIGHT


def test_some_answers_are_right_and_the_others_are_none() -> None:
    texts = Counter(text for ((_, text),) in replies("answers-garbage"))
    assert texts.pop(RIGHT) > CALLS / 10
    assert len(texts) == len(GARBLED)
    assert not [text for text in texts if is_right(text)]


def test_a_refusal_can_be_garbled_too() -> None:
    assert all(garble(REFUSED) != REFUSED for garble in GARBLED)


def test_an_answer_without_content_can_be_garbled_too() -> None:
    empty = result_text('"17"', {})
    assert all(isinstance(garble(empty), str) for garble in GARBLED)


def test_garbage_is_sent_now_and_then_and_is_no_call_that_anybody_could_serve() -> None:
    driven = Driven("answers-garbage")
    driven.run(48 * 3600)
    assert 24 <= len(driven.texts) <= 288  # every 10 minutes to 2 hours
    assert set(driven.texts) == set(GARBAGE)
    assert not an_hour().texts


def test_what_it_says_of_itself_is_as_without() -> None:
    for name in ("never-answers", "answers-late", "answers-garbage"):
        assert orjson.dumps(an_hour(name).frames) == orjson.dumps(an_hour().frames)


def test_all_of_them_together() -> None:
    for reply in replies("never-answers", "answers-late", "answers-garbage"):
        assert all(35 <= seconds <= 65 for seconds, _ in reply)


def is_right(text: str) -> bool:
    """Return whether a text is a response to call 17 with a status."""
    frame = parse_frame(text)
    is_ours = isinstance(frame, CallResult) and frame.message_id == "17"
    return (
        is_ours and isinstance(frame, CallResult) and isinstance(frame.payload.get("status"), str)
    )
