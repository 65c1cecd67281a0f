"""The review page: each answer through its form, with its effect; second answers; hostile texts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest

from levity_trio.web.dashboard.titles import TAGS
from tests.integration.browsing import Browser, Form, Page
from tests.integration.charger import Charger, now
from tests.integration.serving import Serving, serving

HOSTILE = '"><script>alert'
FLAGS = ("--unknown-tags", "ask", "--registration", "ask")
TAG = "04A1B2C3"
BEGINS = count(1_000_000, 10_000)
"""Registers at the start of sessions: a start with the same values would be a repeated one."""
DECIDED = "Nothing was done. Somebody has decided this already"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("review") / "site.db", *FLAGS) as running:
        browser = Browser(running)
        form = browser.get("/do/post/admin/chargers").form("/do/post/admin/chargers")
        browser.send(form, id="CP-1", name="Space <4>")
        form = browser.get("/do/post/admin/id-tags").form("/do/post/admin/id-tags")
        browser.send(form, id_tag=TAG, name="Anna")
        yield running


@pytest.fixture
def charger(server: Serving) -> Iterator[Charger]:
    with Charger(server.port, "CP-1") as one:
        one.boot()
        yield one


def doubtful(charger: Charger, wh: int = 4000) -> int:
    """Return a session with a second stop, which can be confirmed, corrected and dismissed."""
    begin = next(BEGINS)
    number = charger.start(TAG, begin)
    for meter in (begin + wh, begin + wh + 100):
        charger.call("StopTransaction", transactionId=number, meterStop=meter, timestamp=now())
    return number


def entry(page: Page, name: str) -> Form:
    """Return the form of an entry: its actions have this name."""
    return page.form(name)


def session(browser: Browser, number: int) -> Form:
    return entry(browser.get("/review"), f"/transactions/{number}/")


def figure(server: Serving, number: int) -> tuple[object, ...]:
    (row,) = server.query(
        "SELECT energy_delivered, confidence, review FROM tx WHERE id = ?", number
    )
    return row


def reason(server: Serving, number: int) -> str:
    rows = server.query(
        "SELECT reason FROM tx_event WHERE tx_id = ? ORDER BY id DESC LIMIT 1", number
    )
    return str(rows[0][0])


class TestSessions:
    def test_a_figure_is_confirmed_with_the_reason_that_was_proposed(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        number = doubtful(charger)
        page = browser.press(session(browser, number), "Confirm 4.0 kWh")
        assert page.path == "/review"
        assert "Confirmed: 4.0 kWh" in page.words
        assert figure(server, number) == (4000, "certain", None)
        assert reason(server, number) == "looked at: a second stop came"
        assert f"/transactions/{number}/" not in page.html

    def test_it_does_not_matter(self, server: Serving, browser: Browser, charger: Charger) -> None:
        number = doubtful(charger)
        browser.press(session(browser, number), "Does not matter", reason="a test")
        assert figure(server, number)[2] is None
        assert reason(server, number) == "a test"

    def test_another_figure_is_one_button_if_it_is_possible(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        number = charger.start(TAG, 900_000)
        charger.call("StopTransaction", transactionId=number, meterStop=12_000, timestamp=now())
        form = session(browser, number)
        (other,) = [one for one in form.buttons if one.words.startswith("It was")]
        page = browser.press(form, other.words)
        assert page.status == 422
        assert "No charger delivers 112 kWh in 0 h 0 min" in page.words
        correct = page.form("/correct")
        assert correct.values["figure_wh"] == other.values["figure_wh"] == "112.000"
        begun = datetime.now(UTC) - timedelta(hours=1)
        assert browser.send(correct, start_time=begun.isoformat()).status == 200
        assert figure(server, number) == (112_000, "certain", None)

    def test_an_answer_after_that_of_somebody_else(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        number = doubtful(charger)
        seen = session(browser, number)
        correct = browser.get(f"/do/post/admin/transactions/{number}/correct", next="/review").form(
            "/correct"
        )
        browser.send(correct, figure_wh="3", reason="read at the meter")
        page = browser.press(seen, "Confirm 4.0 kWh")
        assert page.path == "/review"
        assert DECIDED in page.words
        assert figure(server, number)[0] == 3000

    def test_an_answer_to_what_has_changed_meanwhile(
        self, browser: Browser, charger: Charger
    ) -> None:
        number = doubtful(charger)
        seen = session(browser, number)
        browser.press(seen, "Does not matter", reason="a test")
        page = browser.press(seen, "Confirm 4.0 kWh")
        assert (
            "✕ Nothing was done. This session has changed since you looked: look again."
            in page.words
        )
        assert "newest event" not in page.words

    def test_several_with_one_cause_are_settled_by_two_clicks(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        numbers = [doubtful(charger), doubtful(charger)]
        link = next(
            one for one in browser.get("/review").links if one == "/review/CP-1/second_stop"
        )
        page = browser.get(link)
        page = browser.press(page.form("/review/groups/"), "Settle")
        assert page.path == link
        assert "No session is waiting for this reason any more." in page.words
        assert "It will wait for you again." in page.words
        for number in numbers:
            assert figure(server, number) == (4000, "certain", None)
            assert reason(server, number) == "looked at: a second stop came"

    def test_without_a_reason_nothing_is_done(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        number = doubtful(charger)
        page = browser.press(session(browser, number), "Confirm", reason=" ")
        assert "Nothing was done" in page.words
        assert figure(server, number)[2] is not None


class TestMessages:
    def unlinked(
        self, server: Serving, charger: Charger, meter: object = "many"
    ) -> tuple[int, int]:
        number = charger.start(TAG, next(BEGINS))
        charger.call("StopTransaction", transactionId=17, meterStop=meter, timestamp=now())
        ((message,),) = server.query("SELECT max(id) FROM set_aside")
        return number, int(message)

    def test_a_message_is_attached(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        number, message = self.unlinked(server, charger, HOSTILE)
        page = browser.get("/review", kind="message")
        assert HOSTILE in page.words  # as text, and no element
        assert all("src" in given for tag, given in page.tags if tag == "script")
        page = browser.press(entry(page, f"/set-aside/{message}/"), f"It belongs to {TAG}")
        assert "Nothing was done" in page.words  # its register cannot be read: the form asks for it
        ((begin,),) = server.query("SELECT meter_start FROM tx WHERE id = ?", number)
        page = browser.send(page.form("/attach"), meter_stop_wh=f"{(begin + 500) / 1000:.3f}")
        assert page.path == "/review?kind=message"
        assert f"/set-aside/{message}/" not in page.html
        assert figure(server, number)[0] == 500

    def test_a_message_does_not_matter(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        number, message = self.unlinked(server, charger, 5)
        form = entry(browser.get("/review"), f"/set-aside/{message}/")
        assert "does not matter" in browser.press(form, "Does not matter").words
        assert server.query("SELECT resolution FROM set_aside WHERE id = ?", message) == [
            ("dismissed",)
        ]
        page = browser.press(form, f"It belongs to {TAG}")
        assert (page.path, DECIDED in page.words) == ("/review", True)
        charger.call("StopTransaction", transactionId=number, meterStop=1001, timestamp=now())


class TestChargers:
    @pytest.mark.parametrize(
        ("name", "answer", "then"), [("NEW-1", "Adopt", "adopted"), ("new&2", "Refuse", "refused")]
    )
    def test_a_newcomer_is_decided_once(
        self, server: Serving, browser: Browser, name: str, answer: str, then: str
    ) -> None:
        with Charger(server.port, name.replace("&", "%26")) as newcomer:
            newcomer.boot()
            form = browser.get("/review", kind="charger").form(
                f"/chargers/{name.replace('&', '%26')}/"
            )
            other = {"Adopt": "Refuse", "Refuse": "Adopt"}[answer]
            assert f"{name} is {then}" in browser.press(form, answer).words
            page = browser.press(form, other)
        assert DECIDED in page.words
        assert server.query("SELECT registration FROM cp WHERE id = ?", name) == [(then,)]


class TestTags:
    def asked(self, browser: Browser, charger: Charger, tag: str) -> Form:
        charger.call("Authorize", idTag=tag)
        charger.boot()  # is stored after it
        (found,) = [
            one
            for one in browser.get("/review", kind="tag").forms
            if one.values.get("id_tag") == tag
        ]
        return found

    @pytest.mark.parametrize(
        ("tag", "answer", "status"),
        [("ASK-1", "Add", "Accepted"), (HOSTILE, "Block", "Blocked"), ("#a/b?", "Add", "Accepted")],
    )
    def test_a_tag_is_added_or_blocked(
        self,
        server: Serving,
        browser: Browser,
        charger: Charger,
        tag: str,
        answer: str,
        status: str,
    ) -> None:
        form = self.asked(browser, charger, tag)
        page = browser.press(form, answer, name="Tom")
        assert f"Added: {tag} {TAGS[status]}" in page.words
        assert server.query("SELECT status, name FROM tag WHERE id_tag = ?", tag) == [
            (status, "Tom")
        ]
        assert DECIDED in browser.press(form, "Block").words

    def forgetting(self, browser: Browser, charger: Charger, tag: str) -> Form:
        self.asked(browser, charger, tag)
        wanted = f"delete/admin/asked-id-tags/{quote(tag, safe='')}"
        forms = browser.get("/review", kind="tag").forms
        (found,) = [one for one in forms if one.values.get("form-target") == wanted]
        return found

    @pytest.mark.parametrize("tag", ["ASK-2", "#?%2f", "<b>", "../chargers/CP-9"])
    def test_a_tag_is_forgotten(
        self, server: Serving, browser: Browser, charger: Charger, tag: str
    ) -> None:
        form = self.forgetting(browser, charger, tag)
        assert f"Forgotten: {tag}" in browser.send(form).words
        assert server.query("SELECT 1 FROM asked_tag WHERE id_tag = ?", tag) == []
        assert DECIDED in browser.send(form).words

    def test_a_tag_leads_no_form_elsewhere(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        """A browser, or a proxy, takes `..` for a step back."""
        form = self.forgetting(browser, charger, "../chargers/CP-8")
        browser.send(browser.get("/do/post/admin/chargers").form("/do/post"), id="CP-8")
        assert "/../" not in form.action
        assert browser.ask("POST", "/do/delete/admin/chargers/CP-8", form.values).status == 403
        assert server.query("SELECT hidden_at FROM cp WHERE id = 'CP-8'") == [(None,)]

    def test_a_tag_is_given_to_a_household(
        self, server: Serving, browser: Browser, charger: Charger
    ) -> None:
        path = "/do/post/admin/accounts"
        browser.send(browser.get(path).form(path), name="Family <b>")
        page = browser.press(self.asked(browser, charger, "ASK/3"), "household")
        assert page.path == "/tags/ASK%2F3?give=true"
        page = browser.press(page.form("Family <b>"), "Family <b>")
        assert page.path == "/tags/ASK%2F3"
        assert server.query("SELECT id_tag FROM ownership WHERE until IS NULL") == [("ASK/3",)]
        assert "Household Family <b>" in page.words


def test_only_one_kind_is_shown(browser: Browser, charger: Charger) -> None:
    doubtful(charger)
    assert "A second stop came" in browser.get("/review", kind="session").words
    assert "A second stop came" not in browser.get("/review", kind="tag").words


def test_where_nothing_waits(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db") as running:
        assert "Nothing is waiting for you." in Browser(running).get("/review").words
