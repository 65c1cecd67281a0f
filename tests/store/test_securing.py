"""The rows of a plan for a security profile: its steps, and how it ends."""

from __future__ import annotations

from levity_trio.access.securing import Step
from levity_trio.events import SecuringEnded, SecuringStopped, SecurityEventReported
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.chargers import security as reads
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.writes.chargers import commands, security
from levity_trio.store.writes.chargers.commands import CommandEnd
from levity_trio.store.writes.chargers.security import NewPlan
from levity_trio.told import of_stored
from tests.store.books import Books, Station
from tests.store.reading import view
from tests.store.test_certificates import ask

STEPS = (Step.PASSWORD, Step.PROFILE, Step.CONNECTION)


def plan(profile: int = 1, address: str | None = None) -> NewPlan:
    return NewPlan(
        charger="CP-1",
        profile=profile,
        steps=STEPS,
        organization=None,
        address_key=None,
        address=address,
    )


def do(station: Station, status: str = "Accepted") -> Step:
    """Send the step that is due, and take its answer."""
    books = station.books
    due = books.run(security.advance_plan, "CP-1", books.at)
    assert due is not None
    command = ask(station, "ChangeConfiguration", '{"key":"Key","value":"1"}')
    books.run(security.step_tried, due, command, books.at)
    books.run(security.step_tried, due, command, books.at)  # as after a crash
    state = "accepted" if status in ("Accepted", "RebootRequired") else "rejected"
    end = CommandEnd(command, "ChangeConfiguration", state, payload=f'{{"status":"{status}"}}')
    station.write(commands.settle, end)
    return due.step


def test_step_by_step_until_the_charger_comes_back(books: Books, station: Station) -> None:
    number = books.run(security.begin_plan, plan(), books.at, "anna")
    assert [do(station), do(station)] == [Step.PASSWORD, Step.PROFILE]
    assert books.run(security.advance_plan, "CP-1", books.at) is None
    books.connection.execute("INSERT INTO security (cp_id, profile) VALUES ('CP-1', 1)")
    assert books.run(security.chargers_with_plans) == ["CP-1"]
    books.run(security.advance_plan, "CP-1", books.at)
    (ended,) = books.recorded(SecuringEnded)
    assert (ended.securing, ended.result) == (number, "done")
    assert not books.run(security.chargers_with_plans)
    assert books.count("securing_step") == 2
    books.run(security.require_profile, "CP-1", 0, books.at, "anna")
    shown = reads.newest_securing(view(books.connection), "CP-1")
    assert shown is not None
    assert (shown.state, shown.steps[-1].state) == ("done", "done")  # it was, whatever came later


def test_the_profile_with_which_it_came_back_is_said(books: Books, station: Station) -> None:
    def words() -> str:
        shown = reads.newest_securing(view(books.connection), "CP-1")
        assert shown is not None
        assert shown.state == "waits"
        return shown.steps[-1].words

    books.run(security.begin_plan, plan(2), books.at, "anna")
    do(station)
    station.connect()
    do(station, "RebootRequired")
    assert "came back" not in words()
    books.wait(1)
    station.connect()
    assert "it came back with profile 0" in words()
    assert "Reset" in words()


def test_what_failed_is_over_once_the_charger_has_come(books: Books, station: Station) -> None:
    """It was set by hand, and rebooted."""
    books.run(security.begin_plan, plan(), books.at, "anna")
    do(station)
    do(station, "Rejected")
    books.run(security.advance_plan, "CP-1", books.at)
    books.connection.execute("INSERT INTO security (cp_id, profile) VALUES ('CP-1', 1)")
    for _ in range(2):
        shown = reads.newest_securing(view(books.connection), "CP-1")
        assert shown is not None
        assert (shown.state, shown.problem) == ("done", None)
        assert [one.state for one in shown.steps] == ["done", "skipped", "done"]
        assert "begin again" not in "".join(one.words for one in shown.steps)
        books.run(security.advance_plan, "CP-1", books.at)


def test_why_it_stopped_is_told_once(books: Books, station: Station) -> None:
    books.run(security.begin_plan, plan(), books.at, "anna")
    do(station, "Rejected")
    for _ in range(2):
        assert books.run(security.advance_plan, "CP-1", books.at) is None
    (stopped,) = books.recorded(SecuringStopped)
    assert (stopped.step, stopped.words) == (
        "password",
        of_stored(str(books.value("SELECT problem FROM securing"))),
    )


def test_a_plan_goes_on_or_is_replaced(books: Books, station: Station) -> None:
    def begin(**given: object) -> int:
        return books.run(security.begin_plan, plan(**given), books.at, "anna")  # type: ignore[arg-type]  # as in plan

    assert (begin(), begin()) == (1, 1)
    do(station)
    assert begin() == 1
    do(station, "Rejected")
    assert begin() == 2
    assert (begin(profile=2), begin(profile=2), begin(profile=2, address="wss://a")) == (3, 3, 4)
    assert books.run(security.cancel_plan, "CP-1", books.at, "anna")
    assert not books.run(security.cancel_plan, "CP-1", books.at, "anna")
    with_states = reads.all_securing(view(books.connection), "CP-1", WantedPage())
    assert [one.state for one in with_states.data] == [
        "cancelled",
        "replaced",
        "replaced",
        "replaced",
    ]


def test_the_step_at_which_it_stands_still_says_what_the_charger_reported(
    books: Books, station: Station
) -> None:
    """Not what belongs to any reboot, nor what it reported before; also of a charger that reports
    much."""

    def report(kind: str, information: str | None = None) -> None:
        fact = SecurityEventReported(
            charger="CP-1", at=books.at, event_type=kind, timestamp=books.at, tech_info=information
        )
        books.run(UnitOfWork.record, fact)

    def words() -> dict[str, str]:
        shown = reads.newest_securing(view(books.connection), "CP-1")
        assert shown is not None
        return {one.step: one.words for one in shown.steps}

    report("InvalidTLSVersion")
    books.wait(1)
    books.run(security.begin_plan, plan(2), books.at, "anna")
    do(station)
    report("AttemptedReplayAttacks")
    assert "reported" not in "".join(words().values())  # it goes on
    do(station)
    report("InvalidCentralSystemCertificate", "the host name does not match")
    for kind in ("StartupOfTheDevice", "SettingSystemTime", "ResetOrReboot"):
        books.wait(1)
        report(kind)
    said = "the charger reported InvalidCentralSystemCertificate (the host name does not match) at"
    assert said in words()["connection"]
    assert "first connection with profile 2" in words()["connection"]
    assert "reported" not in words()["password"] + words()["security profile"]
    books.run(security.begin_plan, plan(1), books.at, "anna")
    do(station, "Rejected")
    books.wait(1)
    report("TamperDetectionActivated")
    assert "the charger reported TamperDetectionActivated at" in words()["password"]
    books.run(security.advance_plan, "CP-1", books.at)
    (stopped,) = books.recorded(SecuringStopped)
    assert "reported" not in stopped.words  # each further event would be a message to the owner
