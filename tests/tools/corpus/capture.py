"""Notes what tests and stories judge, and what they say about the truth: `pytest -p
tests.tools.corpus.capture`.

A plugin, because it has to be there before the tests import what it wraps. The last case of each
transaction is kept. A test that asserts a figure without a review, or with either, tells the
energy; one that asserts a review tells which proposals are right. Where a test tells nothing, what
is in doubt is a lie, and so is all in a file of lies.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest

from levity_trio.charging.energy import Judgement, judge
from levity_trio.charging.sent.evidence import Case
from levity_trio.store.cases import case as cases
from levity_trio.store.cases.case import case_of
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.writes.transactions import judging
from tests.store import stories, telling
from tests.store.books import Books, Station
from tests.tools.corpus.kept import Said, Truth, save

Found = tuple[str, Truth, Case]

FILE: Final = "CORPUS_FILE"
"""The variable of the environment that names the file for the cases of tests."""
OF_LIES: Final = re.compile(r"lies|wrong|stale|stolen|swapped|garbled|odd|unread|contradicted")
OF_HONEST: Final = re.compile(r"honest")
REPORTS: Final = "tests/store/reports/"
"""Tests whose docstrings begin with their source."""
ALONE: Final = ("tests.charging.",)
"""The modules whose own calls of the judge are noted, too."""


class Capture:
    """What was judged since it was cleared, and what is known of it, by transaction of whichever
    books are at work."""

    def __init__(self) -> None:
        self.clear("")

    def clear(self, source: str) -> None:
        self.source = source
        self.books = dict[int, Books]()
        self.at = 0
        self.cases = dict[tuple[int, int], Case]()
        self.truths = dict[tuple[int, int], Truth]()
        self.alone = list[Case]()

    def at_work(self, books: Books) -> None:
        """Note which books are at work. They are all kept, so that none takes the place of
        another."""
        self.at = id(books)
        self.books[self.at] = books

    def know(self, transaction: int, truth: Truth) -> None:
        self.truths[self.at, transaction] = truth

    @property
    def is_honest(self) -> bool:
        return OF_HONEST.search(self.source.partition(": ")[0]) is not None

    @property
    def is_of_liars(self) -> bool:
        return not self.is_honest and OF_LIES.search(self.source.partition("::")[0]) is not None

    def found(self) -> Iterator[Found]:
        """Yield what was noted, with what is true of it."""
        known = [(self.truths.get(place), case) for place, case in self.cases.items()]
        for truth, case in [*known, *((None, case) for case in self.alone)]:
            yield self.source, self._truth(truth, Said.of(judge(case))), case

    def _truth(self, known: Truth | None, said: Said) -> Truth:
        """Return what is known, unless a later fact changed what the test asserted; else whether it
        is a lie.

        An honest session next to a lie may be in doubt. That counts as a part of the lie.
        """
        is_doubted = not self.is_honest and not said.is_certain
        if known is not None and known.least == known.most == said.wh and said.is_certain:
            return Truth(True, said.wh)  # the review is about which messages belong together
        if known is None or (
            said.is_certain and (known.wh is None or abs(said.wh - known.wh) > known.tolerance)
        ):
            return Truth(self.is_of_liars or is_doubted)
        return known._replace(is_lie=known.is_lie or is_doubted)


CAPTURE: Final = Capture()


def of_story(outcome: stories.Outcome, is_lie: bool) -> Truth:
    """What a story says of a session: its verdict has the same bounds."""
    session = outcome.session
    most = session.delivered + session.tolerance
    return Truth(
        is_lie,
        session.delivered,
        session.tolerance,
        most - session.slack - 2 * session.tolerance,
        most,
    )


# What is wrapped


def _noting_case(
    course: ChargerHistory, tx: StoredTransaction, *arguments: Any, **others: Any
) -> Case:
    case = case_of(course, tx, *arguments, **others)
    CAPTURE.cases[CAPTURE.at, tx.id] = case
    return case


def _judging_alone(case: Case) -> Judgement:
    CAPTURE.alone.append(case)
    return judge(case)


def _running(books: Books, *arguments: Any) -> Any:
    CAPTURE.at_work(books)
    return _run(books, *arguments)


def _asserting_figure(
    station: Station, transaction: int, wh: int, flagged: bool | None = None
) -> None:
    _assert_figure(station, transaction, wh, flagged)
    CAPTURE.at_work(station.books)
    told = (
        Truth(True, least=wh, most=wh)
        if flagged
        else Truth(flagged is None and CAPTURE.is_of_liars, wh)
    )
    CAPTURE.know(transaction, told)


def _asserting_doubt(station: Station, transaction: int, lowest: int, highest: int) -> None:
    _assert_doubtful(station, transaction, lowest, highest)
    CAPTURE.at_work(station.books)
    CAPTURE.know(transaction, Truth(True, least=lowest, most=highest))


def _telling_session(station: Station, wh: int, *arguments: Any, **others: Any) -> int:
    end = _session(station, wh, *arguments, **others)
    CAPTURE.at_work(station.books)
    ids = "SELECT id FROM tx WHERE cp_id = ? ORDER BY id DESC LIMIT 1"
    for (transaction,) in station.books.rows(ids, station.name):
        CAPTURE.know(transaction, Truth(False, end - wh))
    return end


def _sending_all(played: stories.Played, *arguments: Any) -> None:
    _send_all(played, *arguments)
    CAPTURE.at_work(played.books)
    for outcome in played.outcomes():
        if outcome.transaction is not None and outcome.verdict is not stories.Verdict.LOST:
            is_lie = played.story.lie != "honest" and outcome.review is not None
            CAPTURE.know(outcome.transaction, of_story(outcome, is_lie))


_assert_figure, _assert_doubtful, _session = (
    telling.assert_figure,
    telling.assert_doubtful,
    telling.session,
)
_run, _send_all = Books.run, stories.Played.send_all


@contextmanager
def capturing() -> Iterator[Capture]:
    """Note what the writes judge, and what stories tell."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (cases, judging):
            patch.setattr(module, "case_of", _noting_case)
        patch.setattr(Books, "run", _running)
        patch.setattr(stories.Played, "send_all", _sending_all)
        yield CAPTURE


# The plugin


class Plugin:
    """Keeps the cases of the tests that pass."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found = list[Found]()

    @pytest.hookimpl
    def pytest_collection_finish(self) -> None:
        for name, module in sys.modules.items():
            if name.startswith(ALONE) and getattr(module, "judge", None) is judge:
                module.__dict__["judge"] = _judging_alone

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        said = (getattr(item, "obj", None).__doc__ or "") if REPORTS in item.nodeid else ""
        CAPTURE.clear(
            ": ".join(filter(None, (item.nodeid.removeprefix("tests/"), said.partition("\n")[0])))
        )
        result = yield
        self.found += CAPTURE.found()
        return result

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        save(self.name, self.found)


def pytest_configure(config: pytest.Config) -> None:
    if FILE not in os.environ:
        return
    wrapped = ExitStack()
    patch = wrapped.enter_context(pytest.MonkeyPatch.context())
    patch.setattr(telling, "assert_figure", _asserting_figure)
    patch.setattr(telling, "assert_doubtful", _asserting_doubt)
    patch.setattr(telling, "session", _telling_session)
    wrapped.enter_context(capturing())
    config.add_cleanup(wrapped.close)
    config.pluginmanager.register(Plugin(os.environ[FILE]))
