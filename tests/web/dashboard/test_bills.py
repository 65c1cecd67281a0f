"""Pages of bills as each role sees them, while a preview is made, and money as it is typed and
written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from levity_trio.store.reads.money.months import MonthState
from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard import money
from levity_trio.web.dashboard.page import ApiOfPages, DashboardPage, PageView
from levity_trio.web.dashboard.pages import bills, tariffs
from levity_trio.web.dashboard.templating import Templates

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MONTH = {
    "month": "2026-10",
    "state": MonthState.READY,
    "since": "2026-10-01T00:00:00.000Z",
    "sessions": 3,
    "corrections": 0,
    "until": "2026-11-01T00:00:00.000Z",
    "energy_wh": 1000,
    "parts": [],
    "costs": [],
    "carried_in": None,
    "before_wh": 0,
    "later_wh": 0,
    "billed_wh": None,
    "earlier_wh": None,
    "held_back": 0,
    "closed_at": None,
}
SUMS = {
    "statements": 12,
    "sessions": 30,
    "energy_wh": 4_000_000,
    "earlier_wh": 0,
    "charged": 120_433,
    "from_wallets": 0,
    "carried_in": 0,
    "to_pay": 120_433,
    "corrections": 0,
    "held_back": 0,
    "held_back_wh": 0,
    "unpriced": 0,
    "unpriced_wh": 0,
    "nobody": 0,
    "nobody_wh": 0,
    "currency": "EUR",
}
FIRST = {
    "chargers": 1,
    "has_biller": True,
    "has_bank_account": True,
    "accounts": 1,
    "accounts_with_tag_or_space": 1,
    "account_without": None,
    "tariffs": 1,
    "tariff_unassigned": None,
    "begun_on": "2026-10-01",
    "is_ready": True,
}
NOTHING: Mapping[str, Any] = {
    "data": [],
    "page": 1,
    "limit": 50,
    "total": None,
    "next_cursor": None,
}
DRAFT = "/api/admin/drafts/2026-10"
PREVIEW = {"sums": SUMS, "data": [], "held_back": [], "missing": []}
READ: Mapping[str, Any] = {
    **dict.fromkeys(
        ("read_statements", "read_wallets", "read_months", "tariffs", "assignments"), NOTHING
    ),
    **dict.fromkeys(
        ("held_back_of_month", "accounts_with_mail", "lacks_of_closed", "to_pay_out"), ()
    ),
}
ANSWERS: Mapping[str, Any] = {
    "read_month": MONTH,
    "read_billing": {"open_month": "2026-10"},
    "first_bill": FIRST,
    DRAFT: PREVIEW,
}
EVERY_PAGE = (*bills.PAGES, *tariffs.PAGES)


class Told:
    """A snapshot in which each read of the store finds what is told of it, by its name."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    async def look(self, read: Any, *, sees_all: bool) -> Any:
        return read(self)

    def __call__(self, read: Any, *_args: object, **_given: object) -> Any:
        return {} if read.__name__ == "names" else _record(self._told[read.__name__])


def _record(told: Any) -> Any:
    if isinstance(told, Mapping):
        return SimpleNamespace(**{name: _record(one) for name, one in told.items()})
    return [_record(one) for one in told] if isinstance(told, list | tuple) else told


