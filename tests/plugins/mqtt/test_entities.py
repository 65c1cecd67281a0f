"""What MQTT shows: topics, payloads, and what is never said."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.plugins.mqtt.discovery import (
    OF_CHARGER,
    OF_CONNECTOR,
    OF_SITE,
    RESERVED,
    Limit,
    escaped,
    limits_of,
    merged,
    payload,
    site_states,
    states,
    unescaped,
)
from levity_trio.store.reads.load.load import LoadCar, LoadNow
from levity_trio.store.reads.now.entities import SeenChargers, SeenSession
from tests.plugins.mqtt.home_assistant import LONGEST_STATE
from tests.plugins.mqtt.seen import charger, connector, session
from tests.store.loads import car

IDENTITIES = st.one_of(
    st.text(min_size=1, max_size=48), st.sampled_from(RESERVED), st.text("+#/%$a7", min_size=1)
)


@given(IDENTITIES)
def test_an_identity_comes_back(identity: str) -> None:
    assert unescaped(escaped(identity)) == identity


@given(IDENTITIES)
def test_an_identity_is_a_level_of_topics(identity: str) -> None:
    level = escaped(identity)
    assert not re.search(r"[+#/\0-\x1f\x7f-\x9f]|^\$|^$", level)
    assert level not in RESERVED
    assert all(character.isprintable() for character in level)


@given(IDENTITIES, IDENTITIES)
def test_two_identities_share_no_topic(one: str, other: str) -> None:
    topics, others = (set(states("levity", charger(identity), {}, {})) for identity in (one, other))
    assert one == other or not topics & others


@pytest.mark.parametrize(
    ("identity", "level"),
    [
        ("CP-1", "CP-1"),
        ("a b_c.d", "a b_c.d"),
        ("Käthe", "Käthe"),
        ("a+b#c/d%e", "a%2Bb%23c%2Fd%25e"),
        ("$SYS", "%24SYS"),
        ("5$", "5$"),
        ("status", "%73tatus"),
        ("site", "%73ite"),
        ("events", "%65vents"),
        ("a\x85b", "a%C2%85b"),
    ],
)
def test_levels(identity: str, level: str) -> None:
    assert escaped(identity) == level


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (None, 0, "None"),
        (True, 0, "ON"),
        (False, 0, "OFF"),
        (0, 0, "0"),
        (10, 2, "10"),
        (7400.6, 0, "7401"),
        (16.0, 2, "16"),
        (15.987, 2, "15.99"),
        (0.5, 2, "0.5"),
        (-0.001, 2, "0"),
        (1e16, 2, "10000000000000000"),
        (1e-7, 2, "0"),
        ("Charging", 0, "Charging"),
    ],
)
def test_payloads(value: Any, places: int, text: str) -> None:
    assert payload(value, places) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 3))
def test_a_number_has_no_exponent(value: float, places: int) -> None:
    assert re.fullmatch(r"0|-?(?!0\d)\d+(\.\d*[1-9])?", payload(value, places))


def test_no_state_is_too_long_for_home_assistant() -> None:
    assert len(payload("x" * 300)) == LONGEST_STATE


def test_a_charger_where_nobody_charges() -> None:
    assert states("levity", charger(), {}, {}) == {
        "levity/CP-1/link": "online",
        "levity/CP-1/energy": "12000",
        "levity/CP-1/1/status": "Available",
        "levity/CP-1/1/power": "0",
        "levity/CP-1/1/current": "0",
        "levity/CP-1/1/current/L1": "0",
        "levity/CP-1/1/current/L2": "0",
        "levity/CP-1/1/current/L3": "0",
        "levity/CP-1/1/session_energy": "0",
        "levity/CP-1/1/error": "NoError",
        "levity/CP-1/1/limit": "None",
        "levity/CP-1/1/limit_by": "None",
        "levity/CP-1/1/availability": "ON",
        "levity/CP-1/1/user": "",
    }


def test_a_session() -> None:
    found = states(
        "levity",
        charger("CP-1", connector(2, status="Charging", session=session())),
        {},
        {},
        with_names=True,
    )
    assert {topic: text for topic, text in found.items() if topic.startswith("levity/CP-1/2/")} == {
        "levity/CP-1/2/status": "Charging",
        "levity/CP-1/2/power": "11040",
        "levity/CP-1/2/current": "16",
        "levity/CP-1/2/current/L1": "16",
        "levity/CP-1/2/current/L2": "15.98",
        "levity/CP-1/2/current/L3": "16",
        "levity/CP-1/2/session_energy": "4200",
        "levity/CP-1/2/error": "NoError",
        "levity/CP-1/2/limit": "16",
        "levity/CP-1/2/limit_by": "charger",
        "levity/CP-1/2/availability": "ON",
        "levity/CP-1/2/user": "Anna",
    }


@pytest.mark.parametrize(
    ("seen", "topic", "text"),
    [
        (connector(session=session(power_w=None)), "power", "None"),
        (connector(session=session(phases_a={})), "current", "None"),
        (connector(session=session(phases_a={"": 9.5})), "current", "9.5"),
        (connector(session=session(phases_a={"": 9.5})), "current/L1", "None"),
        (connector(session=session(phases_a={"L2": 6.0})), "current/L2", "6"),
        (connector(status="Charging"), "power", "None"),
        (connector(status="Charging"), "current/L3", "None"),
        (connector(status=None), "status", "None"),
        (connector(status="Occupied"), "status", "None"),
        (connector(error="GroundFailure"), "error", "GroundFailure"),
        (connector(is_in_service=False), "availability", "OFF"),
        (connector(is_in_service=None), "availability", "None"),
        (connector(session=session(offered_a=None)), "limit_by", "None"),
    ],
)
def test_what_is_not_known_is_none(seen: Any, topic: str, text: str) -> None:
    assert states("levity", charger("CP-1", seen), {}, {})[f"levity/CP-1/1/{topic}"] == text


def test_who_charges_is_told_only_if_it_is_wanted() -> None:
    found = states("levity", charger("CP-1", connector(session=session())), {}, {})
    assert "Anna" not in found.values()
    assert found["levity/CP-1/1/user"] == ""


def test_energy_never_falls() -> None:
    before = states("levity", charger(energy_wh=9_999), {}, {})
    before = states("levity", charger(energy_wh=12_000), {}, before)
    assert before["levity/CP-1/energy"] == "12000"
    before = states("levity", charger(energy_wh=11_900), {}, before)
    assert before["levity/CP-1/energy"] == "12000"
    assert states("levity", charger(energy_wh=12_100), {}, before)["levity/CP-1/energy"] == "12100"
    assert (
        states("levity", charger(energy_wh=11_900), {}, {"levity/CP-1/energy": ""})[
            "levity/CP-1/energy"
        ]
        == "11900"
    )


def test_the_energy_of_a_session_begins_again() -> None:
    before = states("levity", charger("CP-1", connector(session=session())), {}, {})
    assert states("levity", charger(), {}, before)["levity/CP-1/1/session_energy"] == "0"


def decided(*cars: dict[str, Any], is_shadow: bool = False) -> LoadNow:
    found = [LoadCar(**{"is_managed": True, **one}) for one in cars]
    return LoadNow(
        at="", is_shadow=is_shadow, lines=[], cars=found, meters=[], over=[], grid_a=None
    )


def test_load_management_limits_a_car() -> None:
    limits = limits_of(decided(car(), car("CP-2", bound="hand", circuit="", phase="", limit_a=10)))
    assert limits == {("CP-1", 1): Limit(8, "circuit Feeder L2"), ("CP-2", 1): Limit(10, "hand")}
    found = states("levity", charger("CP-1", connector(session=session())), limits, {})
    assert (found["levity/CP-1/1/limit"], found["levity/CP-1/1/limit_by"]) == (
        "8",
        "circuit Feeder L2",
    )


def test_what_it_keeps_for_a_car_says_why() -> None:
    limits = limits_of(decided(car(bound="fixed", why_fixed="away", circuit="", phase="")))
    assert limits == {("CP-1", 1): Limit(8, "away")}


def test_what_it_only_would_do_limits_nothing() -> None:
    assert limits_of(None) == {}
    assert limits_of(decided(car(), is_shadow=True)) == {}
    assert limits_of(decided(car(is_managed=False))) == {}


def seen(*chargers: Any, omitted: tuple[str, ...] = ()) -> SeenChargers:
    return SeenChargers(chargers=chargers, omitted=frozenset(omitted), omitted_wh=0)


def test_a_read_of_some_replaces_only_them() -> None:
    known = merged({}, seen(charger("CP-1"), charger("CP-2"), charger("CP-3")))
    known = merged(known, seen(charger("CP-2", energy_wh=7), omitted=("CP-3",)))
    assert {identity: one.energy_wh for identity, one in known.items()} == {
        "CP-1": 12_000,
        "CP-2": 7,
    }


def at(status: str, found: SeenSession | None) -> Any:
    return charger("CP-1", connector(status=status, session=found))


def test_the_site() -> None:
    chargers = [
        at("Charging", session()),
        at("SuspendedEV", session(power_w=0.0)),
        at("Preparing", session(power_w=1380.0)),
        at("Charging", session(power_w=None, is_suspended=True)),
        at("Available", None),
    ]
    found = site_states("levity", chargers, 500, 3, {"levity/site/energy": "60600"})
    assert found == {
        "levity/site/power": "12420",
        "levity/site/energy": "60600",
        "levity/site/charging": "2",
        "levity/site/attention": "3",
    }
    assert site_states("levity", chargers, 601, 3, found)["levity/site/energy"] == "60601"


def test_no_entity_has_the_topic_or_key_of_another() -> None:
    for table in (OF_CHARGER, OF_CONNECTOR, OF_SITE):
        assert len({one.key for one in table}) == len({one.below for one in table}) == len(table)


def test_a_payload_of_states_is_text() -> None:
    found = states("levity", charger("CP-1", connector(session=session())), {}, {}, with_names=True)
    assert orjson.loads(orjson.dumps(found)) == found
