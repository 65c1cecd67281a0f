"""How long a Heartbeat waits while the worst files of a bank are read: `python -m
tests.tools.beside_bank_files`.

Each file has 8 MB, which is the most that is taken, and is the worst known of its kind.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from levity_trio.bank.reading import MOST_BYTES
from levity_trio.config import EnvironmentProblem
from tests.bank.files import camt, details, entry
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import serving
from tests.integration.test_bank_files import bill_sixteen

HEAD: Final = "Buchungstag;Name;Verwendungszweck;Betrag\n"
ROWS: Final = 4_900


def of_rows(text: str) -> str:
    """Return rows with this text, as many as fit."""
    row = f"02.04.2026;{text};1,00\n"
    return HEAD + row * min(ROWS, (MOST_BYTES - 100) // len(row.encode()))


def files() -> Mapping[str, str]:
    """Return the worst files, by what is bad about them."""
    row = entry("12.00", details("Anna", "Abrechnung 1"))
    collective = [details("Anna", "x", "1.00") for _ in range(4_900)]
    return {
        "many numbers in a text": of_rows("Anna;" + "Abrechnun 7 " * 130),
        "a long word": of_rows("Anna;" + "a" * 1600),
        "the letters of a prefix": of_rows("Anna;" + "statement-" * 160),
        "one text of 90,000 letters": HEAD + f"02.04.2026;{'a' * 90_000};b;1,00\n" * 90,
        "columns": ";".join(f"c{n}" for n in range(200))
        + "\n"
        + f"{';'.join(['x(1'] * 200)}\n" * 4_900,
        "separators": HEAD + (";" * 1_650 + "\n") * ROWS,
        "quotation marks": HEAD + ('"a;' * 500 + "\n") * ROWS,
        "cells of twenty lines": HEAD + '02.04.2026;"' + ("x" * 1_600 + "\n") * ROWS,
        "one line": "a;b" * (MOST_BYTES // 3),
        "entries": camt(*[row] * ((MOST_BYTES - 2_000) // len(row))),
        "a collective entry": camt(entry("4900.00", *collective)),
        "details": camt(entry("1.00", "<TxDtls/>" * 460_000)),
        "nested": camt("<Ntry>" * 4_000 + "</Ntry>" * 4_000),
        "attributes": camt("<Ntry a='" + "x" * (MOST_BYTES - 2_000) + "'/>"),
        "texts": camt(entry("1.00", details("a" * 4_000_000, "7 " * 2_000_000))),
    }


def main() -> None:
    """Print the longest wait of a Heartbeat beside each file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "site.db")
        bill_sixteen(path)
        with serving(path) as server, Charger(server.port, "WB-1") as charger:
            charger.boot()
            for name, text in files().items():
                content = text.encode()[:MOST_BYTES]
                done = threading.Event()

                def give(content: bytes = content, done: threading.Event = done) -> None:
                    try:
                        api_of(server).send(
                            *("POST", "admin", "bank-files"),
                            body=content,
                            media_type="text/csv",
                        )
                    except EnvironmentProblem as problem:
                        print(f"  {str(problem)[:70]}")
                    done.set()

                begun = time.monotonic()
                threading.Thread(target=give).start()
                longest = 0.0
                while not done.is_set():
                    asked = time.monotonic()
                    charger.call("Heartbeat")
                    longest = max(longest, time.monotonic() - asked)
                    done.wait(0.02)
                took = time.monotonic() - begun
                size = len(content) / 2**20
                print(f"{name:28} {size:4.1f} MB read in {took:6.2f} s, Heartbeat {longest:5.3f} s")


if __name__ == "__main__":
    main()
