"""Concurrent calls; all others are as without the quirk."""

from tests.simulator.quirks.driven import an_hour


def test_a_heartbeat_goes_ahead_of_each_call() -> None:
    told = an_hour("two-calls").frames
    ahead = [frames[:-1] for frames in told]
    assert [[frames[-1]] for frames in told] == an_hour().frames
    for before, frames in zip(ahead, told, strict=True):
        alone = frames[-1][0] in ("BootNotification", "Heartbeat")
        assert before == ([] if alone else [("Heartbeat", {})])


def test_a_status_comes_twenty_times() -> None:
    told = an_hour("status-flood").frames
    assert [[frames[-1]] for frames in told] == an_hour().frames
    for frames in told:
        assert frames == frames[-1:] * (20 if frames[-1][0] == "StatusNotification" else 1)


def test_both_at_once() -> None:
    told = an_hour("two-calls", "status-flood").frames
    (flood, *_) = [frames for frames in told if frames[-1][0] == "StatusNotification"]
    assert [action for action, _ in flood].count("StatusNotification") == 20
    assert ("Heartbeat", {}) in flood
