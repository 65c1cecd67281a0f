"""Transaction messages: kept, replayed in order, retried and discarded (OCPP 1.6 §3.7, §3.7.1)."""

import pytest

from levity_trio.simulator.charger.state import Memory
from tests.simulator.charger.central import (
    CAR,
    CAR_W,
    ENERGY,
    FIRST_ID,
    Central,
    charging,
    energies,
    made,
    running,
    stamp,
)

MESSAGES = ("StartTransaction", "MeterValues", "StopTransaction")


def told(central: Central) -> list[tuple[float, str]]:
    """Transaction messages with their seconds."""
    return [(one.at, one.action) for one in central.log if one.action in MESSAGES]


def test_offline_sessions_are_replayed_in_their_order_with_the_ids_that_they_get() -> None:
    central = running(
        keys={"AllowOfflineTxForUnknownId": "true", "MeterValueSampleInterval": "900"}
    )
    central.go(is_away=True)
    for begin, tag in ((100, "ONE"), (5000, "TWO")):
        central.then(begin, central.charger.plug, 1, CAR)
        central.then(begin, central.charger.present_tag, 1, tag)
        central.then(begin + 1000, central.charger.unplug, 1)
    central.run(9000)
    assert {message.local_id for message in central.charger.memory.messages} == {-1, -2}
    central.go(is_away=False)
    assert told(central) == [(9000, action) for action in MESSAGES * 2]
    assert [one["timestamp"] for one in central.said("StartTransaction")] == [
        stamp(100),
        stamp(5000),
    ]
    assert [one["transactionId"] for one in central.said("MeterValues")] == [FIRST_ID, FIRST_ID + 1]
    assert [one["transactionId"] for one in central.said("StopTransaction")] == [
        FIRST_ID,
        FIRST_ID + 1,
    ]
    assert [one["timestamp"] for one in central.said("StopTransaction")] == [
        stamp(1100),
        stamp(6000),
    ]
    assert [one.transaction_id for one in central.charger.ledger] == [FIRST_ID, FIRST_ID + 1]
    assert not central.charger.memory.messages
    assert not central.charger.memory.transaction_ids


