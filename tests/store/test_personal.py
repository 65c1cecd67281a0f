"""Deleting what is personal of an account: what goes at once, what goes after years, and what
stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trio

from levity_trio.billing.ledger import LedgerKind, WalletTerms
from levity_trio.billing.ownership import Thing, What
from levity_trio.events import HouseholdReported
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.keeping import checking
from levity_trio.store.reads.people.personal import Obstacle, deletion, obstacles
from levity_trio.store.upkeep import pruning
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.people import accounts, households, messages, ownership, tags
from levity_trio.store.writes.people.accounts import AccountData, ChangeRefused
from levity_trio.store.writes.people.households import Deletion
from levity_trio.store.writes.people.messages import By, DeliveryFailure, NewMessage, RecipientData
from levity_trio.store.writes.people.ownership import VehicleData
from levity_trio.store.writes.people.tags import TagData
from levity_trio.store.writes.site.receivers import put_backend_card
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from levity_trio.told import stored
from tests.store.bills import BERLIN, Biller, charge, month_is_over
from tests.store.books import Books, Station
from tests.store.owning import House
from tests.store.reading import reading, view
from tests.store.template import new_database

ANNA, BEN = 1, 2
CLOSED = "2026-03-31T22:00:00.000Z"
PERSONAL = (
    "Anna Unverwechselbar",
    "Hinterhof 9",
    "a@unverwechselbar",
    "hat zwei Hunde",
    "Annas Kombi",
    "B-UV 12",
)
TEXTS = ("Annas Karte", "bei Anna hinterlegt", "Annas Platz", "Anna zieht ein", "Anna zahlt voraus")
TOLD = ("Annas Telefon", "telefon@unverwechselbar", "Annas Wagen ist voll")
ON_PAPER = "Anna per Bank"
ALIAS = "ANNA-AT-WORK"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.db"


@pytest.fixture
def books(path: Path) -> Iterator[Books]:
    with new_database(path) as connection:
        yield Books(connection)


class Writer:
    """The writer's interface on the books themselves."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def run(self, write: Any, *args: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return self._books.run(write, *args)


class Leaving(Biller):
    """Anna has charged in March, paid for it and moved out; Ben has what she left."""

    def __init__(self, books: Books) -> None:
        books.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.station = Station(books)
        house = House(books)
        super().__init__(house)
        name, address, contact, notes, vehicle, plate = PERSONAL
        card, note, space, reason, terms = TEXTS
        books.run(
            tags.add, books.policy, TagData(id_tag="Card", name=card, notes=note), books.at, "cleo"
        )
        fields = {"name": name, "address": address, "contact": contact, "notes": notes}
        books.run(accounts.change, ANNA, fields, books.at, "cleo")
        self.kombi = books.run(
            ownership.add_vehicle, VehicleData(name=vehicle, plate=plate), books.at, "cleo"
        )
        self.shared = books.run(ownership.add_vehicle, VehicleData(name="Bus"), books.at, "cleo")
        for thing in ("Card", Thing(What.SPACE, "CP-1", 1), Thing(What.SPACE, "CP-1", 2)):
            house.give(ANNA, thing, reason=reason, vehicle=self.kombi if thing == "Card" else None)
        for number in (self.kombi, self.shared):
            house.give(ANNA, Thing(What.VEHICLE, str(number)))
        for connector, called in ((1, space), (2, "Platz 2")):
            books.run(ownership.name_space, Thing(What.SPACE, "CP-1", connector), called)
        self.transaction = charge(self.station)
        house.books.run(accounts.change, ANNA, {"until": CLOSED}, books.at, "cleo")
        month_is_over(books, 3)
        self.close("2026-03")
        for thing in ("Card", Thing(What.SPACE, "CP-1", 1), Thing(What.VEHICLE, str(self.kombi))):
            house.take(ANNA, thing, CLOSED, reason)
        for thing in (Thing(What.SPACE, "CP-1", 2), Thing(What.VEHICLE, str(self.shared))):
            house.give(BEN, thing, CLOSED, reason="moved in")
        self.enter(-self.balance(ANNA))
        self.tell(*TOLD)
        books.connection.execute(
            "INSERT INTO backend (name, url, is_repaired, tells_authorize, with_cards, begins_at, "
            "added_at, added_by) VALUES ('employer', 'ws://a', 0, 0, 0, '', '', '')"
        )
        for key, alias in (("card", ALIAS), ("other", "Bens Karte")):
            books.run(put_backend_card, 1, key, alias)
        books.run(
            ledger.set_terms,
            ANNA,
            ledger.NewTerms(WalletTerms.PREPAID, 0, terms, books.at, "cleo"),
        )

    def tell(self, name: str, mail: str, words: str) -> None:
        self.message(RecipientData(who="driver", account=ANNA, name=name, mail=mail), "full", words)

    def message(self, data: RecipientData, kind: str, words: str, event: int | None = None) -> None:
        to = self.books.run(
            messages.add_recipient, data, None, SecretKey(None), By(self.books.at, "cleo")
        )
        message = NewMessage(
            message_id=f"{kind} {event}",
            recipient=to,
            channel="mail",
            part="note",
            kind=kind,
            event=event,
            subject=words,
            body=words,
            link=None,
            not_before=self.books.at,
        )
        self.books.run(messages.add, message, self.books.at)

    def enter(self, amount: int, kind: LedgerKind = LedgerKind.PAYMENT) -> None:
        entry = ledger.LedgerEntry(ANNA, kind, amount, "EUR", ON_PAPER, self.books.at, "cleo")
        self.books.run(ledger.enter, entry)

    def obstacles(self) -> list[Obstacle]:
        with reading(self.books) as db:
            return obstacles(db, ANNA, self.house.rule, self.books.now)

    def delete(self, keep_years: int = 10) -> None:
        self.books.run(
            households.delete_personal,
            ANNA,
            Deletion(keep_years, "moved out", self.books.at, "cleo"),
        )

    def forget(self, year: int, month: int = 4, day: int = 2) -> int:
        """Run the daily task on a day."""
        now = datetime(year, month, day, 9, tzinfo=UTC)
        return trio.run(pruning.forget_due, self._writer, lambda: now, BERLIN)

    def scrub(self) -> None:
        trio.run(pruning.scrub, self._writer)

    def party(self) -> Any:
        return self.books.value("SELECT party FROM statement_party")


