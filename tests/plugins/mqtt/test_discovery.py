"""Discovery, held against what Home Assistant accepts."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment

from levity_trio.locale import speaking
from levity_trio.plugins.mqtt.discovery import (
    escaped,
    object_id,
    of_charger,
    of_site,
    states,
    withdrawn,
)
from levity_trio.store.reads.now.entities import SeenCharger
from tests.plugins.mqtt.home_assistant import faults
from tests.plugins.mqtt.seen import charger, connector
from tests.plugins.mqtt.test_entities import IDENTITIES

CHARGERS = [
    charger(),
    charger("CP-1", connector(1), connector(2)),
    charger("status", name=None, vendor=None, model="", firmware=None),
    charger("a/b+c", connector(3), is_connected=False),
    SeenCharger(
        **{name: getattr(charger(), name) for name in SeenCharger.__dataclass_fields__}
        | {"connectors": ()}
    ),
]


def found(one: SeenCharger, prefix: str = "levity", **given: bool) -> tuple[str, dict[str, Any]]:
    ((topic, text),) = of_charger(
        prefix, one, **{"with_names": False, "with_commands": False, "with_load": True, **given}
    ).items()
    return topic, orjson.loads(text)


def site() -> tuple[str, dict[str, Any]]:
    ((topic, text),) = of_site("levity", "Block 7").items()
    return topic, orjson.loads(text)


@pytest.mark.parametrize("with_commands", [True, False])
@pytest.mark.parametrize("with_names", [True, False])
@pytest.mark.parametrize("one", CHARGERS)
def test_home_assistant_accepts_a_charger(
    one: SeenCharger, with_names: bool, with_commands: bool
) -> None:
    assert [*faults(*found(one, with_names=with_names, with_commands=with_commands))] == []


def test_home_assistant_accepts_the_site() -> None:
    assert [*faults(*site())] == []


@pytest.mark.parametrize(
    ("component", "fault"),
    [
        ({"platform": "sensor", "unit_of_measurement": "kVA"}, "1_power: unit kVA of power"),
        ({"platform": "sensor", "state_class": "total"}, "1_power: state class total of power"),
        ({"platform": "sensor", "command_topic": "a"}, "1_power: sensor with command_topic"),
        ({"platform": "sensor", "state_topic": "a/b+"}, "1_power: topic a/b+"),
        ({"platform": "sensor", "icon": "bolt"}, "1_power: icon"),
        ({"platform": "button"}, "1_power: no command_topic"),
    ],
)
def test_the_rules_find_what_is_wrong(component: dict[str, Any], fault: str) -> None:
    topic, payload = found(charger())
    payload["components"]["1_power"] |= component
    assert fault in [*faults(topic, payload)]


def test_each_state_has_an_entity() -> None:
    one = charger("CP-1", connector(1), connector(2))
    _, payload = found(one, with_names=True, with_commands=True)
    topics = {component.get("state_topic") for component in payload["components"].values()}
    assert {*states("levity", one, {}, {}, with_names=True)} == topics - {None} - {
        f"levity/CP-1/{number}/answer/+" for number in (1, 2)
    }


def test_a_device_says_what_the_charger_is() -> None:
    topic, payload = found(charger())
    assert topic == "homeassistant/device/levity_CP-1/config"
    assert payload["device"] == {
        "identifiers": ["levity_CP-1"],
        "name": "Space 7",
        "via_device": "levity_site",
        "manufacturer": "United Chargers",
        "model": "Grizzl-E",
        "sw_version": "5.6",
    }
    assert site()[1]["device"]["identifiers"] == ["levity_site"]
    assert payload["origin"]["name"] == "levity-trio"
    assert found(CHARGERS[2])[1]["device"].keys() == {"identifiers", "name", "via_device"}


def test_what_comes_from_a_charger_is_there_while_it_is_connected() -> None:
    _, payload = found(charger())
    assert payload["availability"] == [{"topic": "levity/status"}, {"topic": "levity/CP-1/link"}]
    assert payload["availability_mode"] == "all"
    own = {key for key, component in payload["components"].items() if "availability" in component}
    assert own == {"link", "energy"}
    assert payload["components"]["link"]["availability"] == [{"topic": "levity/status"}]
    assert site()[1]["availability"] == [{"topic": "levity/status"}]


def test_a_limit_and_a_boost_are_offered_only_with_load_management() -> None:
    _, payload = found(charger(), with_commands=True, with_load=False)
    of_load = {key: one for key, one in payload["components"].items() if len(one) == 1}
    assert of_load == {
        "1_boost": {"platform": "button"},
        "1_set_limit": {"platform": "number"},
        "1_lift_limit": {"platform": "button"},
        "1_user": {"platform": "sensor"},
    }
    assert [*faults(*found(charger(), with_commands=True, with_load=False))] == []


def test_names_are_in_the_language_of_the_block() -> None:
    with speaking("de"):
        components = found(charger("CP-1", connector(1), connector(2)), with_commands=True)[1][
            "components"
        ]
        of_site = site()[1]["components"]
    names = {key: one["name"] for key, one in components.items() if "name" in one}
    assert (names["energy"], names["1_power"], names["2_current_l1"]) == (
        "Energie",
        "Anschluss 1 Leistung",
        "Anschluss 2 Strom L1",
    )
    assert names["1_answer"] == "Anschluss 1 Letzte Antwort"
    assert of_site["attention"]["name"] != "Needs attention"
    english = found(charger("CP-1", connector(1), connector(2)), with_commands=True)[1][
        "components"
    ]
    alike = {
        key for key, name in names.items() if english[key]["name"].split()[-1] == name.split()[-1]
    }
    assert alike <= {
        f"{number}_{key}"
        for number in (1, 2)
        for key in ("status", "current_l1", "current_l2", "current_l3")
    }


def test_commands_are_entities_only_if_they_are_on() -> None:
    one = charger("CP-1", connector(1), connector(2))
    on, off = (found(one, with_commands=wanted)[1]["components"] for wanted in (True, False))
    topics = {
        component["command_topic"] for component in on.values() if "command_topic" in component
    }
    names = ("start", "stop", "limit", "availability", "unlock", "boost")
    assert topics == {f"levity/CP-1/{number}/command/{name}" for number in (1, 2) for name in names}
    assert not [key for key, component in off.items() if "command_topic" in component]
    assert off["1_start"] == {"platform": "button"}  # removes one that was there


@pytest.mark.parametrize(
    ("key", "command", "told"),
    [
        ("1_start", "start", {}),
        ("1_unlock", "unlock", {}),
        ("1_set_limit", "limit", {"value": 16}),
        ("1_lift_limit", "limit", {"value": None}),
        ("1_availability", "availability", {"value": "16"}),
    ],
)
def test_a_command_says_what_it_is_to_be_and_when_it_was_given(
    key: str, command: str, told: dict[str, Any]
) -> None:
    component = found(charger(), with_commands=True)[1]["components"][key]
    assert component["command_topic"] == f"levity/CP-1/1/command/{command}"
    text = (
        component["command_template"]
        .replace("{{ value }}", "16")
        .replace("{{ utcnow().isoformat() }}", "now")
    )
    assert orjson.loads(text) == {**told, "at": "now"}


@pytest.mark.parametrize(
    ("state", "shown"),
    [("16", "16"), ("0", "0"), ("None", "None"), ("125", "None"), ("15.5", "15.5")],
)
def test_a_limit_that_nobody_can_set_is_not_shown_where_it_is_set(state: str, shown: str) -> None:
    """Home Assistant logs an error for each number beyond its limits."""
    component = found(charger(), with_commands=True)[1]["components"]["1_set_limit"]
    assert (
        Environment(autoescape=False).from_string(component["value_template"]).render(value=state)  # noqa: S701 - not HTML
        == shown
    )


def test_what_became_of_a_command_is_shown_where_commands_are_on() -> None:
    on, off = (
        found(charger(), with_commands=wanted)[1]["components"]["1_answer"]
        for wanted in (True, False)
    )
    assert (on["state_topic"], on["value_template"]) == (
        "levity/CP-1/1/answer/+",
        "{{ value_json.words[:255] }}",
    )
    assert off == {"platform": "sensor"}


def test_who_charges_is_an_entity_only_if_it_is_wanted() -> None:
    wanted, unwanted = (
        found(charger(), with_names=wanted)[1]["components"]["1_user"] for wanted in (True, False)
    )
    assert wanted["state_topic"] == "levity/CP-1/1/user"
    assert unwanted == {"platform": "sensor"}


def test_connectors_have_names_where_there_are_several() -> None:
    assert found(charger())[1]["components"]["1_power"]["name"] == "Power"
    assert found(CHARGERS[1])[1]["components"]["2_power"]["name"] == "Connector 2 power"


@pytest.mark.parametrize("one", CHARGERS)
def test_no_two_entities_are_the_same(one: SeenCharger) -> None:
    _, payload = found(one, with_names=True, with_commands=True)
    names = [
        (component["platform"], component["unique_id"])
        for component in payload["components"].values()
    ]
    assert len({*names}) == len(names)


PREFIXES = st.one_of(st.just("levity"), st.from_regex(r"[a-z_/-]{1,6}", fullmatch=True))


@example("levity", "a b", "levity", "a_b")
@example("a_b", "c", "a", "b_c")
@given(PREFIXES, IDENTITIES, PREFIXES, IDENTITIES)
def test_no_two_chargers_share_a_device(
    prefix: str, one: str, other_prefix: str, other: str
) -> None:
    first, second = object_id(prefix, escaped(one)), object_id(other_prefix, escaped(other))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", first)
    assert (first == second) == ((prefix, one) == (other_prefix, other))


@given(IDENTITIES)
def test_no_charger_is_the_site(identity: str) -> None:
    assert object_id("levity", escaped(identity)) != object_id("levity", "site")


def test_a_charger_can_be_withdrawn() -> None:
    topic, _ = found(charger("a/b"))
    assert withdrawn("levity", "a/b") == {topic: ""}
