"""A bank's file from its proposals to the ledger: each line once, all lines of a tap or none."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from levity_trio.store.writes.money.ledger import forget
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.listeners import ENDPOINTS
from tests.bank.files import IBAN, camt, details, entry
from tests.store.bills import ANNA, BEN, Biller, charge, house_of_two
from tests.store.books import Station
from tests.web.api.conftest import Site

READ, TAKE = (
    next(one for one in ENDPOINTS if one.path == f"/api/admin/{name}")
    for name in ("bank-files", "bank-lines")
)
HEAD = "Buchungstag;Name;Verwendungszweck;IBAN;Betrag;Währung\n"


class Bank:
    """A site that billed March: Anna owes 12.00 by statement 1, and Ben 6.00 by statement 2."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.books = site.books
        house = house_of_two(self.books)
        biller = Biller(house)
        station = Station(self.books)
        charge(station, 40_000, "Card")
        charge(station, 20_000, "Ben")
        self.books.wait(40 * 24 * 60)
        biller.close("2026-03")

    async def read(self, content: str, **query: str) -> Any:
        return await self.site.call(READ, body=content.encode(), query=query, role=Role.OPERATOR)

    async def take(self, lines: Sequence[Any], *, rest: bool = False, fee: int = 0) -> Any:
        names = ("key", "day", "amount", "text", "payer", "to", "reference")
        taken = [{**{name: line[name] for name in names}, "fee": fee} for line in lines]
        body = {"lines": taken, "rest": rest}
        return await self.site.call(TAKE, body=body, role=Role.OPERATOR)

    @property
    def entries(self) -> list[Any]:
        return self.books.rows(
            "SELECT ledger.account_id, kind, amount, paid_on, source, reason, number FROM ledger "
            "LEFT JOIN statement ON statement.id = statement_id "
            "WHERE kind <> 'statement' ORDER BY ledger.id"
        )


@pytest.fixture
def bank(site: Site) -> Bank:
    return Bank(site)


def row(
    amount: str, text: str, name: str = "Anna", day: str = "02.04.2026", code: str = "EUR"
) -> str:
    return f"{day};{name};{text};{IBAN if name == 'Anna' else ''};{amount};{code}\n"


async def test_what_is_sure_is_proposed_and_entered_once(bank: Bank) -> None:
    text = HEAD + row("12,00", "Abrechnung 1") + row("6,00", "Miete", "Cem") + row("-9,90", "Strom")
    found = await bank.read(text)
    states = [(line["state"], line["to"], line["is_sure"]) for line in found["lines"]]
    assert states == [
        ("open", "statement:1", True),
        ("open", "statement:2", False),
        ("debit", "", False),
    ]
    assert not bank.entries
    assert found["households"] == {"1": "Anna", "2": "Ben"}
    owed = [(one["account"], one["number"], one["open"]) for one in found["open"]]
    assert owed == [(ANNA, "1", 1200), (BEN, "2", 600)]

    done = await bank.take(found["lines"][:1])
    assert done == {"entered": 1, "nobodys": 0}
    entered = [(ANNA, "payment", 1200, "2026-04-02", "bank file", "Abrechnung 1", 1)]
    assert bank.entries == entered

    # The same tap, and the same file.
    assert await bank.take(found["lines"][:1]) == {"entered": 0, "nobodys": 0}
    again = await bank.read(text)
    assert [line["state"] for line in again["lines"]] == ["entered", "open", "debit"]
    assert again["lines"][1]["to"] == "statement:2"
    assert bank.entries == entered

    # A file that overlaps has two lines equal to the first one: the second is a payment of its own.
    more = await bank.read(HEAD + row("12,00", "Abrechnung 1") * 2 + row("1,00", "x", "Ben"))
    assert [(line["state"], line["is_sure"]) for line in more["lines"]] == [
        ("entered", False),
        ("open", False),
        ("open", False),
    ]


