"""A file of 40 lines for 16 households: its pages by forms alone, and kill -9 while it is taken."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from levity_trio.config import EnvironmentProblem
from tests.bank.files import camt, details, entry
from tests.integration.browsing import Browser
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving
from tests.store.bills import Biller, charge, month_is_over
from tests.store.books import Books, Station
from tests.store.owning import House
from tests.store.template import new_database

ROUNDS: Final = int(os.environ.get("KILL_ROUNDS", "2"))
LONGEST_SECONDS: Final = 0.1
NAMES: Final = "Anna Ben Cem Dora Emil Fatma Georg Hanna Ida Jan Karla Leo Mia Nils Olga Paul"
FORM: Final = "/do/post/admin/bank-files"
DECIDED: Final = ("key", "day", "amount", "text", "payer", "to")


def bill_sixteen(path: Path) -> str:
    """Bill March for 16 households; return a file of their payments among others'."""
    with new_database(path) as connection:
        books = Books(connection)
        month_is_over(books, 2)
        house = House(books)
        names = NAMES.split()
        for number, name in enumerate(names, 1):
            account = number if number <= books.count("account") else house.add(name)
            house.give(account, name)
        biller, station = Biller(house), Station(books)
        for number, name in enumerate(names, 1):
            charge(station, 20_000 + 1370 * number, name)
        month_is_over(books, 3)
        biller.close("2026-03")
        owed = books.rows("SELECT number, account_id, total FROM statement ORDER BY number")
    lines = ["Buchungstag;Name;Verwendungszweck;Betrag"]
    for number, account, total in owed:
        amount = f"{total // 100},{total % 100:02d}"
        lines.append(f"02.04.2026;{names[account - 1]} Meier;Abrechng. {number};{amount}")
    lines += [f"03.04.2026;Firma {n};Garage {n};{50 + n},00" for n in range(4)]
    lines += [f"03.04.2026;Stadtwerke;Strom {n};-{30 + n},90" for n in range(20)]
    return "\n".join(lines)


def test_forty_lines_are_entered_with_few_taps(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    text = bill_sixteen(path)
    with serving(path) as server:
        browser = Browser(server)
        # Bills, Payments, the button, the file, Read, Enter: six taps from Now.
        page = browser.get("/payments")
        (link,) = [link for link in page.links if link.startswith(FORM)]
        page = browser.upload(browser.get(link.partition("?")[0]).form(FORM), text.encode("cp1252"))
        assert "Sure: 16" in page.words
        assert "Please choose: 4" in page.words
        assert "What you paid: 20" in page.words
        assert not server.query("SELECT 1 FROM ledger WHERE kind = 'payment'")
        page = browser.send(page.form("/do/post/admin/bank-lines"), rest="true")
        assert page.path == "/payments"
        assert "Entered: 16. No payments of households: 4" in page.words
        assert not server.query("SELECT 1 FROM settlement WHERE paid < asked")

        page = browser.upload(browser.get(FORM).form(FORM), text.encode())
        assert "Nothing is left to decide in this file." in page.words
        assert "Entered before: 16" in page.words

        # The same payment by another file of the bank.
        again = camt(entry("6.41", details("Anna", "x"))).replace("03-02", "04-02")
        page = browser.upload(browser.get(FORM).form(FORM), again.encode())
        assert "it seems entered before: Anna, same day and amount" in page.words

        page = browser.upload(browser.get(FORM).form(FORM), b"%PDF-1.7")
        assert (page.status, "This is PDF" in page.words) == (422, True)
        assert "Nothing was done." in page.words


def test_a_return_of_a_paid_statement_opens_it_again(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    text = bill_sixteen(path)
    returned = (
        "Buchungstag;Name;Verwendungszweck;Betrag\n"
        "05.04.2026;Anna Meier;Rücklastschrift Abrechnung 1;-6,41\n"
        "05.04.2026;Ben Meier;Rücklastschrift Abrechnung 2;-9,32\n"
    )
    with serving(path) as server:
        browser = Browser(server)
        page = browser.upload(browser.get(FORM).form(FORM), text.encode())
        browser.send(page.form("/do/post/admin/bank-lines"))
        page = browser.upload(browser.get(FORM).form(FORM), returned.encode())
        assert "Sure: 1" in page.words
        assert "the bank took this back" in page.words
        # The second one took a fee, which nobody is asked for unless the owner says so.
        assert "The bank took 2.50 EUR for it: the household bears that" in page.words
        form = page.form("/do/post/admin/bank-lines")
        page = browser.send(form, **{"lines[1].to": "statement:2"})
        assert "Entered: 2" in page.words
        opened = server.query(
            "SELECT number, asked - paid FROM settlement "
            "JOIN statement ON statement.id = statement_id WHERE paid < asked ORDER BY number"
        )
        assert opened == [(1, 641), (2, 682)]


def test_columns_are_chosen_once(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    bill_sixteen(path)
    text = b"Wann;Wieviel;Wer\n02.04.2026;1,00;Anna\n"
    with serving(path) as server:
        browser = Browser(server)
        page = browser.upload(browser.get(FORM).form(FORM), text)
        assert "Say once which column is what." in page.words
        assert "02.04.2026 1,00 Anna" in page.words
        form = page.form(FORM)
        chosen = {"?day": "Wann", "?amount": "Wieviel", "?name": "Wer"}
        form.values |= chosen
        page = browser.upload(form, text)
        assert "Please choose: 1" in page.words
        page = browser.upload(browser.get(FORM).form(FORM), text)
        assert "Please choose: 1" in page.words


def read(server: Serving, text: str) -> Sequence[Any]:
    body = text.encode()
    answer = api_of(server).send("POST", "admin", "bank-files", body=body, media_type="text/csv")
    lines = json.loads(answer)["lines"]
    return [
        {name: line[name] for name in DECIDED}
        for line in lines
        if line["state"] == "open" and line["is_sure"]
    ]


def test_kill_9_leaves_all_lines_of_a_tap_or_none(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    text = bill_sixteen(path)
    entered: set[int] = set()
    for _ in range(ROUNDS):
        with serving(path) as server:
            lines = read(server, text)
            # What was not entered is proposed again, all of it.
            assert len(lines) == (0 if entered == {16} else 16)

            def take(server: Serving = server, lines: Sequence[Any] = lines) -> None:
                with suppress(EnvironmentProblem):  # it was killed
                    api_of(server).ask("POST", "admin", "bank-lines", given={"lines": lines})

            working = threading.Thread(target=take)
            working.start()
            working.join(random.uniform(0, LONGEST_SECONDS))
            server.kill()
            working.join()
        entered = {count_of_entries(path)}
        assert entered <= {0, 16}
    with serving(path) as server:
        if lines := read(server, text):
            api_of(server).ask("POST", "admin", "bank-lines", given={"lines": lines})
        assert not server.query("SELECT 1 FROM settlement WHERE paid < asked")
    assert count_of_entries(path) == 16


def count_of_entries(path: Path) -> int:
    with new_database(path) as connection:
        sql = "SELECT count(*) FROM ledger WHERE kind = 'payment'"
        return int(connection.execute(sql).fetchone()[0])
