"""An action in another case is the one that OCPP names, so that what a charger may be asked does
not depend on it."""

import pytest

from levity_trio.access.registration import Status, objection
from levity_trio.operations import spelt


@pytest.mark.parametrize(
    "action", ["RemoteStartTransaction", "remotestarttransaction", " REMOTESTARTTRANSACTION"]
)
def test_a_pending_charger_is_started_in_no_spelling(action: str) -> None:
    assert spelt(action) == "RemoteStartTransaction"
    assert objection(Status.PENDING, spelt(action))


def test_an_action_of_a_vendor_stays_as_it_is() -> None:
    assert spelt("vendorAction") == "vendorAction"