async def test_two_equal_lines_are_two_payments(bank: Bank) -> None:
    found = await bank.read(HEAD + row("6,00", "Abrechnung 1") * 2)
    assert [line["to"] for line in found["lines"]] == ["statement:1", "statement:1"]
    # Each is a part of what is open.
    assert [line["is_sure"] for line in found["lines"]] == [False, False]
    assert (await bank.take(found["lines"]))["entered"] == 2
    assert sum(entry[2] for entry in bank.entries) == 1200
    again = await bank.read(HEAD + row("6,00", "Abrechnung 1") * 3)
    assert [line["state"] for line in again["lines"]] == ["entered", "entered", "open"]
    assert again["lines"][2]["seems_entered"]


async def test_a_month_in_another_format_is_not_entered_twice(bank: Bank) -> None:
    text = HEAD + row("12,00", "Abrechnung 1", day="02.03.2026")
    await bank.take((await bank.read(text))["lines"])
    paid = details("Anna", "Abrechnung 1")
    same = camt(entry("12.00", paid), entry("1.00"))
    seen, other = (await bank.read(same))["lines"]
    assert (seen["state"], other["state"]) == ("entered", "open")
    # What the bank wrote in other words is asked for, and names the earlier one.
    seen, other = (await bank.read(same.replace("Abrechnung 1", "ABR 1")))["lines"]
    assert (seen["state"], seen["account"], seen["is_sure"]) == ("open", ANNA, False)
    assert (seen["seems_entered"], other["seems_entered"]) == (True, False)
    # The owner knows better.
    assert (await bank.take([{**seen, "to": "account:1"}]))["entered"] == 1


async def test_an_entry_is_known_again_by_the_reference_of_the_bank(bank: Bank) -> None:
    """A report of the day and the statement of the night tell it in different words."""
    report = camt(entry("12.00", details("Anna", "Abrechnung 1"))).replace("053", "052")
    report = report.replace("Stmt>", "Rpt>")
    await bank.take((await bank.read(report))["lines"])
    again = entry("12.00", details("ANNA M.", "Abrechn"))
    other = entry("12.00", details("Anna", "Abrechnung 1")).replace("00931", "00932")
    found = (await bank.read(camt(again, other)))["lines"]
    assert [line["state"] for line in found] == ["entered", "open"]
    assert (found[1]["seems_entered"], found[1]["is_sure"]) == (True, False)
    # Alone in its file, it is no less a payment of its own.
    (alone,) = (await bank.read(camt(other)))["lines"]
    assert alone == found[1]
    await bank.take([{**alone, "to": "account:1"}])
    assert [line["state"] for line in (await bank.read(camt(other, again)))["lines"]] == [
        "entered",
        "entered",
    ]


async def test_a_day_ahead_of_today_is_not_booked(bank: Bank) -> None:
    found = await bank.read(HEAD + row("12,00", "Abrechnung 1", day="02.04.2037"))
    assert (found["lines"], found["pending"]) == ([], 1)


async def test_what_is_not_understood_is_shown_and_never_sure(bank: Bank) -> None:
    for code in ("XYZ", "?"):
        (line,) = (await bank.read(HEAD + row("12,00", "Abrechnung 1", code=code)))["lines"]
        assert (line["state"], line["to"], line["is_sure"]) == ("open", "statement:1", False)
        assert line["doubt"] == code


async def test_the_columns_of_a_file_without_names_are_not_kept(bank: Bank) -> None:
    text = "02.04.2026;Abrechnung 1;12,00\n03.04.2026;Abrechnung 2;6,00\n"
    found = await bank.read(text)
    assert (found["head"], found["lines"]) == (["1", "2", "3"], [])
    assert found["sample"][0] == ["02.04.2026", "Abrechnung 1", "12,00"]
    found = await bank.read(text, day="1", amount="3", text="2")
    assert [line["to"] for line in found["lines"]] == ["statement:1", "statement:2"]
    assert not bank.books.count("bank_columns")


