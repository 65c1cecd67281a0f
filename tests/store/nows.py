"""The site as it is now, read from a test's books."""

from __future__ import annotations

from collections.abc import Collection
from zoneinfo import ZoneInfo

from levity_trio.billing.ownership import BillBy
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import DatabaseSpace
from levity_trio.store.reads.now import Now, NowQuestion, now
from levity_trio.store.reads.now.attention import Attention, MachineState
from levity_trio.store.reads.now.present import ChargerNow, OpenSessions, SessionNow
from tests.store.books import Books
from tests.store.reading import reading

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = "2026-01-01T00:00:00.000Z"
WELL = MachineState(
    begun_at=LONG_AGO,
    can_store=True,
    is_damaged=False,
    is_clock_trusted=True,
    space=DatabaseSpace(0, 0, 0, 10**10),
    backup=None,
    is_saved_elsewhere=True,
    has_address=lambda _: True,
)


class Page:
    """A page that is read again and again. It keeps what it has read, as the server does."""

    def __init__(self, books: Books, machine: MachineState = WELL) -> None:
        self.books = books
        self.machine = machine
        self.sessions = OpenSessions()

    def read(self, chargers: Collection[str] | None = None, *, sees_all: bool = True) -> Now:
        rule = Rule(BERLIN, self.books.policy, BillBy.TAG)
        asked = NowQuestion(
            self.books.now, rule, "levity", "anonymous", self.machine, sees_all, chargers
        )
        with reading(self.books) as db:
            return now(db, asked, self.sessions)

    def charger(self, identity: str = "CP-1") -> ChargerNow:
        return next(one for one in self.read().chargers if one.id == identity)

    def session(self) -> SessionNow:
        (one,) = [
            place.transaction
            for place in self.charger().connectors
            if place.transaction is not None
        ]
        return one

    def attention(self, *, sees_all: bool = True) -> list[Attention]:
        return self.read(sees_all=sees_all).attention

    def told(self) -> list[tuple[str, str, str | None]]:
        return [(one.kind, one.words, one.charger) for one in self.attention()]
