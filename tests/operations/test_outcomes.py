"""Outcomes from facts: what fulfils, what contradicts, until when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from levity_trio.operations import OPERATIONS
from levity_trio.operations.operation import OutcomeState, is_followed
from levity_trio.operations.seen import (
    Booted,
    ListVersion,
    MessageSeen,
    TransactionBegan,
    TransactionEnded,
)
from tests.operations.asking import ACCEPTED, asked, at, current, outcome, power, state, status

PENDING, FULFILLED, CONTRADICTED, NOT_SEEN = OutcomeState


def test_which_operations_have_an_outcome_beyond_their_answer() -> None:
    assert [action for action, operation in OPERATIONS.items() if operation.outcome is None] == [
        *(
            "GetConfiguration",
            "ClearCache",
            "DataTransfer",
            "GetLocalListVersion",
            "ClearChargingProfile",
        ),
        *(
            "GetCompositeSchedule",
            "InstallCertificate",
            "DeleteCertificate",
            "GetInstalledCertificateIds",
        ),
        "CertificateSigned",
    ]


@pytest.mark.parametrize(
    ("command_state", "followed"),
    [
        *(("sent", True), ("accepted", True), ("timed out", True), ("gone", True)),
        *(
            ("queued", False),
            ("rejected", False),
            ("error", False),
            ("expired", False),
            ("cancelled", False),
        ),
    ],
)
def test_only_what_the_charger_may_obey_is_followed(command_state: str, followed: bool) -> None:
    assert is_followed(OPERATIONS["Reset"], command_state) is followed
    assert not is_followed(OPERATIONS["ClearCache"], command_state)


class TestRemoteStart:
    COMMAND = asked("RemoteStartTransaction", {"idTag": "Guest", "connectorId": 2}, ACCEPTED)

    def test_the_transaction_that_began_with_its_tag(self) -> None:
        found = outcome(
            self.COMMAND,
            [TransactionBegan(at(30), 7, 2, "GUEST"), TransactionBegan(at(20), 6, 2, "OTHER")],
        )
        assert found == (FULFILLED, "session 7 began on connector 2", at(30), 7)

    @pytest.mark.parametrize(
        "fact",
        [
            pytest.param(TransactionBegan(at(30), 7, 1, "Guest"), id="another connector"),
            pytest.param(TransactionBegan(at(30), 7, 2, "Other"), id="another tag"),
            pytest.param(TransactionBegan(at(30), 7, 2, None), id="no tag"),
            pytest.param(TransactionBegan(at(-1), 7, 2, "Guest"), id="before the command"),
            pytest.param(
                TransactionBegan(at(30), 7, 2, "Guest", is_old=True), id="from the charger's memory"
            ),
        ],
    )
    def test_another_transaction_is_none(self, fact: TransactionBegan) -> None:
        assert state(self.COMMAND, [fact]) == PENDING
        assert state(self.COMMAND, [fact], 121) == NOT_SEEN

    def test_any_connector_where_none_was_named(self) -> None:
        assert (
            state(
                asked("RemoteStartTransaction", {"idTag": "G"}),
                [TransactionBegan(at(3), 7, 4, "G")],
            )
            == FULFILLED
        )

    def test_connection_time_out_is_the_charger_s(self) -> None:
        late = [TransactionBegan(at(170), 7, 2, "Guest")]
        assert state(self.COMMAND, late, 180) == NOT_SEEN
        patient = asked(
            "RemoteStartTransaction",
            {"idTag": "Guest"},
            ACCEPTED,
            connection_timeout=timedelta(seconds=180),
        )
        assert state(patient, late, 180) == FULFILLED

    def test_a_lost_answer_does_not_matter(self) -> None:
        assert (
            state(
                asked("RemoteStartTransaction", {"idTag": "G"}),
                [TransactionBegan(at(40), 7, 1, "g")],
            )
            == FULFILLED
        )


class TestRemoteStop:
    COMMAND = asked("RemoteStopTransaction", {"transactionId": 5}, ACCEPTED)

    def test_its_end(self) -> None:
        found = outcome(
            self.COMMAND, [TransactionEnded(at(8), 4), TransactionEnded(at(9), 5), current(40, 16)]
        )
        assert found == (FULFILLED, "session 5 ended", at(9), 5)

    def test_current_after_the_time_contradicts(self) -> None:
        facts = [current(5, 16), current(60, 0.5, "L1"), current(60, 16, "L2")]
        assert state(self.COMMAND, facts) == PENDING
        assert outcome(self.COMMAND, facts, 121) == (
            CONTRADICTED,
            "session 5 still draws 16 A",
            at(60),
            5,
        )

    @pytest.mark.parametrize(
        "reading",
        [current(60, 0.9), current(20, 16), current(60, 16, transaction=4), power(60, 300)],
        ids=["a rest", "while it ramps down", "another transaction", "a little power"],
    )
    def test_what_does_not_contradict(self, reading: Any) -> None:
        assert state(self.COMMAND, [reading], 121) == NOT_SEEN


class TestBoots:
    def test_reset(self) -> None:
        command = asked("Reset", {"type": "Soft"}, ACCEPTED)
        assert state(command, [Booted(at(-1), "1")], 600) == PENDING
        assert state(command, [], 601) == NOT_SEEN
        assert outcome(command, [Booted(at(400), "1")], 700) == (
            FULFILLED,
            "the charger booted",
            at(400),
            None,
        )

    def test_configuration_in_force_by_the_answer(self) -> None:
        values = {"key": "A", "value": "1"}
        assert outcome(asked("ChangeConfiguration", values, ACCEPTED)).at == at(1)
        assert state(asked("ChangeConfiguration", values)) == PENDING
        assert state(asked("ChangeConfiguration", values), [], 121) == NOT_SEEN

    def test_configuration_waits_for_the_boot_without_end(self) -> None:
        command = asked(
            "ChangeConfiguration", {"key": "A", "value": "1"}, {"status": " rebootRequired"}
        )
        assert state(command, [], 10**8) == PENDING
        assert state(command, [Booted(at(0.5), "1")]) == PENDING
        assert state(command, [Booted(at(10**7), "1")], 10**8) == FULFILLED


class TestAvailability:
    OUT = ("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})

    def test_accepted(self) -> None:
        command = asked(*self.OUT, ACCEPTED, statuses={1: "Available"})
        assert state(command) == PENDING
        assert outcome(command, [status(2, 1, "Unavailable")])[:3] == (
            *(FULFILLED, "the charger reports Unavailable", at(2)),
        )
        assert state(command, [status(2, 2, "Unavailable")], 121) == NOT_SEEN
        assert state(command, [status(2, 1, "Charging")], 119) == PENDING
        assert (
            outcome(command, [status(2, 1, "Charging")], 121).words
            == "connector 1 reports Charging"
        )

    def test_as_it_was_already(self) -> None:
        assert state(asked(*self.OUT, ACCEPTED, statuses={1: "Unavailable"})) == FULFILLED
        assert state(asked(*self.OUT, None, statuses={1: "Unavailable"})) == PENDING

    def test_scheduled_waits_for_the_end_of_the_transaction(self) -> None:
        command = asked(*self.OUT, {"status": "Scheduled"}, statuses={1: "Charging"})
        facts = [status(90_000, 1, "Finishing"), status(90_010, 1, "Unavailable")]
        assert state(command, facts[:1], 90_005) == PENDING
        assert state(command, facts, 90_020) == FULFILLED

    def test_into_use_again_whatever_the_status_is_then(self) -> None:
        command = asked(
            "ChangeAvailability",
            {"connectorId": 1, "type": "Operative"},
            ACCEPTED,
            statuses={1: "Unavailable"},
        )
        assert state(command, [status(2, 1, "Preparing")]) == FULFILLED
        assert (
            state(command, [status(2, 1, "Preparing"), status(3, 1, "Unavailable")], 121)
            == CONTRADICTED
        )

    def test_connector_0_means_all(self) -> None:
        values = {"connectorId": 0, "type": "Inoperative"}
        command = asked(
            "ChangeAvailability",
            values,
            ACCEPTED,
            statuses={0: "Available", 1: "Available", 2: "Available"},
        )
        assert state(command, [status(2, 0, "Unavailable"), status(2, 1, "Unavailable")]) == PENDING
        assert (
            state(command, [status(2, 2, "Unavailable"), status(3, 1, "Unavailable")]) == FULFILLED
        )
        alone = asked("ChangeAvailability", values, ACCEPTED)
        assert state(alone, [status(2, 0, "Unavailable")]) == FULFILLED


class TestUnlock:
    def test_by_the_answer(self) -> None:
        assert (
            state(asked("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"})) == FULFILLED
        )

    def test_without_an_answer_by_the_status(self) -> None:
        command = asked("UnlockConnector", {"connectorId": 1})
        assert state(command, [status(5, 2, "Available"), status(6, 1, "Finishing")]) == PENDING
        assert state(command, [status(9, 1, "Available")]) == FULFILLED
        assert state(command, [], 121) == NOT_SEEN


class TestReservations:
    @pytest.mark.parametrize(
        ("connector", "reserved", "expected"),
        [(1, 1, FULFILLED), (1, 2, PENDING), (0, 2, FULFILLED)],
    )
    def test_reserve(self, connector: int, reserved: int, expected: OutcomeState) -> None:
        values = {
            "connectorId": connector,
            "expiryDate": "2030-01-31T23:00:00Z",
            "idTag": "A",
            "reservationId": 3,
        }
        assert (
            state(asked("ReserveNow", values, ACCEPTED), [status(2, reserved, "Reserved")])
            == expected
        )

    def test_cancel(self) -> None:
        command = asked(
            "CancelReservation",
            {"reservationId": 3},
            ACCEPTED,
            connector=1,
            statuses={1: "Reserved"},
        )
        assert state(command) == PENDING
        assert state(command, [status(2, 1, "Available")]) == FULFILLED
        assert state(command, [status(2, 1, "Reserved")], 121) == CONTRADICTED
        assert state(command, [], 121) == NOT_SEEN

    def test_cancel_of_one_that_was_never_shown(self) -> None:
        known = {"connector": 1, "statuses": {1: "Available"}}
        assert (
            state(asked("CancelReservation", {"reservationId": 3}, ACCEPTED, **known)) == FULFILLED
        )
        assert state(asked("CancelReservation", {"reservationId": 3}, None, **known)) == PENDING
        assert (
            state(asked("CancelReservation", {"reservationId": 3}, ACCEPTED), [], 121) == NOT_SEEN
        )


class TestTriggers:
    @pytest.mark.parametrize(
        ("action", "requested", "arrived", "expected"),
        [
            ("TriggerMessage", "Heartbeat", "Heartbeat", FULFILLED),
            ("TriggerMessage", "Heartbeat", "StatusNotification", PENDING),
            (
                "TriggerMessage",
                "FirmwareStatusNotification",
                "FirmwareStatusNotification",
                FULFILLED,
            ),
            (
                "TriggerMessage",
                "FirmwareStatusNotification",
                "SignedFirmwareStatusNotification",
                PENDING,
            ),
            (
                "ExtendedTriggerMessage",
                "FirmwareStatusNotification",
                "SignedFirmwareStatusNotification",
                FULFILLED,
            ),
            ("ExtendedTriggerMessage", "SignChargePointCertificate", "SignCertificate", FULFILLED),
            ("ExtendedTriggerMessage", "LogStatusNotification", "LogStatusNotification", FULFILLED),
        ],
    )
    def test_the_message_that_follows(
        self, action: str, requested: str, arrived: str, expected: OutcomeState
    ) -> None:
        command = asked(action, {"requestedMessage": requested}, ACCEPTED)
        assert state(command, [MessageSeen(at(-1), arrived)]) == PENDING
        assert state(command, [MessageSeen(at(3), arrived)]) == expected

    @pytest.mark.parametrize(
        ("connector", "expected"), [(1, PENDING), (2, FULFILLED), (None, FULFILLED)]
    )
    def test_of_its_connector(self, connector: int | None, expected: OutcomeState) -> None:
        command = asked(
            "TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 2}, ACCEPTED
        )
        assert state(command, [MessageSeen(at(3), "MeterValues", connector)]) == expected


class TestLocalList:
    VALUES = {"listVersion": 4, "updateType": "Full"}  # noqa: RUF012 - never changed

    def test_by_the_answer(self) -> None:
        assert state(asked("SendLocalList", self.VALUES, ACCEPTED)) == FULFILLED

    def test_without_an_answer_by_the_version_reported_next(self) -> None:
        command = asked("SendLocalList", self.VALUES)
        assert state(command, [ListVersion(at(9000), 4)], 9001) == FULFILLED
        assert state(command, [ListVersion(at(9000), 3)], 9001) == PENDING
        assert (
            outcome(command, [ListVersion(at(9000), 3)], 90_000).words
            == "the charger has list version 3"
        )