async def test_a_household_does_not_bear_the_fee_of_a_return_unasked(bank: Bank) -> None:
    paid = details("Anna", "Abrechnung 1")
    await bank.take((await bank.read(camt(entry("12.00", paid))))["lines"])
    more = '<AmtDtls><InstdAmt><Amt Ccy="EUR">12.00</Amt></InstdAmt></AmtDtls><RtrInf/>'
    returned = camt(entry("17.00", details("Anna", "Abrechnung 1", more=more), side="DBIT"))
    (line,) = (await bank.read(returned))["lines"]
    assert (line["amount"], line["fee"], line["to"], line["is_sure"]) == (
        *(-1200, 500),
        *("statement:1", True),
    )
    await bank.take([line])
    assert [entry[1:3] for entry in bank.entries[1:]] == [("chargeback", -1200)]
    assert (await bank.read(returned))["lines"][0]["state"] == "entered"


async def test_the_fee_of_a_return_is_charged_on_as_it_is(bank: Bank) -> None:
    await bank.take((await bank.read(HEAD + row("12,00", "Abrechnung 1")))["lines"])
    text = HEAD + row("-15,50", "Rücklastschrift Abrechnung 1", day="05.04.2026")
    (line,) = (await bank.read(text))["lines"]
    assert (line["amount"], line["fee"], line["is_sure"]) == (-1200, 350, False)
    await bank.take([line], fee=350)
    assert [entry[1:4] for entry in bank.entries[1:]] == [
        ("chargeback", -1200, "2026-04-05"),
        ("correction", -350, "2026-04-05"),
    ]
    assert (await bank.read(text))["lines"][0]["state"] == "entered"


async def test_a_line_that_is_nobodys_is_not_asked_for_again(bank: Bank) -> None:
    found = await bank.read(HEAD + row("500,00", "Miete", "Cem") + row("3,00", "Pfand", "Dora"))
    first, second = found["lines"]
    done = await bank.take([{**first, "to": "nobody"}, {**second, "to": ""}])
    assert (done["entered"], done["nobodys"]) == (0, 1)
    again = await bank.read(HEAD + row("500,00", "Miete", "Cem") + row("3,00", "Pfand", "Dora"))
    assert [line["state"] for line in again["lines"]] == ["nobody", "open"]
    assert (await bank.take(again["lines"], rest=True))["nobodys"] == 1
    assert not bank.entries


async def test_lines_of_a_tap_are_entered_together_or_not_at_all(bank: Bank) -> None:
    found = await bank.read(HEAD + row("12,00", "Abrechnung 1") + row("6,00", "x", "Ben"))
    first, second = found["lines"]
    for wrong in ("statement:99", "account:99"):
        with pytest.raises(Problem):
            await bank.take([first, {**second, "to": wrong}])
        assert not bank.entries
        assert not bank.books.count("bank_line")


async def test_a_payer_is_known_again_by_his_account_until_he_is_forgotten(bank: Bank) -> None:
    found = await bank.read(HEAD + row("12,00", "Abrechnung 1"))
    await bank.take(found["lines"])
    # Oma pays from the account that paid for Anna before.
    text = HEAD + row("5,00", "Strom", "Oma").replace(";;5,00", f";{IBAN};5,00")
    (line,) = (await bank.read(text))["lines"]
    assert (line["account"], line["is_sure"]) == (ANNA, False)
    (payer,) = bank.books.rows("SELECT payer FROM bank_line")
    assert payer[0] not in (None, IBAN)

    bank.books.run(forget, ANNA)
    (line,) = (await bank.read(text))["lines"]
    assert line["account"] is None
    assert bank.books.rows("SELECT payer FROM bank_line") == [(None,)]