@pytest.fixture
def leaving(books: Books) -> Leaving:
    return Leaving(books)


def content(path: Path, books: Books) -> bytes:
    """Return all bytes of the database after a checkpoint."""
    books.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path.read_bytes() + Path(f"{path}-wal").read_bytes()


def left(path: Path, books: Books, texts: tuple[str, ...]) -> list[str]:
    found = content(path, books)
    return [text for text in texts if text.encode() in found]


def test_nothing_is_in_the_way_of_one_who_has_moved_out(leaving: Leaving) -> None:
    assert leaving.obstacles() == []


def test_no_byte_is_left_but_on_closed_statements(leaving: Leaving, path: Path) -> None:
    every = (*PERSONAL, *TEXTS, *TOLD, ALIAS, ON_PAPER)
    assert left(path, leaving.books, every) == [*every]
    leaving.delete(keep_years=3)
    leaving.scrub()
    on_statement = [
        "Anna Unverwechselbar",
        "Hinterhof 9",
        "a@unverwechselbar",
        "Annas Kombi",
        "Annas Platz",
        ON_PAPER,
    ]
    assert left(path, leaving.books, every) == on_statement
    assert leaving.forget(2029, 3, 31) == 0
    assert leaving.forget(2029, 4, 1) == 1  # its month was March
    assert left(path, leaving.books, every) == [ON_PAPER]
    assert leaving.forget(2029, 4, 2) == 1  # paid on the second of April
    assert left(path, leaving.books, every) == []
    assert leaving.forget(2099) == 0


def aliases(books: Books) -> dict[str, str | None]:
    return dict(books.rows("SELECT tag_key, alias FROM backend_card"))


def test_an_alias_goes_unless_somebody_else_has_the_card(leaving: Leaving) -> None:
    leaving.delete()
    assert aliases(leaving.books) == {"other": "Bens Karte"}


def test_an_alias_of_a_card_that_was_passed_on_stays(leaving: Leaving) -> None:
    leaving.house.give(BEN, "Card", CLOSED)
    leaving.delete()
    assert aliases(leaving.books)["card"] == ALIAS


def test_a_card_that_is_left_out_stays_so(leaving: Leaving) -> None:
    leaving.books.run(put_backend_card, 1, "card", None)
    leaving.delete()
    assert aliases(leaving.books)["card"] is None