def test_a_session_goes_on_through_an_outage() -> None:
    central = charging(keys={"MeterValueSampleInterval": "900", "MeterValuesSampledData": ENERGY})
    central.run(1000)
    central.go(is_away=True)
    central.run(4000)
    central.go(is_away=False)
    central.then(5000, central.charger.unplug, 1)
    assert told(central) == [
        *((0, "StartTransaction"), (900, "MeterValues")),
        *[(4000, "MeterValues")] * 3,
        *((4500, "MeterValues"), (5000, "StopTransaction")),
    ]
    readings = [energies(one["meterValue"])[0] for one in central.said("MeterValues")]
    assert readings == [str(CAR_W * second // 3600) for second in (900, 1800, 2700, 3600, 4500)]


def test_what_is_refused_is_repeated_and_thrown_away() -> None:
    """§3.7.1: one interval after the first attempt, two after the second, then the message is
    discarded."""
    central = running(
        keys={"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "100"}
    )
    central.refused.add("StartTransaction")
    central.then(0, central.charger.plug, 1, CAR)
    central.then(10, central.charger.present_tag, 1, "TAG")
    central.run(1000)
    assert central.moments("StartTransaction") == [10, 110, 310]
    assert central.charger.tally.discarded == 1
    assert central.charger.ledger[0].thrown_away == ["StartTransaction"]
    assert told(central)[3] == (310, "MeterValues")  # the next queued message follows at once
    assert central.said("MeterValues")[0]["transactionId"] == -1
    central.then(2000, central.charger.unplug, 1)
    assert central.said("StopTransaction")[0]["transactionId"] == -1
    assert central.charger.ledger[0].transaction_id is None


def test_what_is_not_answered_is_repeated_too() -> None:
    """The interval counts from the time-out, 30 s after the call was sent."""
    central = running(
        keys={"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "100"}
    )
    central.silent.add("StartTransaction")
    central.then(0, central.charger.plug, 1, CAR)
    central.then(10, central.charger.present_tag, 1, "TAG")
    central.run(141)
    central.silent.clear()
    central.run(1000)
    assert central.moments("StartTransaction") == [10, 140, 370]
    assert central.charger.ledger[0].thrown_away == []
    assert central.charger.ledger[0].transaction_id == FIRST_ID


def test_the_ledger_notes_when_a_message_left_and_when_it_was_answered() -> None:
    central = running(
        keys={"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "100"}
    )
    central.silent.add("StartTransaction")
    central.then(0, central.charger.plug, 1, CAR)
    central.then(10, central.charger.present_tag, 1, "TAG")
    start = central.charger.ledger[0].sent[0]
    assert (start.action, start.left, start.answered, start.is_evidence) == (
        "StartTransaction",
        10,
        None,
        True,
    )
    central.run(141)
    central.silent.clear()
    central.run(1000)
    assert (start.left, start.answered) == (10, 370)
    assert (start.connector, start.id_tag, start.moments[0].register) == (1, "TAG", "0")


def test_a_stop_that_is_thrown_away_is_a_lost_bill() -> None:
    central = charging(keys={"TransactionMessageAttempts": "1"})
    central.refused.add("StopTransaction")
    central.then(100, central.charger.unplug, 1)
    central.run(500)
    assert central.moments("StopTransaction") == [100]
    assert central.charger.ledger[0].thrown_away == ["StopTransaction"]
    assert central.charger.ledger[0].is_ended


def test_a_reading_that_is_thrown_away_is_noted_too() -> None:
    central = charging(keys={"TransactionMessageAttempts": "1"})
    central.refused.add("MeterValues")
    central.run(100)
    assert central.charger.tally.discarded == 1
    assert central.charger.ledger[0].thrown_away == ["MeterValues"]


def test_a_lost_connection_counts_no_attempt() -> None:
    central = running(keys={"TransactionMessageAttempts": "2"})
    central.silent.add("StartTransaction")
    central.then(0, central.charger.plug, 1, CAR)
    central.then(10, central.charger.present_tag, 1, "TAG")
    for second in (20, 30, 40, 50):
        central.run(second)
        central.go(is_away=True)
        central.go(is_away=False)
    assert central.moments("StartTransaction") == [10, 20, 30, 40, 50]
    assert central.charger.memory.messages[0].attempts == 0
    central.silent.clear()
    central.go(is_away=True)
    central.go(is_away=False)
    assert central.ids == {(1, "TAG", stamp(10), 0): FIRST_ID}


def test_a_new_connection_does_not_shorten_the_interval() -> None:
    central = charging(keys={"TransactionMessageRetryInterval": "100"})
    central.refused.add("MeterValues")
    central.run(70)
    central.go(is_away=True)
    central.go(is_away=False)
    central.run(200)
    assert central.moments("MeterValues") == [60, 160]


def test_while_one_waits_for_its_next_attempt_other_things_are_said() -> None:
    central = charging(connectors=2)
    central.refused.add("MeterValues")
    central.then(70, central.charger.plug, 2, CAR)
    central.then(80, central.charger.present_tag, 2, "OTHER")
    central.run(110)
    assert [(one.at, one.action) for one in central.log if one.at > 60] == [
        *((70, "StatusNotification"), (80, "Authorize"), (80, "StatusNotification")),
    ]
    central.refused.clear()
    central.run(120)
    assert told(central)[2:] == [
        (120, "MeterValues"),
        (120, "StartTransaction"),
        (120, "MeterValues"),
    ]


def test_the_answer_to_a_call_of_an_earlier_connection_changes_nothing() -> None:
    central = charging()
    central.silent.add("MeterValues")
    central.run(60)
    assert central.waiting is not None
    late = central.waiting[0]
    central.go(is_away=True)
    central.go(is_away=False)
    central.charger.settle(late, None, 61)
    assert central.charger.memory.messages[0].attempts == 0
    assert central.charger.next_call(61) is None  # the retry is still under way


def test_a_power_cut_ends_the_session_with_what_flowed() -> None:
    central = charging()
    central.then(1800, central.charger.power_off)
    central.run(3000)
    assert not central.said("StopTransaction")
    central.then(3000, central.charger.power_on)
    stop = central.said("StopTransaction")[0]
    assert (stop["reason"], stop["meterStop"], stop["timestamp"]) == (
        "PowerLoss",
        CAR_W // 2,
        stamp(1800),
    )
    assert central.statuses() == ["Preparing", "Charging", "Preparing"]
    assert central.actions[-4:] == [
        "BootNotification",
        "StopTransaction",
        *["StatusNotification"] * 2,
    ]
    assert central.charger.connectors[1].meter.register_wh == pytest.approx(CAR_W / 2)


def test_a_tag_that_waits_for_its_cable_does_not_outlive_a_power_cut() -> None:
    central = running()
    central.then(1, central.charger.present_tag, 1, "TAG")
    central.then(2, central.charger.power_off)
    central.then(3, central.charger.power_on)
    central.then(4, central.charger.plug, 1, CAR)
    assert central.statuses() == ["Preparing", "Available", "Preparing"]
    assert not central.said("StartTransaction")


def test_going_offline_answers_a_question_that_waits() -> None:
    central = running(keys={"AllowOfflineTxForUnknownId": "true"})
    central.silent.add("Authorize")
    central.then(1, central.charger.plug, 1, CAR)
    central.then(2, central.charger.present_tag, 1, "TAG")
    central.then(3, central.charger.go_offline)
    assert central.charger.connectors[1].meter.power_w == CAR_W
    assert central.charger.ledger[0].began_at == stamp(2)


def test_no_power_no_flow_and_a_vehicle_may_leave_meanwhile() -> None:
    central = charging()
    central.then(10, central.charger.power_off)
    central.then(15, central.charger.fault, 1, "GroundFailure")
    # the last status: without power it cannot change
    assert central.charger.connectors[1].status == "Charging"
    central.charger.clear_fault(1, 16)
    central.then(20, central.charger.unplug, 1)
    central.then(30, central.charger.plug, 1, CAR)
    assert central.charger.connectors[1].meter.power_w == 0
    central.then(40, central.charger.unplug, 1)
    central.then(50, central.charger.power_on)
    assert central.statuses()[-1] == "Available"


def test_a_file_keeps_what_waits_over_the_end_of_the_simulator() -> None:
    central = charging()
    central.go(is_away=True)
    central.then(3600, central.charger.power_off)
    kept = Memory.from_json(central.charger.memory.to_json())
    later = made(kept)
    later.then(4000, later.charger.power_on)
    assert [one["transactionId"] for one in later.said("StopTransaction")] == [FIRST_ID]


def test_a_start_that_waits_in_a_file_gives_its_id_to_what_follows() -> None:
    central = made(keys={"AllowOfflineTxForUnknownId": "true"})
    central.go(is_away=True)
    central.then(0, central.charger.power_on)
    central.then(0, central.charger.plug, 1, CAR)
    central.then(0, central.charger.present_tag, 1, "TAG")
    central.then(90, central.charger.power_off)
    later = made(Memory.from_json(central.charger.memory.to_json()))
    later.then(4000, later.charger.power_on)
    assert [action for _, action in told(later)] == list(MESSAGES)
    assert [
        one["transactionId"] for one in (later.said("MeterValues") + later.said("StopTransaction"))
    ] == [FIRST_ID] * 2
    assert later.charger.memory.last_local_id == -1


def test_going_offline_ends_the_connection_until_it_comes_back() -> None:
    central = charging()
    central.then(10, central.charger.go_offline)
    central.run(1000)
    assert central.connection_effects == [(10, "drop")]
    assert told(central) == [(0, "StartTransaction")]
    central.then(1000, central.charger.go_online)
    assert central.moments("MeterValues")[0] == 1000
    assert "BootNotification" not in central.actions