async def test_a_returned_payment_reopens_the_statement_that_it_had_settled(bank: Bank) -> None:
    paid = details("Anna", "Abrechnung 1")
    await bank.take((await bank.read(camt(entry("12.00", paid))))["lines"])
    assert [one["number"] for one in (await bank.read(HEAD))["open"]] == ["2"]
    returned = entry("12.00", paid, side="DBIT", more="<RvslInd>true</RvslInd>")
    (line,) = (await bank.read(camt(returned)))["lines"]
    assert (line["to"], line["is_sure"]) == ("statement:1", True)
    await bank.take([line])
    assert bank.entries[-1][:4] == (ANNA, "chargeback", -1200, "2026-03-02")
    assert bank.entries[-1][-1] == 1
    assert (await bank.read(HEAD))["open"][0]["open"] == 1200


async def test_money_paid_in_advance_is_a_top_up(bank: Bank) -> None:
    bank.books.connection.execute(
        "INSERT INTO wallet (account_id, limit_amount, prepaid_since) VALUES (2, 0, '2026-01-01')"
    )
    (line,) = (await bank.read(HEAD + row("50,00", "voraus", "Ben")))["lines"]
    await bank.take([{**line, "to": "account:2"}])
    assert bank.entries[0][:3] == (BEN, "top-up", 5000)


async def test_another_currency_is_said_and_not_taken(bank: Bank) -> None:
    (line,) = (await bank.read(HEAD + row("12,00", "Abrechnung 1", code="CHF")))["lines"]
    assert (line["state"], line["currency"], line["amount"]) == ("currency", "CHF", 1200)
    assert not line["to"]


async def test_chosen_columns_are_kept_for_the_next_file(bank: Bank) -> None:
    text = "Wann;Was;Wieviel\n02.04.2026;Abrechnung 1;12,00\n"
    assert (await bank.read(text))["lines"] == []
    found = await bank.read(text, day="Wann", amount="Wieviel", text="Was")
    assert [line["to"] for line in found["lines"]] == ["statement:1"]
    assert (await bank.read(text))["lines"] == found["lines"]


async def test_what_is_no_file_of_a_bank_is_refused_in_words(bank: Bank) -> None:
    for content in ("%PDF-1.7", ":20:STARTUMSE", "", camt().replace("053", "056")):
        with pytest.raises(Problem) as caught:
            await bank.read(content)
        assert caught.value.status == 422


async def test_a_bodys_texts_are_not_in_the_audit(bank: Bank) -> None:
    found = await bank.read(HEAD + row("12,00", "Abrechnung 1"))
    await bank.take(found["lines"])
    recorded = "".join(str(row) for row in bank.books.rows("SELECT * FROM operator_action"))
    recorded += "".join(str(row) for row in bank.books.rows("SELECT * FROM event"))
    assert "bank-lines" in recorded or "wallet" in recorded.lower()
    for personal in (IBAN, "Abrechnung 1", found["lines"][0]["payer"]):
        assert personal not in recorded


amounts = st.lists(st.integers(1, 3000), min_size=1, max_size=8)


@given(amounts, st.data())
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_what_is_entered_is_what_was_taken(bank: Bank, cents: list[int], data: Any) -> None:
    texts = st.sampled_from(["Abrechnung 1", "Abrechnung 2", "x"])
    rows = [row(f"{cent // 100},{cent % 100:02d}", data.draw(texts)) for cent in cents]
    before = sum(entry[2] for entry in bank.entries)
    found = await bank.read(HEAD + "".join(rows))
    chosen = [
        {**line, "to": data.draw(st.sampled_from(["statement:1", "account:2", "nobody", ""]))}
        for line in found["lines"]
    ]
    fresh = [
        line for line in chosen if line["state"] == "open" and line["to"] not in ("", "nobody")
    ]
    done = await bank.take(chosen)
    expected = sum(line["amount"] for line in fresh)
    assert done["entered"] == len(fresh)
    assert sum(entry[2] for entry in bank.entries) - before == expected
    assert Decimal(expected) >= 0