def test_a_refused_address_goes_with_its_message(leaving: Leaving) -> None:
    books, address = leaving.books, TOLD[1]
    problem = f"550 5.1.1 <{address}>: unknown"
    failure = DeliveryFailure(
        message=1, problem=problem, next_at=books.at, is_given_up=True, refused=address
    )
    books.run(messages.note_failed, failure, books.at)
    asked = (
        "SELECT problem, mail_problem FROM message JOIN recipient ON recipient.id = recipient_id"
    )
    assert books.rows(asked) == [(stored(problem), stored(problem))]
    leaving.delete()
    assert books.rows(asked) == [(None, None)]


def test_an_owner_keeps_what_households_that_stay_have_reported(leaving: Leaving) -> None:
    """Messages to him name who reported something. Whose fact is gone may be anybody's."""
    books = leaving.books
    about: dict[str, Any] = {
        "charger": "CP-1",
        "at": books.at,
        "report": 1,
        "about": "charger",
        "transaction": None,
        "id_tag": None,
    }
    for account in (ANNA, BEN):
        books.run(
            lambda db, account=account: db.record(HouseholdReported(account=account, **about))  # type: ignore[misc]
        )
    anna, ben = (
        number
        for (number,) in books.rows(
            "SELECT id FROM event WHERE kind = 'HouseholdReported' ORDER BY id"
        )
    )
    for event, words in ((anna, "Anna asks"), (ben, "Ben asks"), (9999, "Somebody asks")):
        leaving.message(
            RecipientData(who="owner", mail="owner@example.org", with_names=True),
            "report",
            words,
            event,
        )
    leaving.delete()
    assert books.rows("SELECT subject FROM message WHERE kind = 'report' ORDER BY id") == [
        (None,),
        ("Ben asks",),
        (None,),
    ]


def test_nothing_is_left_in_free_pages(leaving: Leaving, path: Path) -> None:
    """Notes that are longer than a page stand on pages of their own, which are free afterwards."""
    books = leaving.books
    books.run(accounts.change, ANNA, {"notes": "é" * 1990 + "unverwechselbar"}, books.at, "cleo")
    text = ("é" * 50 + "unverwechselbar",)
    assert left(path, books, text) == [*text]
    leaving.delete()
    assert left(path, books, text) == [*text]
    leaving.scrub()
    assert left(path, books, text) == []


def test_nothing_is_left_of_rows_that_moved(books: Books, path: Path) -> None:
    """Indexes move their rows from page to page as accounts are added, and leave copies."""
    books.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    names = tuple(sha256(str(number).encode()).hexdigest() for number in range(300))
    for name in names:
        data = AccountData(
            name=name, since="2026-01-01T00:00:00.000Z", until="2026-02-01T00:00:00.000Z"
        )
        books.run(accounts.add, data, books.at, "cleo")
    for account in range(1, len(names) + 1):
        books.run(households.delete_personal, account, Deletion(10, "moved out", books.at, "cleo"))
    trio.run(pruning.scrub, Writer(books))  # type: ignore[arg-type]
    assert left(path, books, names) == []


def test_the_account_is_its_number(leaving: Leaving) -> None:
    leaving.delete()
    found = leaving.books.row(
        "SELECT name, address, contact, notes, until FROM account WHERE id = ?", ANNA
    )
    assert found == ("household 1", None, None, None, CLOSED)
    with reading(leaving.books) as db:
        told = deletion(db, ANNA)
        assert deletion(db, BEN) is None
    assert told is not None
    assert (told.keep_years, told.reason, told.deleted_by, told.named_statements) == (
        10,
        "moved out",
        "cleo",
        1,
    )


def test_what_others_use_keeps_its_name(leaving: Leaving) -> None:
    leaving.delete()
    assert leaving.books.rows("SELECT name, plate FROM vehicle ORDER BY id") == [
        ("vehicle 1", None),
        ("Bus", None),
    ]
    assert leaving.books.rows("SELECT conn_id, name FROM space") == [(2, "Platz 2")]


