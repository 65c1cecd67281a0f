"""What holds for the outcome of any command, whatever was seen of its charger."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.operations import OPERATIONS, Operation
from levity_trio.operations.operation import (
    OutcomeState,
    SentCommand,
    example,
    filled,
    follow,
    left_out,
)
from levity_trio.operations.seen import (
    Booted,
    ListVersion,
    MessageSeen,
    ReadingSeen,
    Seen,
    StatusSeen,
    TransactionBegan,
    TransactionEnded,
    TransferStatus,
)
from tests.operations.asking import at
from tests.sizes import size

FOLLOWED = [operation for operation in OPERATIONS.values() if operation.outcome]
TIMES = st.integers(-10, 200_000).map(at)
SMALL = st.integers(0, 2)
STATUSES = st.sampled_from(["Available", "Charging", "Unavailable", "Reserved", "Faulted"])
WORDS = st.sampled_from(
    ["Downloading", "DownloadFailed", "Installed", "Uploaded", "UploadFailed", "InvalidSignature"]
)
FACTS: st.SearchStrategy[Seen] = st.one_of(
    st.builds(Booted, TIMES, st.sampled_from([None, "1.0", "1.1"])),
    st.builds(StatusSeen, TIMES, SMALL, STATUSES),
    st.builds(
        MessageSeen, TIMES, st.sampled_from(["StatusNotification", "Heartbeat"]), st.none() | SMALL
    ),
    st.builds(
        TransactionBegan,
        TIMES,
        SMALL,
        st.none() | SMALL,
        st.sampled_from([None, "guest", "B"]),
        st.booleans(),
    ),
    st.builds(TransactionEnded, TIMES, SMALL),
    st.builds(
        ReadingSeen, TIMES, SMALL, st.none() | SMALL, st.just("Current.Import"), st.floats(0, 40)
    ),
    st.builds(
        TransferStatus,
        TIMES,
        st.sampled_from(["Firmware", "Diagnostics", "Log"]),
        WORDS,
        st.none() | SMALL,
    ),
    st.builds(ListVersion, TIMES, SMALL),
)
ANSWERS = st.none() | st.sampled_from(
    [
        {},
        *(
            {"status": word}
            for word in ("Accepted", "Scheduled", "RebootRequired", "Unlocked", "Rejected")
        ),
    ]
)


def payload_of(operation: Operation) -> dict[str, Any]:
    payload = example(operation)
    for path, _ in left_out(operation, payload):
        payload = filled(payload, path, 1)
    return payload


@st.composite
def commands(draw: st.DrawFn) -> tuple[Operation, SentCommand]:
    operation, answer = draw(st.sampled_from(FOLLOWED)), draw(ANSWERS)
    return operation, SentCommand(
        action=operation.action,
        payload=payload_of(operation),
        sent_at=at(0),
        answered_at=None if answer is None else at(1),
        answer=answer,
        firmware=draw(st.sampled_from([None, "1.0"])),
        statuses=draw(st.dictionaries(SMALL, STATUSES)),
        connector=draw(st.none() | SMALL),
    )


@given(
    commands(),
    st.lists(FACTS, max_size=8),
    st.integers(0, 300_000),
    st.randoms(use_true_random=False),
)
@settings(max_examples=size(500, 100), deadline=None)
def test_an_outcome_depends_on_what_was_seen_and_on_nothing_else(
    command: tuple[Operation, SentCommand], facts: list[Seen], now: int, dice: random.Random
) -> None:
    operation, asked = command
    rule = operation.outcome
    assert rule is not None
    found = follow(rule, asked, facts, at(now))

    until = rule.until(asked)
    is_over = until is not None and at(now) >= until
    assert found.state is not (OutcomeState.PENDING if is_over else OutcomeState.NOT_SEEN)
    assert found.at is None or at(0) <= found.at <= (until or found.at)
    assert found.words

    read = [fact for fact in facts if isinstance(fact, rule.reads)]
    assert follow(rule, asked, read, at(now)) == found, "it reads only what it says"
    distinct = [*{fact.at: fact for fact in facts}.values()]
    shuffled = dice.sample(distinct, len(distinct))
    assert follow(rule, asked, shuffled, at(now)) == follow(rule, asked, distinct, at(now)), (
        "their order is by time"
    )


@given(commands(), st.lists(FACTS, max_size=8), st.integers(0, 300_000), st.integers(0, 300_000))
@settings(max_examples=size(300, 60), deadline=None)
def test_what_was_decided_stays_so_as_time_passes(
    command: tuple[Operation, SentCommand], facts: list[Seen], now: int, later: int
) -> None:
    operation, asked = command
    assert operation.outcome is not None
    known = [fact for fact in facts if fact.at <= at(now)]
    found = follow(operation.outcome, asked, known, at(now))
    if found.state is not OutcomeState.PENDING:
        assert follow(operation.outcome, asked, known, at(now + later)).state == found.state
