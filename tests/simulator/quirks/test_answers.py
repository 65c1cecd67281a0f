"""Responses to the central system's calls."""

from collections import Counter

import orjson

from levity_trio.simulator.quirks.connections import GARBAGE, GARBLED
from levity_trio.wire.frames import CallResult, parse_frame, result_text
from tests.simulator.quirks.driven import Driven, an_hour

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
    return is_ours and isinstance(frame, CallResult) and isinstance(frame.payload.get("status"), str)
