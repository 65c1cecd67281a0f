"""A transaction that goes through causes of its life cycle in the database, and the expected result
by the table.

Each cause is an action of a charger, the server or a person. A transaction that begins after it on
its connector stays its follower: a stop or a reading of the first is then sent late, with a time
before the follower.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from levity_trio.charging.lifecycle import DECISIONS, TABLE, Cause, Kind, State, state_of
from levity_trio.charging.sent.readings import Moment
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import Opening, Origin
from levity_trio.store.writes.transactions import stops
from levity_trio.store.writes.transactions.starts import stop_unreadable
from levity_trio.store.writes.transactions.states import follow_free, load_transaction
from levity_trio.store.writes.transactions.stops import FREE_SECONDS, Closure
from tests.store.books import SERVER, Books, Station, meter_value

ACTS = tuple(
    cause for cause in Cause if cause not in {Cause.LATE_RISE, Cause.LATER, *DECISIONS[1:]}
)
"""The possible actions on a transaction. A rise is a late one if another has begun on its
connector. Of an operator's decisions only the closing is among them; tests/store/test_decisions.py
has the others."""
BEGIN_WH = 1000
STEP_WH = 20
"""All rises of a life are within REACH_WH: further beyond its end, a stop without an id is not that
one again."""
SECOND = 1 / 60
LONG = 1e9
PAUSE_MINUTES = 2
"""Longer than REJUDGE_SECONDS, within which a transaction is judged only once."""
UNTOLD = frozenset({Kind.START, Kind.REJUDGE})
"""Rows of tx_event that do not follow from the table alone: a rejudging adds one only where
something changes."""
OF_WHAT_RUNS = (State.OPEN, State.SUSPENDED)


class Told(NamedTuple):
    """A row of tx_event."""

    state: State
    cause: Cause
    kind: Kind


class Life(NamedTuple):
    """The state of a transaction, and its rows of tx_event."""

    state: State
    told: list[Told]


def by_the_table(acts: Sequence[Cause]) -> Life:
    """Return the result of these actions by the table."""
    state, told, is_followed = State.OPEN, list[Told](), False
    for act in acts:
        cause = _cause(state, act, is_followed=is_followed)
        step = TABLE[state, cause]
        if step.kind is not None and step.kind not in UNTOLD:
            told.append(Told(state, cause, step.kind))
        state, is_followed = step.state, is_followed or act is Cause.NEXT_START
    return Life(state, told)


def _cause(state: State, act: Cause, *, is_followed: bool) -> Cause:
    """A reading of an open transaction is a sign, however far it rises: there is no end to
    exceed."""
    if act is not Cause.RISE:
        return act
    if state in OF_WHAT_RUNS:
        return Cause.SIGN
    return Cause.LATE_RISE if is_followed else Cause.RISE


class Living:
    """The same actions in the database."""

    def __init__(self, books: Books, name: str = "CP-1") -> None:
        self.books = books
        self.station = Station(books, name)
        self.begun = self.station.clock()
        self.wh = BEGIN_WH
        self.until: str | None = None
        """When its follower began."""
        self.transaction = self.station.start(BEGIN_WH, at=self.begun)

    def live(self, acts: Sequence[Cause]) -> Life:
        """Do all of this to it."""
        for act in acts:
            self.books.wait(PAUSE_MINUTES)
            self.do(act)
        return self.life

    def do(self, act: Cause) -> None:
        """Do one of them now."""
        _DOING[act](self)

    @property
    def life(self) -> Life:
        rows = self.books.rows(
            (
                "SELECT state, cause, kind FROM tx_event "
                "WHERE tx_id = ? AND kind NOT IN ('start', 'rejudge') "
                "ORDER BY id"
            ),
            self.transaction,
        )
        return Life(
            self.state,
            [Told(State(state), Cause(cause), Kind(kind)) for state, cause, kind in rows],
        )

    @property
    def state(self) -> State:
        status, suspended_at, stopped_by = self.books.row(
            "SELECT status, suspended_at, stopped_by FROM tx WHERE id = ?", self.transaction
        )
        return state_of(status, suspended_at is not None, stopped_by)

    # What is done

    def repeat_start(self) -> None:
        assert self.station.start(BEGIN_WH, at=self.begun) == self.transaction

    def tell_no_more(self) -> None:
        self._read(self._level())

    def rise(self) -> None:
        self.wh = self._level() + STEP_WH
        self._read(self.wh)

    def boot(self) -> None:
        self.station.boot()

    def lose(self) -> None:
        self.station.lose()
        self.station.connect()

    def end_server(self) -> None:
        self.books.server = self.books.run(sessions.start_run, SERVER, "1.0", self.books.at, True)
        self.station.connect()

    def stop_unreadably(self) -> None:
        message = self.station.message("StopTransaction", transactionId=self.transaction)
        self.station.write(stop_unreadable, message, "no meterStop")

    def become_available(self) -> None:
        self.station.write(stops.close_available, 1, Moment(self.books.at, None, True))

    def be_silent(self) -> None:
        self.books.run(stops.close_silent, self.books.at, 0.0)

    def stay_free(self) -> None:
        """Its connector is Available, without a row that would be evidence about the stops that
        follow."""
        self.station.write(follow_free, 1, "Available")
        self.books.wait(FREE_SECONDS / 60)
        self.books.run(stops.close_silent, self.books.at, LONG)

    def start_next(self) -> None:
        self.until = self.until or self.station.clock(SECOND)
        at = Moment(self.books.at, self.station.clock(), True)
        self.station.write(stops.close_before_start, Opening(1, "NEXT", self.wh, at))
        self.station.start(self.wh, tag="NEXT")

    def operate(self) -> None:
        self.station.write(self._close)

    def stop_without_id(self) -> None:
        """Send a stop without an id; a repeated one, with another register, has the same time."""
        (sent,) = self.books.row("SELECT sent_stop_time FROM tx WHERE id = ?", self.transaction)
        self._stop(-1, sent if self.state is State.JOINED else self.until)

    def stop(self) -> None:
        self._stop(self.transaction, self.until)

    def _close(self, db: UnitOfWork, origin: Origin) -> None:
        reason = Closure(Cause.OPERATOR, "Other", "closed by hand", self.books.at)
        stops.close(db, origin, load_transaction(db, self.transaction), reason, who="anna")

    def _stop(self, transaction: int, at: str | None) -> None:
        self.wh = self._level() + 1
        self.station.stop(transaction, self.wh, at=at)

    def _level(self) -> int:
        """Return its register; never below the billed one."""
        (billed,) = self.books.row("SELECT billed_until_wh FROM tx WHERE id = ?", self.transaction)
        return max(self.wh, billed or 0)

    def _read(self, wh: int) -> None:
        (ended,) = self.books.row("SELECT own_stop_time FROM tx WHERE id = ?", self.transaction)
        if ended is None or (self.state is State.CLOSED and self.until is None):
            ended = self.station.clock()  # only what was read after its end shows that it goes on
        told = meter_value(ended, wh)
        self.station.tell(told, transaction=self.transaction)


_DOING: dict[Cause, Callable[[Living], None]] = {
    Cause.START_REPEATED: Living.repeat_start,
    Cause.SIGN: Living.tell_no_more,
    Cause.BOOT: Living.boot,
    Cause.LOST: Living.lose,
    Cause.SERVER_ENDED: Living.end_server,
    Cause.STOP_UNREADABLE: Living.stop_unreadably,
    Cause.AVAILABLE: Living.become_available,
    Cause.SILENCE: Living.be_silent,
    Cause.FREE: Living.stay_free,
    Cause.NEXT_START: Living.start_next,
    Cause.OPERATOR: Living.operate,
    Cause.JOINED_STOP: Living.stop_without_id,
    Cause.STOP: Living.stop,
    Cause.RISE: Living.rise,
}


class Undone:
    """A connection whose transactions are parts of one, which is rolled back at last."""

    def __init__(self, connection: FileConnection) -> None:
        self.execute, self.send, self.limited = (
            connection.execute,
            connection.send,
            connection.limited,
        )
        self.in_transaction = False

    def begin(self) -> None:
        self.execute("SAVEPOINT part")
        self.in_transaction = True

    def commit(self) -> None:
        self.execute("RELEASE part")
        self.in_transaction = False


def lived(empty: FileConnection, acts: Sequence[Cause]) -> Life:
    """Return a life in an empty database, which is empty again afterwards.

    A database of its own for each would take as long as the life: all statements would be prepared
    again.
    """
    undone: Any = Undone(empty)
    empty.execute("BEGIN")
    life = Living(Books(undone)).live(acts)
    assert empty.in_transaction, "a write failed, and more than itself was rolled back"
    empty.execute("ROLLBACK")
    return life
