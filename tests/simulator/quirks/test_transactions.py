"""Transaction messages with wrong ids or values, repeated, or lost."""

import orjson
import pytest

from levity_trio.simulator.provable import Loss, prove
from tests.simulator.quirks.driven import Driven, an_hour

NO_ID = -1
A_MINUTE_WH = 123
ONLINE_AT, OFFLINE_AT, BACK_AT = 100.0, 4_000.0, 6_000.0


def two_sessions(*quirks: str) -> Driven:
    """Two transactions: one entirely online; one that begins offline and ends online."""
    driven = Driven(*quirks)
    driven.session(ONLINE_AT, 3_000)
    driven.later(OFFLINE_AT - 100, driven.charger.go_offline)
    driven.session(OFFLINE_AT, 3_000)
    driven.later(BACK_AT, driven.charger.go_online)
    driven.run(9_000)
    return driven


def ids(driven: Driven, action: str) -> list[int]:
    return [payload["transactionId"] for payload in driven.told(action)]


def test_a_transaction_begun_offline_has_no_id() -> None:
    known, unknown = two_sessions(), two_sessions("offline-id")
    assert ids(known, "StopTransaction") == [1_000_001, 1_000_002]
    assert ids(unknown, "StopTransaction") == [1_000_001, NO_ID]
    assert set(ids(unknown, "MeterValues")) == {1_000_001, NO_ID}
    assert [one if one == 1_000_001 else NO_ID for one in ids(known, "MeterValues")] == ids(
        unknown, "MeterValues"
    )
    assert known.told("StartTransaction") == unknown.told("StartTransaction")


def test_nothing_else_of_it_is_another() -> None:
    text = orjson.dumps(two_sessions().frames).replace(b"1000002", b"-1")
    assert orjson.dumps(two_sessions("offline-id").frames) == text


@pytest.mark.parametrize(
    ("name", "action"), [("repeats-start", "StartTransaction"), ("repeats-stop", "StopTransaction")]
)
def test_the_same_three_times(name: str, action: str) -> None:
    told = an_hour(name)
    (repeated,) = [frames for frames in told.frames if frames[-1][0] == action]
    assert len(repeated) == 3
    assert len({orjson.dumps(frame) for frame in repeated}) == 1
    assert [[frames[-1]] for frames in told.frames] == an_hour().frames


def test_a_start_that_was_refused_is_repeated_three_times_again() -> None:
    told = an_hour("repeats-start", refuses_first=True)
    first, second = [frames for frames in told.frames if frames[-1][0] == "StartTransaction"]
    assert orjson.dumps(first) == orjson.dumps(second)
    assert len(first) == 3


def test_without_ids_every_transaction_is_0() -> None:
    known, unknown = two_sessions(), two_sessions("no-ids")
    assert set(ids(unknown, "StopTransaction")) == set(ids(unknown, "MeterValues")) == {0}
    assert known.told("StartTransaction") == unknown.told("StartTransaction")


def test_every_third_start_is_never_sent() -> None:
    driven = Driven("start-lost")
    for number in range(6):
        driven.session(4_000.0 * number, 3_000)
    driven.run(30_000)
    assert len(driven.told("StartTransaction")) == 4
    stops = ids(driven, "StopTransaction")
    assert [one < 0 for one in stops] == [False, False, True] * 2
    assert stops[2] != stops[5]
    for number, entry in enumerate(driven.charger.ledger, start=1):
        proof = prove(entry)
        if number % 3:
            assert proof.is_honest
            continue
        assert (entry.transaction_id, entry.message("StartTransaction")) == (None, None)
        assert [lost.why for lost in proof.lost] == [Loss.START_LOST]
        assert 0 < proof.lost[0].wh <= A_MINUTE_WH


def test_nothing_is_kept_of_what_was_never_started_at_the_server() -> None:
    driven = Driven("start-lost", "start-lost")
    for number in range(6):
        driven.session(4_000.0 * number, 3_000)
    driven.run(30_000)
    assert (driven.charger.transactions, driven.charger.memory.transaction_ids) == ({}, {})


# Stops


def six_sessions(quirk: str, until: float = 80_000) -> Driven:
    driven = Driven(quirk)
    for number in range(6):
        driven.session(4_000.0 * number, 3_000)
    driven.run(until)
    return driven


def test_a_stop_comes_without_its_id_first() -> None:
    driven = six_sessions("stop-id-late")
    stops = [frames for frames in driven.frames if frames[-1][0] == "StopTransaction"]
    known = [
        payload
        for frames in six_sessions("no-pings").frames
        for name, payload in frames
        if name == "StopTransaction"
    ]
    assert [frames[-1][1] for frames in stops] == known
    for frames in stops:
        without, *again = [payload for _, payload in frames[:-1]]
        assert without == {**frames[-1][1], "transactionId": NO_ID}
        assert again in ([], [{**without, "meterStop": without["meterStop"] + 100}])
    assert {len(frames) for frames in stops} == {2, 3}
    for frames, entry in zip(stops, driven.charger.ledger, strict=True):
        assert prove(entry).is_contradicted is (len(frames) == 3)


def test_every_third_stop_is_unreadable() -> None:
    driven = six_sessions("stop-unreadable")
    assert [payload["meterStop"] == "n/a" for payload in driven.told("StopTransaction")] == [
        False,
        False,
        True,
    ] * 2
    for number, entry in enumerate(driven.charger.ledger, start=1):
        assert [lost.why for lost in prove(entry).lost] == ([] if number % 3 else [Loss.NO_STOP])


@pytest.mark.parametrize(("quirk", "stops"), [("stop-early", 6), ("stop-lost", 3)])
def test_what_a_stop_did_not_tell_comes_in_a_reading_after_it(quirk: str, stops: int) -> None:
    driven = six_sessions(quirk)
    assert len(driven.told("StopTransaction")) == stops
    for entry in driven.charger.ledger:
        proof, last = prove(entry), entry.sent[-1]
        assert (last.action, proof.lost, proof.is_honest) == ("MeterValues", (), False)
        stop = entry.message("StopTransaction")
        assert stop is None or int(stop.moments[-1].register or 0) < int(
            last.moments[-1].register or 0
        )
    assert (driven.charger.transactions, driven.charger.memory.transaction_ids) == ({}, {})