def view_of(
    role: Role, path: Mapping[str, str], answers: Mapping[str, Any], **query: str
) -> PageView:
    """Return a look at a page, for which the API and the store answer this."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send(
            {
                "type": "http.response.body",
                "body": orjson.dumps(answers.get(scope["path"], NOTHING)),
            }
        )

    server: Any = SimpleNamespace(
        config=SimpleNamespace(mail="smtp", time_zone=UTC), now=lambda: NOW, stamp=str
    )
    told: Any = Told({**READ, **answers})
    api = ApiOfPages(app, {(one.method, one.path): one for one in ENDPOINTS}, server, told)
    return PageView(api=api, caller=Caller("anna", role, "127.0.0.1"), path=path, query=query)


async def shown(
    path: str, role: Role = Role.ADMIN, answers: Mapping[str, Any] = ANSWERS, **query: str
) -> str:
    """Return the HTML of a page of October."""
    (page,) = [one for one in EVERY_PAGE if one.path == path]
    view = view_of(role, {"month": "2026-10"}, answers, **query)
    frame = {
        "page": page,
        "sections": [],
        "assets": defaultdict(str),
        "site": "Bauhof",
        "notes": (),
    }
    values = {**frame, "zone_name": "UTC", "guests": None, **await page.read(view)}
    return Templates(base="", zone=UTC).render(page.template, view, NOW, values)


async def test_closing_is_asked_once_with_what_it_does() -> None:
    html = await shown("/bills/{month}")
    assert "Close October 2026: 12 statements, 1\u202f204.33\xa0EUR. This cannot be undone." in html
    assert '<input type="hidden" name="statements" value="12">' in html
    assert '<input type="hidden" name="charged" value="120433">' in html


async def test_a_closed_month_keeps_a_line_for_what_is_nobodys() -> None:
    closed = {
        **MONTH,
        "state": MonthState.CLOSED,
        "statements": 0,
        "amount": 0,
        "currency": "EUR",
        "closed_by": "anna",
    }
    closed["from_wallets"] = 0
    closed["closed_at"] = MONTH["until"]
    nobody = {"state": "nobody's", "sessions": 27, "energy_wh": 860_100, "costs": []}
    answers = {"read_month": {**closed, "parts": [nobody]}}
    html = await shown("/bills/{month}", answers=answers)
    assert "27 sessions are nobody's (860.1 kWh), so they are not on a statement." in html
    query = "bill=nobody%27s&amp;ended_since=2026-10-01&amp;ended_before=2026-10-31"
    assert f'href="/sessions?{query}"' in html
    assert "nobody" not in await shown("/bills/{month}", answers={"read_month": closed})


async def test_the_button_says_how_many_statements_are_mailed_and_who_has_no_address() -> None:
    month = {
        **MONTH,
        "state": MonthState.CLOSED,
        "statements": 2,
        "amount": 64,
        "from_wallets": 0,
        "currency": "EUR",
    }
    month |= {"closed_by": "anna", "closed_at": MONTH["until"]}
    each = {
        "energy_wh": 1000,
        "amount": 32,
        "total": 32,
        "currency": "EUR",
        "carried_in": 0,
        "is_carried": False,
        "state": "open",
        "open": 32,
        "credit": 0,
        "due_on": "2026-11-14",
        "reminded_at": None,
        "supplemented_at": None,
    }
    both = [
        {
            **each,
            "number": number,
            "printed_number": str(number),
            "account": number,
            "name": name,
        }
        for number, name in ((1, "Anna"), (2, "Ben"))
    ]
    answers = {
        "read_month": month,
        "read_statements": {**NOTHING, "data": both},
        "accounts_with_mail": [1],
    }
    html = await shown("/bills/{month}", answers=answers)
    assert ">Mail 1 statement</button>" in html
    assert "What was mailed is not mailed again. Without a mail address: Ben." in html
    assert "/mail" not in await shown(
        "/bills/{month}", answers={**answers, "accounts_with_mail": []}
    )


async def test_what_wallets_pay_of_a_month_is_said() -> None:
    """The statements add up to less than the month, because the charges of prepaid households are
    paid already."""
    closed = {
        **MONTH,
        "state": MonthState.CLOSED,
        "statements": 3,
        "amount": 3625,
        "from_wallets": 170,
    }
    month = {**closed, "currency": "EUR", "closed_by": "anna", "closed_at": MONTH["until"]}
    answers = {"read_month": month, "read_history": {"series": []}}
    assert "1.70\xa0EUR of this come from wallets" in await shown("/bills/{month}", answers=answers)


async def test_a_total_is_said_once_where_nothing_was_carried_in() -> None:
    each = {
        "id": 9,
        "account": 1,
        "name": "Anna",
        "sessions": 1,
        "energy_wh": 1000,
        "amount": 32,
        "total": 32,
    }
    each |= {
        "currency": "EUR",
        "carried_in": 0,
        "held_back": 0,
        "unpriced": 0,
        "corrections": 0,
        "is_carried": False,
    }
    rows = {DRAFT: {**PREVIEW, "data": [each]}}
    html = await shown("/bills/{month}", answers={**ANSWERS, **rows})
    assert "Total, EUR" in html
    assert ('data-unit=" EUR"' in html, "Carried in" in html) == (False, False)
    carried = {**each, "carried_in": 5}
    rows = {DRAFT: {**PREVIEW, "data": [each, carried]}}
    html = await shown("/bills/{month}", answers={**ANSWERS, **rows})
    assert ('data-unit=" EUR"' in html, "Carried in" in html) == (True, True)


async def test_an_operator_sees_no_button_that_is_an_admins() -> None:
    assert "/do/post/admin/closings" not in await shown("/bills/{month}", Role.OPERATOR)
    unready = {
        **ANSWERS,
        "first_bill": {**FIRST, "has_biller": False, "begun_on": None, "is_ready": False},
    }
    for path in ("/bills", "/tariffs"):
        html = await shown(path, Role.OPERATOR, unready)
        for changed in ("/do/put/admin/biller", "/do/put/admin/billing", "/do/post/admin/tariff"):
            assert changed not in html
        assert "/do/p" in await shown(path, Role.ADMIN, unready)


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: page.path)
def test_viewers_see_neither_bills_nor_money(page: DashboardPage) -> None:
    assert page.role >= Role.OPERATOR


@pytest.mark.parametrize(
    ("text", "code", "minor"),
    [
        ("5.00", "EUR", 500),
        ("5,5", "EUR", 550),
        (" 7 ", "EUR", 700),
        ("0", "EUR", 0),
        ("12", "JPY", 12),
        ("1.234", "KWD", 1234),
    ],
)
def test_amounts_are_understood_as_people_type_them(text: str, code: str, minor: int) -> None:
    assert money.minor_of(text, code) == minor


@pytest.mark.parametrize(
    "text", ["five", "", "0.005", "1e99", "NaN", "Infinity", "1_000.001", "0.30000000000000004"]
)
def test_other_amounts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"give an amount such as 5\.00"):
        money.minor_of(text, "EUR")


def test_money_is_written_with_the_decimals_of_its_currency() -> None:
    assert money.money(120_433, "EUR") == "1\u202f204.33\xa0EUR"
    assert money.money(-5, "EUR") == "−0.05\xa0EUR"
    assert money.money(1204, "JPY") == "1\u202f204\xa0JPY"
    assert money.money(None, "EUR") == money.amount(0, None) == "–"
