"""A site whose server looks at what there is to tell. What it knows is in its database, so each
look is a restart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from levity_trio.billing.ownership import BillBy
from levity_trio.notify.kinds import OF_SITE
from levity_trio.notify.reading import find
from levity_trio.notify.rounds import MAIL, Ways, messages_of
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.people import messages
from levity_trio.store.writes.people.messages import By, RecipientData, Round, store_round
from tests.store.books import SERVER, Books, Station, in_memory
from tests.store.nows import BERLIN, WELL
from tests.store.reading import reading

KEY: Final = SecretKey("A" * 43 + "=")
WAYS: Final = Ways(
    channels=[MAIL],
    zone=BERLIN,
    owners_url="https://home.example.org",
    drivers_url="https://charge.example.org",
)


class Site:
    """The server of a site with its chargers, and one recipient to begin with: an owner who wants
    to know all."""

    def __init__(self, chargers: int = 0, connection: Any = None, **owner: Any) -> None:
        self.books = Books(in_memory() if connection is None else connection)
        self.machine = WELL
        self.ways = WAYS
        self.look()  # as at the first start
        self.stations = [
            Station(self.books, f"CP-{number:02}") for number in range(1, chargers + 1)
        ]
        self.owner = self.add(who="owner", mail="owner@example.org", kinds=[*OF_SITE], **owner)

    def add(self, topic: str | None = None, **data: Any) -> int:
        """Add a recipient."""
        return self.books.run(
            messages.add_recipient, RecipientData(**data), topic, KEY, By(self.books.at, "anna")
        )

    def found(self) -> Round:
        """Look, and store nothing: as if the server died before the commit."""
        rule = Rule(BERLIN, self.books.policy, BillBy.TAG)
        with reading(self.books) as db:
            return messages_of(
                find(db, self.books.now, rule, self.machine), self.ways, self.books.now
            )

    def look(self) -> bool:
        """Look, and store what that makes; return whether it was stored."""
        return self.books.run(store_round, self.found())

    def wait(self, minutes: float, every: float = 0.5) -> None:
        """Let time pass; look as often as the server does."""
        until = self.books.now + timedelta(minutes=minutes)
        while self.books.now < until:
            self.books.now += min(timedelta(minutes=every), until - self.books.now)
            self.look()

    def restart(self, reachable: Sequence[Station] | None = None, away_minutes: float = 1) -> None:
        """Kill the server and start it again; the chargers that it reaches come back."""
        self.found()
        connected = (
            [one for one in self.stations if self.is_connected(one)]
            if reachable is None
            else reachable
        )
        self.books.server = self.books.run(sessions.start_run, SERVER, "1.0", self.books.at, True)
        self.machine = self.machine._replace(begun_at=self.books.at)
        self.wait(away_minutes)
        for one in connected:
            one.connect()

    def is_connected(self, station: Station) -> bool:
        return bool(self.books.value("SELECT is_connected FROM cp WHERE id = ?", station.name))

    def told(self, recipient: int | None = None) -> list[tuple[str, str, str]]:
        """Return the messages so far: kind, part and subject."""
        return self.books.rows(
            "SELECT kind, part, subject FROM message WHERE recipient_id = ? ORDER BY id",
            self.owner if recipient is None else recipient,
        )

    def bodies(self, recipient: int | None = None) -> list[str]:
        found = self.books.rows(
            "SELECT body FROM message WHERE recipient_id = ? ORDER BY id",
            self.owner if recipient is None else recipient,
        )
        return [body for (body,) in found]
