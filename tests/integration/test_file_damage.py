"""Pages of the database that go bad under a running server: who needs them is refused, and nobody
else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.plugins.scrapes import scrape

from .charger import Charger, Closed, now
from .serving import serving, wait_for_power

TRY_AGAIN_LATER = 1013
DAMAGED = "the database file is damaged; writes that need the damaged page are not acknowledged"
OLD_ONE, TRANSACTIONS = 30, 600
MOST_SECONDS = 60


def start(charger: Charger, number: int) -> int:
    sent = {"connectorId": 1, "idTag": f"TAG {number:04}", "meterStart": number, "timestamp": now()}
    return int(charger.call("StartTransaction", **sent)["transactionId"])


def stop(charger: Charger, transaction: int, meter: int) -> None:
    charger.call("StopTransaction", transactionId=transaction, meterStop=meter, timestamp=now())


def fill(database: Path) -> list[int]:
    """Charge so often that old transactions have pages that nobody needs any more."""
    transactions = []
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        for number in range(TRANSACTIONS):
            transactions.append(start(charger, number))
            stop(charger, transactions[-1], number)
    # whose writer reads all transactions once more, for the power of the site
    with serving(database):
        wait_for_power(database, MOST_SECONDS)
    return transactions


def damage(database: Path, text: str) -> None:
    """Overwrite all pages that have this text, as a failing SD card does. SQLite's locks are the
    server's."""
    content = database.read_bytes()
    page_bytes = int.from_bytes(content[16:18], "big")
    with database.open("r+b") as file:
        for at in range(0, len(content), page_bytes):
            if text.encode() in content[at : at + page_bytes]:
                file.seek(at)
                file.write(b"\xa5" * page_bytes)


def test_who_needs_a_damaged_page_is_refused_and_others_charge(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    transactions = fill(database)
    with serving(database, "--metrics-port", "0", may_log_errors=True) as server:
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            damage(database, f"TAG {OLD_ONE:04}")
            with pytest.raises(Closed) as closed:
                stop(charger, transactions[OLD_ONE], 7)
            assert closed.value.code == TRY_AGAIN_LATER
        with Charger(server.port, "CP-2") as other:
            other.boot()
            # far from the damaged pages of the indexes
            stop(other, start(other, TRANSACTIONS - 1), TRANSACTIONS)
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
            stop(charger, start(charger, TRANSACTIONS), TRANSACTIONS)
        page = scrape(int(server.wait_line("serving metrics")["port"]))
        assert (page.get("ocpp_database_damaged"), page.get("ocpp_writer_failing")) == (1, 0)
        (line,) = server.errors()
        assert (line["event"], line["database"]) == (DAMAGED, str(database))
        assert "restore" in line["advice"]
    with closing(sqlite3.connect(database)) as found:
        assert found.execute(
            "SELECT count(*) FROM tx WHERE id > ?", (transactions[-1],)
        ).fetchall() == [(2,)]
