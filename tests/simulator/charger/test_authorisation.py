"""Authorisation by local list, cache, Authorize, and the rules for offline (OCPP 1.6 §3.5,
§4.1)."""

from typing import Any

import pytest

from tests.simulator.charger.central import CAR, Central, running

ACCEPTED, BLOCKED = {"status": "Accepted"}, {"status": "Blocked"}


def with_list(*entries: tuple[str, dict[str, Any]], **keys: str) -> Central:
    """A charger with a local list, a vehicle plugged in."""
    central = running(keys=keys)
    data = [{"idTag": tag, "idTagInfo": info} for tag, info in entries]
    sent = central.ask(
        "SendLocalList", listVersion=5, updateType="Full", localAuthorizationList=data
    )
    assert sent == {"status": "Accepted"}
    assert central.ask("GetLocalListVersion") == {"listVersion": 5}
    central.then(1, central.charger.plug, 1, CAR)
    central.forget()
    return central


def starts(central: Central, tag: str, at: float = 10) -> bool:
    """Return whether a tag begins a transaction."""
    central.then(at, central.charger.present_tag, 1, tag)
    central.run(at + 60)
    return central.charger.connectors[1].transaction is not None


def test_online_a_tag_is_asked_for_even_if_it_is_known() -> None:
    central = with_list(("LISTED", ACCEPTED))
    assert starts(central, "LISTED")
    assert central.actions[:2] == ["Authorize", "StartTransaction"]


def test_the_list_admits_at_once_with_local_pre_authorize() -> None:
    central = with_list(("LISTED", ACCEPTED), LocalPreAuthorize="true")
    assert starts(central, "LISTED")
    assert not central.said("Authorize")


def test_who_is_blocked_in_the_list_is_asked_for() -> None:
    """§3.5: the central system has the last word on a tag that the charger refuses."""
    central = with_list(("LISTED", BLOCKED), LocalPreAuthorize="true")
    assert starts(central, "LISTED")
    assert central.said("Authorize") == [{"idTag": "LISTED"}]


def test_an_answer_is_cached_until_the_cache_is_cleared() -> None:
    central = running(keys={"LocalPreAuthorize": "true"})
    central.then(1, central.charger.plug, 1, CAR)
    assert starts(central, "TAG")
    central.then(100, central.charger.unplug, 1)
    central.then(101, central.charger.plug, 1, CAR)
    assert starts(central, "TAG", at=110)
    assert len(central.said("Authorize")) == 1
    assert central.ask("ClearCache") == {"status": "Accepted"}
    central.then(300, central.charger.unplug, 1)
    central.then(301, central.charger.plug, 1, CAR)
    assert starts(central, "TAG", at=310)
    assert len(central.said("Authorize")) == 2


def test_the_answer_to_a_stop_is_cached_too() -> None:
    central = running(keys={"LocalPreAuthorize": "true"})
    central.then(1, central.charger.plug, 1, CAR)
    assert starts(central, "TAG")
    central.tags["TAG"] = BLOCKED
    central.then(100, central.charger.present_tag, 1, "TAG")
    assert not starts(central, "TAG", at=110)
    assert len(central.said("StartTransaction")) == 1


@pytest.mark.parametrize(
    ("keys", "tag", "may_charge"),
    [
        pytest.param({}, "LISTED", True, id="by the list"),
        pytest.param({}, "listed", True, id="in any case"),
        pytest.param({}, "BLOCKED", False, id="not the blocked"),
        pytest.param({}, "CACHED", True, id="by the cache"),
        pytest.param({}, "EXPIRED", False, id="not the expired"),
        pytest.param({}, "STRANGER", False, id="not a stranger"),
        pytest.param(
            {"AllowOfflineTxForUnknownId": "true"}, "STRANGER", True, id="a stranger where allowed"
        ),
        pytest.param(
            {"AllowOfflineTxForUnknownId": "true"},
            "BLOCKED",
            False,
            id="whom we know is no stranger",
        ),
        pytest.param(
            {"LocalAuthorizeOffline": "false"},
            "LISTED",
            False,
            id="not where the list is for online",
        ),
        pytest.param(
            {"LocalAuthListEnabled": "false"},
            "LISTED",
            False,
            id="not by a list that is switched off",
        ),
        pytest.param(
            {"AuthorizationCacheEnabled": "false"}, "CACHED", False, id="nor such a cache"
        ),
    ],
)
def test_offline(keys: dict[str, str], tag: str, may_charge: bool) -> None:
    expired = ACCEPTED | {"expiryDate": "2026-03-01T12:00:05Z"}
    central = with_list(("LISTED", ACCEPTED), ("BLOCKED", BLOCKED), ("EXPIRED", expired))
    central.charger.tags.learn("CACHED", ACCEPTED)
    for key, value in keys.items():
        central.ask("ChangeConfiguration", key=key, value=value)
    central.go(is_away=True)
    assert starts(central, tag) is may_charge


@pytest.mark.parametrize("how", ["silent", "refused", "away"])
def test_without_an_answer_what_holds_offline_holds(how: str) -> None:
    central = with_list(("LISTED", ACCEPTED))
    if how == "silent":
        central.silent.add("Authorize")
    elif how == "refused":
        central.refused.add("Authorize")
    else:
        central.silent.add("Authorize")
        central.then(10, central.charger.present_tag, 1, "LISTED")
        central.go(is_away=True)
        central.go(is_away=False)
        assert central.charger.connectors[1].transaction is not None
        return
    assert starts(central, "LISTED")
    central.then(200, central.charger.unplug, 1)
    central.then(201, central.charger.plug, 1, CAR)
    assert not starts(central, "STRANGER", at=210)


def test_while_it_asks_time_stands_still() -> None:
    """However late the response, the transaction begins at the moment of the tag, and later events
    follow it."""
    central = running(connectors=2)
    central.then(1, central.charger.plug, 1, CAR)
    central.then(1, central.charger.plug, 2, CAR)
    central.then(1, central.charger.present_tag, 2, "OTHER")
    central.forget()
    central.charger.present_tag(1, "TAG", 100)
    asked = central.charger.next_call(100)
    assert asked is not None
    assert central.charger.next_due is None
    central.charger.unplug(2, 150)
    assert central.charger.execute("ClearChargingProfile", {}, 160) == {"status": "Unknown"}
    central.charger.advance(900)
    answer = central._answer("Authorize", {"idTag": "TAG"})
    central.charger.settle(asked, answer, 1000)
    central.at = 1000
    central.run(1000)
    start, stop = central.said("StartTransaction")[0], central.said("StopTransaction")[0]
    assert start["timestamp"] == stop["timestamp"] == "2026-03-01T12:01:40Z"
    stamps = [one["meterValue"][0]["timestamp"] for one in central.said("MeterValues")]
    assert stamps[:3] == ["2026-03-01T12:01:01Z", "2026-03-01T12:02:40Z", "2026-03-01T12:03:40Z"]


def test_the_list_is_updated_by_differences() -> None:
    central = with_list(("ONE", ACCEPTED), ("TWO", ACCEPTED))
    changes = [{"idTag": "ONE"}, {"idTag": "TWO", "idTagInfo": BLOCKED}]
    for version, status in ((5, "VersionMismatch"), (6, "Accepted")):
        names = {"listVersion": version, "updateType": "Differential"}
        assert central.ask("SendLocalList", **names, localAuthorizationList=changes) == {
            "status": status
        }
    assert central.ask("GetLocalListVersion") == {"listVersion": 6}
    central.go(is_away=True)
    assert not starts(central, "ONE")
    assert not starts(central, "TWO", at=100)
