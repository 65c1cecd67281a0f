"""Quirks of the WebSocket layer; the messages stay the same."""

import pytest

from levity_trio.simulator.charger.state import Quirks
from levity_trio.simulator.quirks import made
from tests.simulator.quirks.driven import an_hour


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
