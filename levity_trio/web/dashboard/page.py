"""What a page is: where it stands, who may see it, what it reads, and which of its parts change
while it is open; and the sections, in the order of how often they are needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import UTC, tzinfo
from http import HTTPStatus
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar
from urllib.parse import quote, urlencode

import orjson
from starlette.types import ASGIApp

from levity_trio.locale import N_, _
from levity_trio.locale.texts import said
from levity_trio.records import record
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.places import currency_of
from levity_trio.store.reads.chargers.chargers import names
from levity_trio.store.reads.pages import ListPage, NoPage, WantedPage
from levity_trio.store.reads.people.driving import AtSpace, RefusedCard, SpaceRow
from levity_trio.store.reads.people.households import Belonging
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.transactions.costs import BilledTransaction, billed_transactions
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.told import without
from levity_trio.web.api.engine.endpoints import (
    Caller,
    Endpoint,
    Role,
    S,
    Server,
    asked,
    whole_number,
)
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.load.load import LimitedCharger, limited_chargers
from levity_trio.web.api.people.limits import read_refused
from levity_trio.web.dashboard.fields import label_of
from levity_trio.web.dashboard.mount import DRIVERS
from levity_trio.web.dashboard.words import sentence
from levity_trio.web.in_process import Question, Reply, ask
from levity_trio.web.masks import masked

WHOLE_BODY: Final = "body"
"""The field of a problem that is about no field alone."""


class ApiRefused(Exception):
    """The API refused a request: its problem document."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail", "")))
        self.status = status
        self.document = document

    @property
    def code(self) -> str:
        return str(self.document.get("code", ""))

    @property
    def field(self) -> str:
        """The field that the problem is about, "" if it is about none."""
        return str(self.document.get("field", ""))

    @property
    def told(self) -> str:
        """What the API says about it, without the name of the field."""
        return without(f"{self.field}: ", self.document.get("detail", ""))

    @property
    def words(self) -> str:
        """What to do about it, in plain words, without the name of the field."""
        return said(self.told)

    @property
    def labelled(self) -> str:
        """What to do about it, with the field in words."""
        return (
            self.words
            if self.field in ("", WHOLE_BODY)
            else f"{label_of(self.field)}: {self.words}"
        )

    @property
    def sentence(self) -> str:
        """What to do about it, with the field in words, as a sentence."""
        return sentence(self.labelled)


@contextmanager
def refusals() -> Iterator[None]:
    """Report a Problem, as the API does. Raises ApiRefused."""
    try:
        yield
    except Problem as problem:
        document = {"code": problem.code, "detail": problem.detail, **problem.members}
        raise ApiRefused(problem.status, document) from None
    except NoPage as error:
        document = {"code": "not_found", "detail": str(error), "field": error.field}
        raise ApiRefused(HTTPStatus.NOT_FOUND, document) from None


def answered(reply: Reply) -> Any:
    """Return the JSON of a reply, None if it is empty. Raises ApiRefused."""
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise ApiRefused(reply.status, reply.content or {})
    return reply.content


T = TypeVar("T")
P = ParamSpec("P")


