"""Reviews of one charger with one cause, decided together, and whether a person is asked about the
next ones.

The request of a decision says of each transaction what was shown: its newest event and the figure
that it would get. One that has changed since is left out, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.records import record
from levity_trio.store.reads.chargers.charger_facts import Habit, habit
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.reads.transactions import review_groups as stored
from levity_trio.store.reads.transactions.review_groups import (
    MOST_SHOWN,
    GroupedTransaction,
    GroupPreview,
    NextSession,
    PageOf,
    ReviewGroup,
)
from levity_trio.store.writes.transactions import decisions, groups
from levity_trio.store.writes.transactions.decisions import Decision
from levity_trio.store.writes.transactions.groups import (
    DecidedTransaction,
    DecisionResult,
    ShownFigure,
)
from levity_trio.told import Figure, Told
from levity_trio.web.api.chargers.chargers import known_charger
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.endpoints import Endpoints, Request, Role, TypedRequest
from levity_trio.web.api.engine.lists import PageNumber, whole
from levity_trio.web.api.engine.problems import Problem, invalid, not_found
from levity_trio.web.api.transactions import review
from levity_trio.web.api.transactions.review import Id, Reason, Wh

ENDPOINTS: Final = Endpoints(review.TAG)
GROUPS: Final = "/api/admin/review/groups"
GROUP: Final = f"{GROUPS}/{{charger}}/{{cause}}"
HABIT: Final = "/api/admin/habits/{id}/ask"
MOST_WARNINGS: Final = 3
REPORTED: Final = "as reported"


class GroupQuery(ClientInput):
    """The transactions of a group that are shown."""

    page: PageNumber = 1
    limit: Annotated[int, Meta(ge=1, le=MOST_SHOWN)] = MOST_SHOWN


class WholeGroupBody(ClientInput):
    """Why, and what was shown: the newest event of the site then, and the name of the figure that
    each transaction gets; without one, the proposed one. If these come to less than the charger
    reported, their `total_wh` is needed."""

    reason: Reason
    event: Id
    figure: Annotated[str, Meta(max_length=200)] = ""
    total_wh: Wh | None = None


class SeenBody(ClientInput):
    """A transaction as it was shown: its newest event, and the figure that it would get."""

    transaction: Id
    event: Id
    figure_wh: Wh


class GroupBody(ClientInput):
    """Why, and what was shown of each transaction. Its figure is confirmed, or corrected to the one
    that is sent."""

    reason: Reason
    sessions: Annotated[list[SeenBody], Meta(min_length=1, max_length=MOST_SHOWN)]


@record
class GroupResult:
    """What came of a decision about one transaction: decided, already (somebody settled it with
    this figure), changed (it is not as it was shown, so nothing was decided) or refused (`words`
    say why). `energy_wh` is its present figure.
    """

    transaction: int
    result: DecisionResult
    energy_wh: int | None
    words: str | None


@record
class GroupDecision:
    """What came of a decision about a group. `next` is what becomes of the next session of the
    kind."""

    decided: int
    left_out: int
    results: tuple[GroupResult, ...]
    next: tuple[NextSession, ...]
    warnings: tuple[str, ...]


@ENDPOINTS.get(GROUPS, Role.OPERATOR)
async def list_groups(request: Request) -> ListPage[ReviewGroup]:
    """List the ended transactions in doubt by charger and cause, the largest groups first"""
    return whole(await request.read(stored.groups))


@ENDPOINTS.get(GROUP, Role.OPERATOR, "not_found")
async def get_group(request: TypedRequest[GroupQuery, None]) -> GroupPreview:
    """Show which figure each transaction of a group would get, and what becomes of the next one"""
    return await _preview(request, PageOf(request.query.page, request.query.limit))


async def _preview(request: Request, wanted: PageOf) -> GroupPreview:
    charger, cause = await known_charger(request, "charger"), request.path["cause"]
    read = partial(stored.preview, charger=charger, cause=cause, wanted=wanted)
    return await request.find(read, Told("cause {1}", cause))


@ENDPOINTS.post(f"{GROUP}/decide", Role.OPERATOR, "not_found")
async def decide_group(request: TypedRequest[None, GroupBody]) -> GroupDecision:
    """Decide about many transactions at once, each with the figure that was shown"""
    charger = await known_charger(request, "charger")
    seen = request.body.sessions
    if len({session.transaction for session in seen}) < len(seen):
        raise invalid("sessions", Told("give each session once"))
    figures = [
        ShownFigure(session.transaction, session.event, session.figure_wh) for session in seen
    ]
    decision = Decision(request.caller.name, request.body.reason, request.api.stamp())
    decided = await request.commit(groups.decide, charger, figures, decision)
    return await _outcome(request, decided)


@ENDPOINTS.post(f"{GROUP}/decide-all", Role.OPERATOR, "not_found")
async def decide_whole_group(request: TypedRequest[None, WholeGroupBody]) -> GroupDecision:
    """Decide about all transactions of a group at once, each with the figure that was shown

    What has changed since it was shown is left out. They are decided in parts of 100; if the server
    stops in between, the same request decides about the rest.
    """
    charger, cause = await known_charger(request, "charger"), request.path["cause"]
    body = request.body
    decision = Decision(request.caller.name, body.reason, request.api.stamp())
    members = partial(stored.members, charger=charger, cause=cause)
    numbers = await request.find(members, Told("cause {1}", cause))
    shown: list[GroupedTransaction] = []
    for begin in range(0, len(numbers), MOST_SHOWN):
        part = numbers[begin : begin + MOST_SHOWN]
        shown += await request.read(stored.grouped, numbers=part)

    figures: list[ShownFigure] = []
    outcomes: list[DecidedTransaction] = []
    for tx in shown:
        wh = tx.figures.get(body.figure) if body.figure else tx.energy_wh
        if tx.event > body.event or wh is None:
            outcomes.append(DecidedTransaction(tx.id, DecisionResult.CHANGED, tx.energy_wh))
        else:
            figures.append(ShownFigure(tx.id, tx.event, wh))
    # If some have changed, the total is not the one that was seen.
    if not outcomes:
        _check_total(shown, sum(figure.figure_wh for figure in figures), body.total_wh)

    for begin in range(0, len(figures), MOST_SHOWN):
        part_of_figures = figures[begin : begin + MOST_SHOWN]
        outcomes += await request.commit(groups.decide, charger, part_of_figures, decision)
    return await _outcome(request, outcomes)


def _check_total(shown: Sequence[GroupedTransaction], total: int, seen: int | None) -> None:
    """Refuse figures that come to less than the charger reported, unless their total was seen.
    Raises Problem."""
    kwh = Figure(total / 1000, 3)
    # What was seen is more if a part was decided before.
    if seen is not None and seen < total:
        words = Told("they come to {1} kWh now: look at them again", kwh)
        raise Problem(HTTPStatus.CONFLICT, "changed", words)
    reported = sum(tx.figures.get(REPORTED, 0) for tx in shown)
    if seen is None and total < reported:
        words = Told(
            "they come to {1} kWh, though the charger reported {2} kWh",
            *(kwh, Figure(reported / 1000, 3)),
        )
        raise invalid("total_wh", Told("{1}: give the total that you confirm", words))


async def _outcome(request: Request, decided: Sequence[DecidedTransaction]) -> GroupDecision:
    """Return what came of a decision, and what becomes of the next session."""
    results = tuple(GroupResult(**result._asdict()) for result in decided)
    not_decided = (DecisionResult.CHANGED, DecisionResult.REFUSED)
    left_out = [result for result in results if result.result in not_decided]
    preview = await _preview(request, PageOf())
    return GroupDecision(
        decided=len(results) - len(left_out),
        left_out=len(left_out),
        results=results,
        next=preview.next,
        warnings=tuple(_warnings(left_out)),
    )


def _warnings(left_out: list[GroupResult]) -> Iterator[str]:
    for result in left_out[:MOST_WARNINGS]:
        number = result.transaction
        if result.result != DecisionResult.CHANGED:
            yield Told("session {1} was left out: {2}", number, result.words or "")
        elif result.energy_wh is None:
            yield Told(
                "session {1} has changed since it was shown; nothing was decided about it", number
            )
        else:
            yield Told(
                "session {1} has changed since it was shown and has {2} kWh now; nothing was "
                "decided about it",
                *(number, Figure(result.energy_wh / 1000, 3)),
            )
    more = len(left_out) - MOST_WARNINGS
    if more > 0:
        yield Told("{1} more were left out; look at them again", more)


# Habits


@ENDPOINTS.post(HABIT, Role.OPERATOR, "not_found")
async def ask_about_habit(request: Request) -> Habit:
    """Ask a person again about each session that shows a habit"""
    is_habit = await request.write(decisions.ask_about, request.number())
    return await _changed(request, is_habit=is_habit)


@ENDPOINTS.delete(HABIT, Role.OPERATOR, "not_found")
async def stop_asking_about_habit(request: Request) -> Habit:
    """Let a known habit make figures certain again, without asking"""
    is_habit = await request.commit(decisions.stop_asking, request.number())
    return await _changed(request, is_habit=is_habit)


async def _changed(request: Request, *, is_habit: bool) -> Habit:
    number = request.number()
    if not is_habit:
        raise not_found(Told("habit {1} that makes figures certain", number))
    return await request.find(habit, Told("habit {1}", number), number=number)
