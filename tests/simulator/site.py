"""A server that writes to its database, and its chargers' ledger: true transactions and sent
messages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from levity_trio.simulator.ledger import METER_VALUES, START, STOP, Entry, Ledger, Moment, Sent
from levity_trio.simulator.verification import Kind, Verdict, baseline, verify
from tests.store.books import NOON, Books, Station

NO_ID = -1


@dataclass
class Site:
    """Each step is done at the server and recorded truly in the ledger."""

    path: Path
    books: Books
    ledger: Ledger = field(
        default_factory=lambda: Ledger(chargers=[], entries=[], zero=NOON.replace(microsecond=0))
    )
    stations: dict[str, Station] = field(default_factory=dict)

    @property
    def at(self) -> float:
        """Simulated seconds."""
        return (self.books.now - NOON).total_seconds()

    def station(self, charger: str) -> Station:
        if charger not in self.stations:
            self.stations[charger] = Station(self.books, charger)
        return self.stations[charger]

    def mark(self) -> None:
        """Compare only what follows."""
        since = baseline(self.path)
        self.ledger.transaction, self.ledger.set_aside_at = since.transaction, since.set_aside_at

    # Steps that the server takes part in

    def start(
        self,
        charger: str = "CP-1",
        *,
        meter: int = 1000,
        tag: str = "TAG",
        learned: bool = True,
        behind: float = 0,
    ) -> Entry:
        """Start a transaction; the charger's clock is `behind` minutes slow."""
        self.books.wait(10)
        time = self.station(charger).clock(behind)
        transaction = self.station(charger).start(meter, tag=tag, at=time)
        entry = self.begun(charger, meter, tag, time)
        entry.transaction_id = transaction if learned else None
        sent = Sent(action=START, moments=[Moment(at=self.at, delivered_wh=0)])
        payload = {"connectorId": 1, "idTag": tag, "meterStart": meter, "timestamp": time}
        self.note(entry, sent, payload)
        return entry

    def read(self, entry: Entry, wh: int, told_wh: int | None = None) -> None:
        """Send a reading, optionally with a register other than the true one."""
        self.books.wait(10)
        station = self.station(entry.charger)
        value = station.register(entry.meter_start + (wh if told_wh is None else told_wh))
        station.tell(value, transaction=entry.transaction_id)
        sent = Sent(action=METER_VALUES, moments=[Moment(at=self.at, delivered_wh=wh)])
        self.note(
            entry,
            sent,
            {
                "connectorId": 1,
                "transactionId": entry.transaction_id or NO_ID,
                "meterValue": [value],
            },
        )

    def stop(
        self, entry: Entry, true_wh: int, told_wh: int | None = None, behind: float = 0
    ) -> None:
        """Stop a transaction and send its stop."""
        self.books.wait(60)
        self.send_stop(entry, true_wh, told_wh, behind)

    def send_stop(
        self, entry: Entry, true_wh: int, told_wh: int | None = None, behind: float = 0
    ) -> None:
        told = self.note_stop(entry, true_wh, told_wh, behind)
        station = self.station(entry.charger)
        station.stop(
            told["transactionId"], told["meterStop"], tag=told["idTag"], at=told["timestamp"]
        )

    def charge(
        self, charger: str = "CP-1", wh: int = 4000, *, meter: int = 1000, learned: bool = True
    ) -> Entry:
        entry = self.start(charger, meter=meter, learned=learned)
        self.stop(entry, wh)
        return entry

    # Steps that are only recorded in the ledger

    def begun(self, charger: str, meter: int, tag: str, time: str) -> Entry:
        entry = Entry(
            charger=charger,
            connector=1,
            id_tag=tag,
            began_at=time,
            meter_start=meter,
            began=self.at,
        )
        self.ledger.entries.append(entry)
        return entry

    def unsent(self) -> Entry:
        """A transaction whose start is queued."""
        entry = self.begun("CP-1", 1000, "TAG", "")
        entry.sent.append(Sent(action=START, moments=[Moment(at=self.at, delivered_wh=0)]))
        return entry

    def lost_start(self, true_wh: int) -> Entry:
        """A transaction whose start is never sent."""
        entry = self.unsent()
        self.end(entry, true_wh)
        return entry

    def end(self, entry: Entry, true_wh: int) -> None:
        entry.energy_wh, entry.ended = true_wh, self.at

    def note_stop(
        self, entry: Entry, true_wh: int, told_wh: int | None = None, behind: float = 0
    ) -> dict[str, Any]:
        """Record the stop as sent, and return its payload."""
        self.end(entry, true_wh)
        sent = Sent(action=STOP, moments=[Moment(at=self.at, delivered_wh=true_wh)])
        payload = {
            "transactionId": NO_ID if entry.transaction_id is None else entry.transaction_id,
            "meterStop": entry.meter_start + (true_wh if told_wh is None else told_wh),
            "timestamp": self.station(entry.charger).clock(behind),
            "idTag": entry.id_tag,
        }
        self.note(entry, sent, payload)
        return payload

    def note(self, entry: Entry, sent: Sent, payload: dict[str, Any]) -> None:
        sent.leave(payload, self.at)
        sent.answered = self.at
        entry.sent.append(sent)

    # Verdicts

    def verify(self) -> Verdict:
        return verify(self.path, self.ledger)

    def found(self) -> Verdict:
        """Return the verdict without the life cycle, which lists all its rows."""
        return replace(self.verify(), life=())

    def kinds(self) -> list[Kind]:
        return [fault.kind for fault in self.verify().faults]

    def fault(self, kind: Kind) -> str:
        """Return the line of the only fault, which is of this kind."""
        (fault,) = self.verify().faults
        assert fault.kind is kind, fault
        return fault.line
