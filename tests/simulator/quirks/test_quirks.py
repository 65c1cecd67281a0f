"""The table of quirks, and combinations of several."""

import pytest

from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ChargerSpec
from levity_trio.simulator.quirks import QUIRKS, made
from tests.simulator.quirks.driven import an_hour

WIDEST = 120
"""Maximum characters of a line."""


@pytest.mark.parametrize("name", QUIRKS)
def test_each_says_in_a_line_what_it_does_and_where_it_was_seen(name: str) -> None:
    kind = QUIRKS[name]
    assert kind.name == name
    for line in (kind.does, kind.seen_in):
        assert 10 < len(line) <= WIDEST
        assert line.isprintable()
        assert not line.endswith(".")


def test_all_that_the_issues_name_are_there() -> None:
    assert set(QUIRKS) == {
        *(
            "grizzl-e",
            "no-subprotocol",
            "session-readings",
            "no-pings",
            "clock-1970",
            "clock-wrong",
            "kwh-as-wh",
        ),
        *(
            "register-resets",
            "register-jumps",
            "register-runs-back",
            "offline-id",
            "repeats-start",
            "repeats-stop",
        ),
        *(
            "never-answers",
            "answers-late",
            "answers-garbage",
            "two-calls",
            "status-flood",
            "long-strings",
        ),
        *("unknown-values", "silent-death", "half-closed", "reconnect-storm"),
        *("shared-meter", "register-rolls-over", "register-stands-still", "starts-overlap"),
        *("clock-set-late", "no-ids", "start-lost", "stops-twice"),
        *("boots-again", "available-after-boot", "sparse-readings"),
        *("stop-unreadable", "stop-id-late", "stop-early", "stop-lost"),
        *(
            "one-profile-only",
            "one-period-only",
            "no-zero-limit",
            "no-relative-default",
            "no-smart-charging",
        ),
        *("no-absolute", "watts-only", "no-offline-start", "highest-level-forgotten"),
        *(
            "relative-from-receipt",
            "profiles-late",
            "profiles-ignored",
            "stack-level-0-only",
            "default-next-time",
        ),
        *("charger-limit-ignored", "charger-limit-only", "limits-rounded", "zero-is-least"),
        *("profiles-forgotten", "one-profile-kept", "profiles-lost-offline"),
    }


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"quirks: drunk is not known; give some of .*grizzl-e"):
        made(["no-pings", "drunk"], "seed")


def test_the_order_in_which_they_are_asked_for_is_none_of_theirs() -> None:
    one = an_hour("kwh-as-wh", "session-readings", "register-jumps")
    other = an_hour("register-jumps", "kwh-as-wh", "session-readings")
    assert one.frames == other.frames


@pytest.mark.parametrize(
    "more", [["session-readings"], ["no-pings", "no-subprotocol"], ["grizzl-e"]]
)
def test_what_another_one_includes_acts_once(more: list[str]) -> None:
    assert (
        an_hour("grizzl-e", *more, register_wh=1_000).frames
        == an_hour("grizzl-e", register_wh=1_000).frames
    )


@pytest.mark.parametrize("name", QUIRKS)
def test_a_run_can_be_repeated(name: str) -> None:
    one, other = an_hour(name), an_hour(name)
    assert (one.frames, one.connection_effects, one.texts) == (
        other.frames,
        other.connection_effects,
        other.texts,
    )


def test_a_charger_without_quirks_plans_and_keeps_nothing_for_them() -> None:
    charger = Charger(ChargerSpec(id="CP-1"), quirks=made((), "seed"))
    charger.power_on(0.0)
    assert charger.next_due is None
    assert charger.quirks.frames(("Heartbeat", {}), None) == [("Heartbeat", {})]
    assert charger.quirks.replies("[3]") == [(0.0, "[3]")]
