"""The course of what a driver asked for, in steps."""

from __future__ import annotations

import pytest

from levity_trio.web.dashboard.progress import progress


@pytest.mark.parametrize(
    ("state", "outcome", "action", "expected"),
    [
        ("queued", None, "start", ["busy waits for the charger"]),
        ("sent", "pending", "start", ["done sent", "busy waits for the answer"]),
        ("accepted", "pending", "start", ["done sent", "done accepted", "busy …"]),
        ("accepted", "fulfilled", "start", ["done sent", "done accepted", "done charging"]),
        ("accepted", "fulfilled", "stop", ["done sent", "done accepted", "done stopped"]),
        ("accepted", "not seen", "start", ["done sent", "done accepted", "broken not charging"]),
        ("accepted", "contradicted", "stop", ["done sent", "done accepted", "broken not stopped"]),
        ("rejected", None, "start", ["done sent", "broken not accepted"]),
        ("timed out", None, "start", ["done sent", "broken no success"]),
        ("timed out", "fulfilled", "start", ["done sent", "done accepted", "done charging"]),
        ("expired", None, "start", ["broken not sent"]),
        ("cancelled", None, "stop", ["broken not sent"]),
    ],
)
def test_steps(state: str, outcome: str | None, action: str, expected: list[str]) -> None:
    found = progress(state, outcome, action)
    assert [f"{step.kind} {step.words}" for step in found.steps] == expected
    kind = expected[-1].partition(" ")[0]
    assert (found.is_done, found.is_under_way, found.has_failed) == (
        kind == "done",
        kind == "busy",
        kind == "broken",
    )
