"""The steps towards a security profile, and where each stands."""

from __future__ import annotations

import pytest

from levity_trio.access.securing import (
    MOST_ATTEMPTS,
    Attempt,
    Request,
    State,
    Step,
    address_key,
    next_step,
    of_certificate,
    of_commands,
    of_connection,
    steps,
)

LAST = [Step.PROFILE, Step.CONNECTION]


@pytest.mark.parametrize(
    ("profile", "present", "expected"),
    [
        (1, 0, [Step.PASSWORD, *LAST]),
        (2, 0, [Step.PASSWORD, Step.ROOT, *LAST]),
        (2, 1, [Step.PASSWORD, Step.ROOT, *LAST]),
        (3, 2, [Step.NAME, Step.ROOT, Step.CERTIFICATE, *LAST]),
        (1, 1, [Step.PASSWORD]),
        (2, 2, [Step.PASSWORD, Step.ROOT]),
        (3, 3, [Step.NAME, Step.ROOT, Step.CERTIFICATE]),
    ],
)
def test_the_order_of_a05(profile: int, present: int, expected: list[Step]) -> None:
    assert steps(profile, present, has_authority=True, has_address_key=False) == expected


def test_with_a_certificate_of_a_public_authority_there_is_no_root_to_install() -> None:
    assert steps(2, 0, has_authority=False, has_address_key=False) == [Step.PASSWORD, *LAST]


def test_the_address_comes_before_the_profile() -> None:
    assert steps(2, 0, has_authority=False, has_address_key=True) == [
        Step.PASSWORD,
        Step.ADDRESS,
        *LAST,
    ]


@pytest.mark.parametrize(
    ("vendor", "model", "expected"),
    [
        ("Grizzl-E", "Smart", "ServerUrl"),
        ("United Chargers Inc", None, "ServerUrl"),
        ("Other", "One", None),
    ],
)
def test_whose_address_key_is_known(vendor: str, model: str | None, expected: str | None) -> None:
    assert address_key(vendor, model) == expected
    assert address_key(None, None) is None


@pytest.mark.parametrize(
    ("attempts", "state", "words"),
    [
        ([], State.TO_DO, ""),
        ([Attempt(1, "queued")], State.UNDER_WAY, "sent"),
        ([Attempt(1, "sent")], State.UNDER_WAY, "sent"),
        ([Attempt(1, "accepted", "Accepted")], State.DONE, "done"),
        ([Attempt(1, "accepted", "RebootRequired")], State.DONE, "reboot"),
        ([Attempt(1, "rejected", "NotSupported")], State.FAILED, "answered NotSupported"),
        ([Attempt(1, "error", None, "NotImplemented")], State.FAILED, "does not know this message"),
        ([Attempt(1, "error", None, "InternalError")], State.FAILED, "the error InternalError;"),
        ([Attempt(1, "timed out")], State.FAILED, "did not answer"),
        ([Attempt(1, "cancelled")], State.FAILED, "cancelled"),
        ([Attempt(1, "gone")], State.TO_DO, "sent again"),
        ([Attempt(1, "expired", None, "secret_not_kept")], State.TO_DO, "sent again"),
        ([Attempt(n, "gone") for n in range(MOST_ATTEMPTS)], State.FAILED, "ended 5 times"),
        ([Attempt(1, "gone"), Attempt(2, "accepted", "Accepted")], State.DONE, "done"),
    ],
    ids=str,
)
def test_where_a_step_stands_by_its_commands(
    attempts: list[Attempt], state: State, words: str
) -> None:
    standing = of_commands(Step.PASSWORD, attempts)
    assert standing.state is state
    assert words in standing.words
    assert ("begin again" in standing.words) == (state is State.FAILED)


def test_a_charger_that_knows_no_address_key_keeps_its_address() -> None:
    skipped = of_commands(Step.ADDRESS, [Attempt(1, "rejected", "NotSupported")])
    assert skipped.state is State.SKIPPED
    assert "NotSupported" in skipped.words
    assert next_step([skipped]) is None


def test_what_is_to_do_is_done_although_the_charger_has_come() -> None:
    failed = of_commands(Step.PROFILE, [Attempt(1, "rejected", "NotSupported")])
    assert next_step([failed, of_connection("CP-1", 2, 1, [])]) is failed
    to_do = of_commands(Step.PROFILE, [])
    assert next_step([to_do, of_connection("CP-1", 1, 1, [])]) is to_do  # it came by its password


ASKED = [Attempt(1, "accepted", "Accepted")]


@pytest.mark.parametrize(
    ("attempts", "request_seen", "state"),
    [
        ([], None, State.TO_DO),
        (ASKED, None, State.UNDER_WAY),
        ([Attempt(1, "rejected", "NotImplemented")], None, State.FAILED),
        (ASKED, Request(None), State.UNDER_WAY),
        (ASKED, Request("superseded"), State.UNDER_WAY),
        (ASKED, Request("installed"), State.DONE),
        (ASKED, Request("rejected", "its O is wrong"), State.FAILED),
        (ASKED, Request("refused"), State.FAILED),
        (ASKED, Request("undelivered"), State.FAILED),
        ([Attempt(1, "timed out")], Request("installed"), State.DONE),
    ],
    ids=str,
)
def test_where_the_certificate_stands(
    attempts: list[Attempt], request_seen: Request | None, state: State
) -> None:
    standing = of_certificate(attempts, request_seen)
    assert standing.state is state
    if request_seen is not None and request_seen.reason:
        assert request_seen.reason in standing.words


def test_the_charger_must_come_back_with_the_profile() -> None:
    waiting = of_connection(
        "CP-1", 2, 1, [of_commands(Step.PROFILE, [Attempt(1, "accepted", "RebootRequired")])]
    )
    assert waiting.state is State.WAITS
    assert waiting.words.endswith("levity-trio call CP-1 Reset type=Soft")
    assert of_connection("CP-1", 2, 2, []).state is State.DONE
    other = of_connection("CP-1", 2, 1, [], [(1,)])
    assert other.state is State.WAITS
    assert "it came back with profile 1: look at what it dials" in other.words
    assert next_step([of_connection("CP-1", 2, 3, []), waiting]) is waiting
    assert next_step([of_connection("CP-1", 2, 3, [])]) is None
