"""Households over HTTP: as an operator makes them, and as a viewer does not see them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.browsing import PASSWORD, Browser, Page, log_in
from tests.integration.charger import Charger, now
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

LONG_AGO = "2026-01-01"
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(
        tmp_path_factory.mktemp("households") / "site.db", "--time-zone", "Europe/Berlin"
    ) as running:
        for role in ("operator", "viewer"):
            given = {"name": role, "role": role, "password": PASSWORD}
            api_of(running).ask("POST", "admin", "users", given=given)
        yield running


def make(browser: Browser, name: str) -> Page:
    """Make a household by its form; return its page."""
    listed = browser.send(
        browser.get("/do/post/admin/accounts?next=/accounts").form("/do/post"),
        name=name,
        since=LONG_AGO,
    )
    assert (listed.status, listed.path) == (200, "/accounts")
    (link,) = [
        one for one in browser.get("/accounts", search=name).links if one.startswith("/accounts/")
    ]
    return browser.get(link)


def test_nobody_lives_here_yet(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("empty") / "site.db") as running:
        assert "There is no household yet" in Browser(running).get("/accounts").words


def test_a_household_gets_a_tag_and_its_sessions(server: Serving) -> None:
    operator = log_in(server, "operator")
    page = make(operator, "Anna")
    assert "Nothing yet" in page.words
    page = operator.send(operator.get(_give(page)).form("/give"), tag="04AA", since=LONG_AGO)
    assert "Done: Give a household" in page.words
    assert "/tags/04AA" in page.links
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("04AA", 0)
        charger.call("StopTransaction", transactionId=transaction, meterStop=5000, timestamp=now())
    page = operator.get(page.path)
    assert "5.00 kWh" in page.words


def _give(page: Page, what: str = "card") -> str:
    return next(one for one in page.links if f"/give?what={what}&" in one)


def test_a_charger_that_belongs_to_a_household_has_its_name(server: Serving) -> None:
    operator = log_in(server, "operator")
    with Charger(server.port, "CP-7") as charger:
        charger.boot()
    api_of(server).ask("PUT", "admin", "chargers", "CP-7", given={"name": "Space 7"})
    page = make(operator, "Clara")
    giving = operator.get(_give(page, "space"))
    assert [name for name in giving.form("/give").names if name == "place"]
    page = operator.send(giving.form("/give"), place="CP-7/0", since=LONG_AGO)
    assert "✓ Done: Give a household a card, space or car" in page.words
    assert "Spaces Space 7" in page.words
    assert "for this household only" in page.words

    # Whoever gets it next is told from whom it is taken.
    giving = operator.get(_give(make(operator, "Emil"), "space"))
    assert "Space 7 · now of Clara, who loses it" in giving.words


def test_a_space_may_be_a_connector(server: Serving) -> None:
    operator = log_in(server, "operator")
    with Charger(server.port, "CP-8") as charger:
        charger.boot()
        for connector in (1, 2):
            charger.call(
                "StatusNotification",
                connectorId=connector,
                errorCode="NoError",
                status="Available",
            )
    giving = operator.get(_give(make(operator, "Fritz"), "space"))
    assert "CP-8, connector 1" in giving.words
    page = operator.send(giving.form("/give"), place="CP-8/2", exclusive="false")
    assert "connector 2" in page.words
    assert "for everybody" in page.words


def test_a_car_is_added_by_its_name(server: Serving) -> None:
    operator = log_in(server, "operator")
    page = make(operator, "Gerd")
    page = operator.send(operator.get(_give(page, "car")).form("/vehicles"), name="Gerd's van")
    assert page.path.startswith("/accounts/")
    assert "Cars Gerd's van" in page.words


def test_what_is_taken_away_stands_under_what_did_belong(server: Serving) -> None:
    operator = log_in(server, "operator")
    page = make(operator, "Bert")
    page = operator.send(operator.get(_give(page)).form("/give"), tag="04BB")
    taking = next(one for one in page.links if "/take?" in one)
    page = operator.send(operator.get(taking).form("/take"), reason="lost it")
    assert "Earlier ones" in page.words
    assert "lost it" in page.words


def test_money_stands_with_its_currency(server: Serving) -> None:
    operator = log_in(server, "operator")
    page = make(operator, "Carl")
    form = operator.get(next(one for one in page.links if "/top-up?" in one)).form("/top-up")
    page = operator.send(form, amount="25,00", currency="EUR", reason="cash")
    assert "25.00" in page.words
    assert "cash" in page.words


def test_moving_out(server: Serving) -> None:
    operator = log_in(server, "operator")
    page = make(operator, "Dora")
    leaving = next(one for one in page.links if "/move-out?" in one)
    page = operator.send(operator.get(leaving).form("/move-out"), until="2026-01-31")
    assert "moved out on Sat 31 Jan" in page.words
    changing = next(one for one in page.links if "/do/patch/" in one)
    form = operator.get(changing).form("/do/patch/")
    assert form.values["until"] == "2026-01-31"
    page = operator.send(form, until="2026-01-30")
    assert "moved out on Fri 30 Jan" in page.words
    assert not [one for one in page.links if "/move-out?" in one]
    assert "/last-bill" in " ".join(page.links)
    assert not [one for one in page.links if "/personal?" in one], "only an admin deletes names"


def test_hostile_names_stay_text(server: Serving) -> None:
    operator = log_in(server, "operator")
    page = make(operator, HOSTILE)
    assert HOSTILE in page.words
    assert all("src" in given for tag, given in page.tags if tag == "script")


@pytest.mark.parametrize("path", ["/accounts", "/accounts/1", "/bills", "/tariffs"])
def test_a_viewer_is_told_that_this_is_not_for_viewers(server: Serving, path: str) -> None:
    page = log_in(server, "viewer").get(path)
    assert page.status == 403
    assert "needs the role operator" in page.words
    assert path not in page.links


def test_a_household_that_is_not_there(server: Serving) -> None:
    page = log_in(server, "operator").get("/accounts/4711")
    assert page.status == 404
    assert "There is no household 4711" in page.words