def test_a_tag_keeps_the_name_of_its_next_owner(leaving: Leaving) -> None:
    books, house = leaving.books, leaving.house
    house.give(BEN, "Card", books.at)
    books.wait(60)
    books.run(tags.change, books.policy, "Card", {"name": "Bens Karte"}, books.at, "cleo")
    leaving.delete()
    assert books.rows("SELECT name, notes FROM tag ORDER BY id") == [
        (None, None),
        ("Bens Karte", TEXTS[1]),
    ]


def test_statements_prove_themselves_before_and_after(leaving: Leaving) -> None:
    books = leaving.books
    leaving.delete(keep_years=0)
    assert leaving.forget(2026) > 0
    assert leaving.party() is None
    assert [
        *checking.sealed(view(books.connection)),
        *checking.sums(view(books.connection)),
    ] == []
    (evidence,) = checking.evidence(view(books.connection))
    assert (evidence.differing, evidence.keep_years) == ([], 0)
    assert evidence.names_removed_at is not None
    assert leaving.statement(1).to is None
    assert leaving.statement(1).total == 120


def test_years_of_keeping_are_those_of_the_account(leaving: Leaving) -> None:
    assert leaving.forget(2099) == 0
    assert leaving.party() is not None
    leaving.delete()
    assert leaving.forget(2036, 3, 31) == 0
    assert leaving.forget(2036, 4, 1) == 1


def test_nothing_new_is_written_about_it(leaving: Leaving) -> None:
    leaving.delete()
    with pytest.raises(ChangeRefused, match="was deleted at"):
        leaving.books.run(accounts.change, ANNA, {"name": "Anna"}, leaving.books.at, "cleo")
    with pytest.raises(ChangeRefused, match="add a new household"):
        leaving.house.give(ANNA, "Card", leaving.books.at)
    with pytest.raises(ChangeRefused, match="was deleted at"):
        leaving.delete()


def test_a_name_that_another_account_has(leaving: Leaving) -> None:
    leaving.books.run(accounts.change, BEN, {"name": "household 1"}, leaving.books.at, "cleo")
    with pytest.raises(ChangeRefused, match="has this name"):
        leaving.delete()


def test_an_open_account_is_kept(leaving: Leaving) -> None:
    books = leaving.books
    with pytest.raises(ChangeRefused, match="is open"):
        books.run(households.delete_personal, BEN, Deletion(10, "r", books.at, "cleo"))
    books.run(accounts.change, ANNA, {"until": None}, books.at, "cleo")
    assert [one.words[:10] for one in leaving.obstacles()] == ["it is open"]


def test_each_obstacle_says_what_to_do(leaving: Leaving) -> None:
    books, house = leaving.books, leaving.house
    house.give(ANNA, "Other", books.at)
    transaction = leaving.station.start(9000, 2, "Other")
    leaving.enter(-500, LedgerKind.CORRECTION)
    still, charging, owing = leaving.obstacles()
    assert still.words.endswith("levity-trio household take 1 --card Other")
    assert charging.words.endswith(f"levity-trio close {transaction}")
    assert owing.words.startswith("it owes 5.00 EUR")
    assert not any(one.may_be_forced for one in (still, charging, owing))
    leaving.enter(900)
    assert leaving.obstacles()[-1].words.startswith("it has 4.00 EUR in its favour")


def test_work_that_is_not_billed_may_be_left(leaving: Leaving) -> None:
    books, house = leaving.books, leaving.house
    late = charge(leaving.station, 5000, "Late")
    house.give_by_hand(late, ANNA)
    (work,) = leaving.obstacles()
    assert work == Obstacle(
        f"it is not billed for: session {late}; bill it: levity-trio bill close 2026-04",
        may_be_forced=True,
    )
    books.run(
        decisions.correct,
        leaving.transaction,
        decisions.Correction(figure_wh=1000),
        decision(books),
    )
    assert f"correction {leaving.transaction}" in leaving.obstacles()[0].words
    month_is_over(books, 4)
    leaving.close("2026-04")
    leaving.enter(-leaving.balance(ANNA))
    assert leaving.obstacles() == []


def decision(books: Books) -> Decision:
    return Decision("cleo", "seen", books.at)


def test_before_billing_has_begun_nothing_is_to_be_billed(leaving: Leaving) -> None:
    house = leaving.house
    house.give_by_hand(charge(leaving.station, 5000, "Late"), ANNA)
    leaving.books.connection.execute("DELETE FROM billing")
    assert leaving.obstacles() == []
