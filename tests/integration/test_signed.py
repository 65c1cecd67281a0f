"""What a meter signed, over real connections: the server checks each session that ends once, also
if it is killed between a stop and the check."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from levity_trio.clock import SimulatedTime
from levity_trio.store.engine.database import UnitOfWork, commit
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.writes.transactions.judging import check_signed_again
from levity_trio.wire.times import stamp
from tests.integration.charger import Charger, Closed
from tests.integration.receiver import wait_until
from tests.integration.serving import Serving, serving
from tests.signed.meters import Meter, reading
from tests.store.signing import ENTER

SPEED: Final = 300
FAST: Final = ("--clock-speed", str(SPEED))
"""What the passage of time causes is looked for each 0.1 s."""
ROUNDS: Final = 4
CHARGERS: Final = 6
STATES: Final = "SELECT tx_id, state, wh, is_owners FROM signed_check ORDER BY tx_id"
TOLD: Final = (
    "SELECT tx.id, cp_id, energy_delivered FROM tx WHERE status = 'Completed' ORDER BY tx.id"
)


class SigningCharger:
    """A charger that charges 7.35 kWh in two hours, in no time, and tells what its meter signed."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.meter = Meter(serial=f"1TST{identity}")
        self.register = 100_000
        self.stopped_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
        self.answered: list[int] = []

    def charge(self, charger: Charger) -> None:
        """Charge once. Raises Closed."""
        since = self.stopped_at + timedelta(minutes=10)
        until = self.stopped_at = since + timedelta(hours=2)
        first, last = self.register, self.register + 7350
        number = charger.start("TAG", first, timestamp=_told(since))
        record = self.meter.record(
            reading("B", since, f"{first / 1000:.3f}"), reading("E", until, f"{last / 1000:.3f}")
        )
        self.register = last
        data = [
            {
                "timestamp": _told(until),
                "sampledValue": [{"value": record, "format": "SignedData"}, {"value": str(last)}],
            }
        ]
        charger.call(
            "StopTransaction",
            transactionId=number,
            idTag="TAG",
            meterStop=last,
            timestamp=_told(until),
            reason="Local",
            transactionData=data,
        )
        self.answered.append(number)


def _told(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def enter_keys(database: Path, fleet: list[SigningCharger]) -> None:
    """Enter the keys of the meters, as an operator does."""
    with open_database(database, SimulatedTime(datetime.now(UTC), SPEED)) as connection:
        for own in fleet:
            commit(connection, [partial(_enter, own)])


def _enter(own: SigningCharger, db: UnitOfWork) -> None:
    row = (own.identity, 0, own.meter.key.text, own.meter.key.fingerprint, stamp(datetime.now(UTC)))
    db.execute(ENTER, row)
    check_signed_again(db, own.identity)


def states(server: Serving) -> list[tuple[Any, ...]]:
    return server.query(STATES)


def test_a_real_session_is_checked_soon_after_its_stop(tmp_path: Path) -> None:
    own = SigningCharger("CP-1")
    with serving(tmp_path / "levity.db", *FAST) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            own.charge(charger)
            wait_until(lambda: bool(states(server)))
            (number,) = own.answered
            assert states(server) == [(number, "unproven", None, 0)]
        assert server.query(TOLD) == [(number, "CP-1", 7350)]
        assert server.query("SELECT confidence, review FROM tx") == [("certain", None)]


def test_kill_9_between_stop_and_check_loses_nothing(tmp_path: Path) -> None:
    """Each session that was answered is checked, however often the server was killed."""
    database = tmp_path / "levity.db"
    fleet = [SigningCharger(f"CP-{number}") for number in range(CHARGERS)]
    dice = random.Random(67)
    for _ in range(ROUNDS):
        with serving(database, *FAST) as server:
            with suppress(Closed, ConnectionError):
                for own in fleet:
                    with Charger(server.port, own.identity) as charger:
                        charger.boot()
                        own.charge(charger)
                        if own is fleet[-1] or dice.random() < 0.2:
                            break
            server.kill()
    with serving(database, *FAST) as server:
        everybody = sorted(number for own in fleet for number in own.answered)
        assert everybody
        wait_until(lambda: len(states(server)) == len(everybody))
        assert states(server) == [(number, "unproven", None, 0) for number in everybody]
    enter_keys(database, fleet)
    with serving(database, *FAST) as server:
        wanted = [(number, "proven", 7350, 1) for number in everybody]
        wait_until(lambda: states(server) == wanted)
        work = "SELECT count(*) FROM signed_check GROUP BY tx_id HAVING count(*) > 1"
        assert server.query(work) == []
        assert {wh for *_, wh in server.query(TOLD)} == {7350}
        assert set(server.query("SELECT review FROM tx")) == {(None,)}