class Look:
    """A snapshot of the database as somebody may see it. Each read of the store is called through
    it, and what that returns has passed the mask: no page gets the database itself."""

    def __init__(self, db: Database, *, sees_all: bool) -> None:
        self.__db = db
        self._sees_all = sees_all

    def __call__(
        self, read: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a read of the store returns, masked."""
        records = read(self.__db, *args, **kwargs)
        return records if self._sees_all else masked(records)


class Snapshots:
    """The database, for pages."""

    def __init__(self, reader: Reader) -> None:
        self.__reader = reader

    async def look(self, read: Callable[[Look], T], *, sees_all: bool) -> T:
        """Return what a function reads from one snapshot. Raises Unreadable."""
        # All that one function reads has one snapshot, so that parts of a page fit together.
        return await self.__reader.run(lambda db: read(Look(db, sees_all=sees_all)))


Values = Mapping[str, Any]
EVERYTHING: Final = None
"""The value of `changed` for a whole page: no matter which chargers facts were about."""


@record(kw_only=False)
class ApiOfPages:
    """The API as a page sees it: its application, and which endpoints need which role; and what
    pages read beside."""

    app: ASGIApp
    endpoints: Mapping[tuple[str, str], Endpoint]
    server: Server
    snapshots: Snapshots
    zone: tzinfo = UTC
    """The time zone of the site."""


@record
class PageView:
    """One look at a page: who looks, and with which parameters of its path and query."""

    api: ApiOfPages
    caller: Caller
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    """The name by which those who look are addressed, where that is not the name with which they
    ask the API."""

    @property
    def home(self) -> str:
        """The first page of those who look."""
        return DRIVERS if self.caller.role is Role.DRIVER else "/"

    @property
    def sees_all(self) -> bool:
        """Whether those who look see more than a viewer."""
        return self.caller.role is not Role.VIEWER

    @property
    def number(self) -> int:
        """The number in the path. Raises ApiRefused."""
        with refusals():
            return whole_number(self.path)

    @property
    def cursor(self) -> str | None:
        """The place in a list from which the page goes on; None at its beginning."""
        return self.query.get("cursor") or None

    async def look(
        self, read: Callable[Concatenate[Look, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what a function reads from one snapshot of the database, as those who look may see
        it.

        It may raise Problem: what is not there. Raises ApiRefused, Unreadable.
        """

        def read_with(look: Look) -> T:
            return read(look, *args, **kwargs)

        with refusals():
            return await self.api.snapshots.look(read_with, sees_all=self.sees_all)

    async def get(self, path: str, **query: Any) -> Any:
        """Return what a GET of the API answers. Parameters that are None or "" are left out. Raises
        ApiRefused.

        Names of parameters that are words of Python end in `_`.
        """
        parameters = {name.removesuffix("_"): value for name, value in query.items()}
        question = Question(method="GET", path=path, query=parameters, has_place=True)
        reply = await ask(self.api.app, self.caller, question)
        return answered(reply)

    async def find(self, path: str) -> Any:
        """Return what a GET of the API answers, None where there is no such thing. Raises
        ApiRefused."""
        try:
            return await self.get(path)
        except ApiRefused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    async def post(self, path: str, **body: Any) -> Any:
        """Return what a POST of the API answers: for what must be computed before it can be shown.
        Raises ApiRefused."""
        question = Question(method="POST", path=path, body=orjson.dumps(body), has_place=True)
        reply = await ask(self.api.app, self.caller, question)
        return answered(reply)

    def may(self, method: str, path: str) -> bool:
        """Whether the role suffices for an endpoint, given as declared:
        "/api/admin/chargers/{id}"."""
        return self.caller.role >= self.api.endpoints[method, path].role


@record(kw_only=False)
class LivePart:
    """A piece of a page that changes while it is open. `id` is that of its element, `template`
    makes its content.

    With a `key`, the content is kept: of the same key it is the same for everybody, at any time.
    """

    id: str
    template: str
    values: Values
    key: bytes = b""


def part_id(kind: str, name: object) -> str:
    """Return the id of an element for something with a name of any characters."""
    return f"{kind}-{quote(str(name), safe='')}"


Read = Callable[[PageView], Awaitable[Values]]


def reading(read: Callable[[Look, PageView], Values]) -> Read:
    """Return how a page is read whose values are all of one snapshot."""

    async def looked(view: PageView) -> Values:
        return await view.look(read, view)

    return looked


Changed = frozenset[str] | None
"""The chargers that facts were about since the last look, or EVERYTHING."""
Live = Callable[[PageView, Changed], Awaitable[Sequence[LivePart]]]


@record(kw_only=False)
class DashboardPage:
    """A page. `read` returns the values of its template; `live` returns those of its parts that may
    have changed."""

    path: str
    title: str
    template: str
    read: Read
    role: Role = Role.VIEWER
    live: Live | None = None
    rest: float = 0.0
    """Seconds between two patches at least, for a page that costs more to read than others."""
    is_work: bool = False
    """Whether reading it may take seconds: then others do not wait for their turn behind it."""
    seconds: float = 15.0
    """The live parts are read again after so many seconds without a fact: for what no fact tells
    of, such as time."""
    section: str = ""
    """The entry of the navigation that leads here, or HELP or SEARCH, which stand in the head."""
    help: str = ""
    """The topic of the manual that is about it; "" leads to the contents."""


# Lists that are sorted


@record(kw_only=False)
class Sorting:
    """How a list of a page is sorted: what its URL says, the filter beside that, and the order
    without it.

    A column is asked for by its name, after - a descending one; `names` has those that are called
    otherwise: (ascending, descending).
    """

    asked: str
    filter: Mapping[str, str]
    usual: str
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def direction(self, column: str) -> str:
        """Return whether a column has the list ascending or descending, as aria-sort says it; "" if
        it has not."""
        ascending, descending = self._ways(column)
        present = self.asked or self.usual
        if present == ascending:
            return "ascending"
        return "descending" if present == descending else ""

    def link(self, column: str, *, is_descending_first: bool = False) -> str:
        """Return the query that sorts by a column: the other way, if it has the list already."""
        ascending, descending = self._ways(column)
        present = self.direction(column)
        is_descending = is_descending_first
        if present:
            is_descending = present == "ascending"
        return urlencode({**self.filter, "sort": descending if is_descending else ascending})

    @property
    def query(self) -> str:
        """The query of the same list."""
        sort = {"sort": self.asked} if self.asked else {}
        return urlencode({**self.filter, **sort})

    def _ways(self, column: str) -> tuple[str, str]:
        return self.names.get(column, (column, f"-{column}"))


def filled(**fields: str) -> dict[str, str]:
    """Return the fields of a filter that are not empty."""
    return {name: text for name, text in fields.items() if text}


async def read_sorted(
    view: PageView,
    read: Callable[[Database, Server, S], ListPage[T]],
    kind: type[S],
    sorting: Sorting,
    **query: object,
) -> tuple[ListPage[T], str]:
    """Return a page of a list as it is to be sorted, and ""; in its own order, and why, if it
    cannot be."""
    parameters = {"cursor": view.cursor, "sort": sorting.asked, **query}
    texts = {name: str(value) for name, value in parameters.items() if value not in (None, "")}

    def page_of(look: Look) -> ListPage[T]:
        return look(read, view.api.server, asked(kind, texts))

    try:
        return await view.look(page_of), ""
    except ApiRefused as refused:
        if refused.field != "sort":
            raise
        problem = refused.words
    texts.pop("sort", None)
    return await view.look(page_of), problem


# What several pages ask

USUAL: Final = "EUR"
"""The currency for a first tariff."""
OPEN: Final = "Active"
MOST_SESSIONS: Final = 20


def open_sessions(look: Look, charger: str) -> list[BilledTransaction]:
    """Return the open sessions of a charger, with whose they are: the household or the tag's name,
    else the tag."""
    filters = TransactionFilters(charger=charger, status=OPEN)
    page = look(billed_transactions, filters, WantedPage(limit=MOST_SESSIONS))
    sessions: list[BilledTransaction] = []
    for session in page.data:
        who = session.who or session.id_tag or "somebody"
        sessions.append(replace(session, who=who))
    return sessions


async def names_of_chargers(view: PageView) -> Mapping[str, str]:
    """Return what people call the chargers."""
    return await view.look(lambda look: look(names))


def limited_charger(look: Look, view: PageView, charger: str) -> LimitedCharger | None:
    """Return how load management limits a charger, None if it does not."""
    for limited in look(limited_chargers, view.api.server.now()):
        if limited.charger == charger:
            return limited
    return None


def refused_at(look: Look, view: PageView, space: Belonging | SpaceRow) -> Sequence[RefusedCard]:
    """Return the cards that a space would refuse if it was for its household only."""
    if space.charger is None or space.exclusive:
        return ()
    at_space = AtSpace(space.charger, space.connector or 0, space.account)
    return look(read_refused, view.api.server, at_space)


def currency(look: Look) -> str:
    """Return the currency in which this site bills."""
    return look(lambda db: currency_of(rows_of(db))) or USUAL


async def currency_of_site(view: PageView) -> str:
    """Return the currency in which this site bills."""
    return await view.look(currency)


class Section(NamedTuple):
    """An entry of the navigation."""

    name: str
    path: str
    role: Role = Role.VIEWER


SECTIONS: Final = N_(
    (
        Section("Now", "/"),
        Section("Sessions", "/sessions"),
        Section("Review", "/review"),
        Section("Bills", "/bills", Role.OPERATOR),
        Section("Households", "/accounts", Role.OPERATOR),
        Section("Chargers", "/chargers"),
        Section("Cards", "/tags", Role.OPERATOR),
        Section("Tariffs", "/tariffs", Role.OPERATOR),
        Section("History", "/history"),
        Section("Other backends", "/backends", Role.ADMIN),
        Section("System", "/system", Role.ADMIN),
    )
)
OF_DRIVERS: Final = N_(
    (
        Section("Charge", DRIVERS, Role.DRIVER),
        Section("Sessions", f"{DRIVERS}sessions", Role.DRIVER),
        Section("Costs", f"{DRIVERS}statements", Role.DRIVER),
        Section("Me", f"{DRIVERS}me", Role.DRIVER),
    )
)


SEARCH, HELP = N_("Search"), N_("Help")


def sections_of(role: Role) -> list[Section]:
    """Return what those who have a role are shown of the site."""
    sections = OF_DRIVERS if role is Role.DRIVER else SECTIONS
    return [section for section in sections if role >= section.role]


def shown_section(role: Role, section: str) -> str:
    """Return the section that is highlighted on a page of a section: the first one, where those who
    have the role do not see its own."""
    sections = sections_of(role)
    names = ["", SEARCH, HELP, *(one.name for one in sections)]
    return section if section in names else sections[0].name


def start_of(role: Role) -> str:
    """Return what the first page of those who have a role is called."""
    sections = sections_of(role)
    return _(sections[0].name if sections else N_("Log in"))
