"""Every form of the dashboard, sent as it comes: with only what it insists on filled in."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from html import unescape
from itertools import count
from math import inf
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlencode

import orjson
import pytest
import trio

from levity_trio.access import user_passwords
from levity_trio.documents import printing
from levity_trio.documents.template import ENGLISH_TEXT
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.writes.people import tags
from levity_trio.web.api.engine import endpoints
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.fields import fields_of, leaves
from levity_trio.web.logins.browsers import Visit
from tests.browser.pages import fill_in
from tests.browser.past import AWAY, HOUSEHOLDS, QUIET, Past, write_past
from tests.integration.browsing import Form, Page
from tests.store.books import Station
from tests.store.signing_meters import SigningMeter
from tests.web.both.changes import PASSWORD, Life, live
from tests.web.both.server import Server, make_documents_here, open_server
from tests.web.both.test_same_answers import shown_of
from tests.web.stores import Stored

MOMENT: Final = datetime(2026, 3, 18, 18, 0, tzinfo=UTC)
TODAY: Final = "2026-03-19"
ADMIN, DRIVER = "Cleo", "Anna"
CHANGING: Final = {f"{one.method} {one.path}": one for one in ENDPOINTS if one.changes}
OF_PROGRAMS: Final = re.compile(
    r"\b(null|field|body|schema|JSON|string|array)\b|[{}\[\]]|\b[a-z]+_"
)
LOGO: Final = Path(__file__).parents[2] / "screenshots" / "now.png"
FILES: Final[Mapping[str, bytes]] = {
    "id-tag-import": b"id_tag\n04F1\n",
    "account-import": b"name\nFlat 31\n",
    "account-tag-import": b"account,id_tag,since\nFlat 9,04F2,2026-03-01\n",
    "account-space-import": b"account,charger\nFlat 9,SPACE-10\n",
    "vehicle-import": b"name\nCoupe\n",
    "household-import": b"name\nFlat 32\n",
    "import": b"time;price\n2026-03-17T10:00;0,31\n2026-03-17T11:00;0,31\n",
    "meter-reading-import": b"meter,at,value\nHouse,2026-03-17,102002\n",
    "bank-files": b"Datum;Betrag;Text\n2026-03-10;1,00;Abrechnung 1\n",
    "logo": LOGO.read_bytes(),
    "template": ENGLISH_TEXT.encode(),
}
"""What somebody uploads who fills in a form, by the end of its path."""
VALUES: Final[Mapping[str, str]] = {
    "action": "ClearCache",
    "amperes": "1.5\n2\n3",
    "charger": "SPACE-02",
    "departure": "2026-03-21T07:00",
    "entries": "HeartbeatInterval = 300",
    "id_tag": "04F0F0F0",
    "month": "2026-02",
    "old_password": PASSWORD,
    "price": "0.34",
    "rotation": "STR",
    "rows[0].name": "Flat 33",
    "url": "https://home.example/hook",
    "value": "300",
}
"""What fits a field, where neither its kind nor the form says it."""
_NOT_GIVEN: Final = "the server was started without it"
_ONE_OF: Final = "it asks for one of several things, and none of them is needed by itself"
_OF_A_PAGE: Final = "a page sends it, and knows what it is about"
_OF_A_PROGRAM: Final = "levity-trio import makes the file"
REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "POST /api/admin/drain": ("No other server", "the server stands alone"),
    "POST /api/admin/chargers/forget": ("Name chargers, or give a pattern", _ONE_OF),
    "POST /api/admin/accounts/{id}/give": ("Give a card, a charger", _ONE_OF),
    "POST /api/admin/accounts/{id}/take": ("Give a card, a charger", _ONE_OF),
    "POST /api/admin/load/forget": ("Name a circuit, or a charger", _ONE_OF),
    "POST /api/admin/load/site/preview": ("Give the site", _ONE_OF),
    "POST /api/admin/backends/{id}/again": ("no session that waits", "it has taken all"),
    "PUT /api/admin/load/meters": ("has the meter", "the feeder has one of another name"),
    "POST /api/admin/series/try": ("Give a source", _ONE_OF),
    "POST /api/admin/series/{id}/fetch": ("has no source", "people enter its prices"),
    "POST /api/admin/tariff-assignments": ("Choose one: a household", _ONE_OF),
    "POST /api/admin/configuration-templates/{name}/apply": ("Choose one: some", _ONE_OF),
    "POST /api/admin/bulk": ("Choose one: some chargers", _ONE_OF),
    "POST /api/me/transactions/{id}/stop": ("cannot be reached", "that charger is away"),
    "POST /api/me/reports": ("Say which session", _OF_A_PAGE),
    "POST /api/admin/users/{id}/letter": ("not a code", _OF_A_PAGE),
    "POST /api/admin/transactions/{id}/correct/preview": ("A correction needs", _OF_A_PAGE),
    "POST /api/admin/transactions/{id}/confirm": (
        "give the figure that you confirm",
        "another one was reported, so nobody confirms it by mistake",
    ),
    "POST /api/admin/closings/{month}": ("is not over", "it is the month of today"),
    "POST /api/admin/closings/{month}/supplements": (
        "lack nothing that is known",
        "the house has only papers that are whole",
    ),
    "POST /api/admin/chargers/{id}/remote-stop": ("no session is open", "nobody charges there"),
    "DELETE /api/admin/chargers/{id}/security-profile": ("under way", "none is raised"),
    "POST /api/admin/chargers/{id}/replacement": ("has a household", "that charger has one"),
    "POST /api/admin/chargers/{id}/serial": ("Nobody asks", _OF_A_PAGE),
    "POST /api/admin/chargers/{id}/meter": ("Nobody asks", _OF_A_PAGE),
    "PUT /api/me/transactions/{id}/price-limit": ("its price moves", "it does not"),
    "DELETE /api/me/transactions/{id}/price-limit": ("its price moves", "it does not"),
    "POST /api/admin/load/trials": ("does not limit", "load management does nothing yet"),
    "POST /api/admin/load/meters/{name}": ("Give amperes, watts or both", _ONE_OF),
    "DELETE /api/admin/load/trials/{charger}": ("no trial", "load management does nothing yet"),
    "POST /api/admin/reviews/{id}/dismiss": ("confirm the figure", "no stop came for it"),
    "POST /api/admin/mqtt/replay": ("--mqtt", _NOT_GIVEN),
    "POST /api/admin/chargers/{id}/local-lists/resume": ("--local-list", _NOT_GIVEN),
    **dict.fromkeys(
        (f"POST /api/admin/chargers/{{id}}/{name}" for name in ("get-diagnostics", "get-log")),
        ("takes and gives no files", _NOT_GIVEN),
    ),
    "POST /api/admin/chargers/{id}/install-certificate": ("create the authority", _NOT_GIVEN),
    "POST /api/admin/certificates": ("no certificate in PEM", "keys are random"),
    "POST /api/admin/recipients/{id}/topic": ("No ntfy server is set", _NOT_GIVEN),
    "POST /api/me/recipient/topic": ("not set up here", _NOT_GIVEN),
    "POST /api/admin/recipients/{id}/test": ("No mail server is set", _NOT_GIVEN),
    "POST /api/admin/closings/{month}/mail": ("No mail server is set", _NOT_GIVEN),
    "POST /api/admin/statements/{id}/reminder": ("No mail server is set", _NOT_GIVEN),
    "POST /api/admin/messages/test": ("is set", _NOT_GIVEN),
    "PUT /api/admin/own-settings/mail": (
        "address from which mails come",
        "mostly the user is that address, so the field may stay empty",
    ),
    **dict.fromkeys(
        (
            f"POST /api/admin/imports/levity/{kind}"
            for kind in ("chargers", "transactions", "readings", "errors")
        ),
        ("Each line is a list", _OF_A_PROGRAM),
    ),
}
"""What a form refuses as it comes: some of its words, and why that is right."""
NOT_SENT: Final[Mapping[str, str]] = {
    "POST /api/admin/review/groups/{charger}/{cause}/decide": _OF_A_PAGE,
    "POST /api/admin/review/groups/{charger}/{cause}/decide-all": _OF_A_PAGE,
    "POST /api/admin/bank-lines": _OF_A_PAGE,
    "POST /api/admin/habits/{id}/ask": "a habit needs months",
    "DELETE /api/admin/habits/{id}/ask": "a habit needs months",
    "POST /api/admin/certificates/{id}/revoke": "keys are random",
    "POST /api/admin/certificate-requests/{id}/allow": "keys are random",
    "POST /api/admin/webhooks/{id}/test": "it sends to a server outside",
    "POST /api/admin/backends/{id}/test": "it dials a server outside",
    "POST /api/admin/asked-id-tags/{tag}/same": "no card was read backwards",
}
"""Forms of what this house has not."""
FORMS: Final = [request for request in CHANGING if request not in NOT_SENT]
NEEDED: Final = ("rows[0].name", "old_password", "price")
"""Fields that a form does not insist on, though nobody leaves them empty."""


MADE: Final[Mapping[str, tuple[str, str, Mapping[str, object]]]] = {
    "DELETE /api/admin/tokens/{id}": ("tokens", "id", {"role": "viewer"}),
    "DELETE /api/admin/users/{id}": ("users", "id", {"role": "viewer", "invite": "link"}),
    "DELETE /api/admin/stations/{id}": ("stations", "id", {}),
    "DELETE /api/admin/vehicles/{id}": ("vehicles", "id", {}),
    "DELETE /api/admin/webhooks/{id}": ("webhooks", "id", {"url": "https://home.example/"}),
    "DELETE /api/admin/recipients/{id}": ("recipients", "id", {"mail": "x@example.org"}),
    "DELETE /api/admin/chargers/{id}": ("chargers", "id", {"id": "{}"}),
    "POST /api/admin/chargers/{id}/forget": ("chargers", "id", {"id": "{}"}),
    "POST /api/admin/chargers/{id}/replacement": ("chargers", "id", {"id": "{}"}),
    "DELETE /api/admin/id-tags/{tag}": ("id-tags", "id_tag", {"id_tag": "{}"}),
    "POST /api/admin/accounts/{id}/close": ("accounts", "id", {}),
    "POST /api/admin/accounts/{id}/move-out": ("accounts", "id", {}),
    "DELETE /api/admin/accounts/{id}/personal": ("accounts", "id", {}),
}
"""What a form ends or removes, by its request: it is added before, with a name that nothing has."""
OF_SERIES: Final = ("prices", "import", "fetch")
Made = Mapping[str, object]


class Making:
    """Makes what forms are about that the house has not. Each method returns it by the word before
    it in the path, and what must be filled in, with a = before the field."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._ask = life.ask
        self._books = life.server.books

    async def make(self, request: str, name: str) -> Made:
        made: dict[str, object] = {}
        if request in MADE:
            kind, key, body = MADE[request]
            given = {one: str(value).format(name) for one, value in {"name": "{}", **body}.items()}
            made[kind] = (await self._ask("POST", kind, **given))[key]
        other = OTHERS.get(request)
        return made if other is None else {**made, **await other(self, name, made)}

    async def closed(self, _name: str, made: Made) -> Made:
        await self._ask("POST", f"accounts/{made['accounts']}/close")
        return {}

    async def template(self, name: str, _made: Made) -> Made:
        path = f"configuration-templates/{name}"
        await self._ask("PUT", path, entries={"A": "1"}, model="M")
        return {"configuration-templates": name}

    async def login(self, _name: str, _made: Made) -> Made:
        await enter(self._life.server, "Otto")
        return {"logins": self._books.value("SELECT max(id) FROM login")}

    async def file(self, name: str, _made: Made) -> Made:
        query = {"title": f"{name}.bin"}
        kind = "application/octet-stream"
        path = "/api/admin/files"
        made = await self._life.send("POST", path, name.encode(), query=query, content_type=kind)
        return {"files": made["id"]}

    async def command(self, _name: str, _made: Made) -> Made:
        path, query = f"/api/admin/chargers/{AWAY}/clear-cache", {"deadline": 600}
        made = await self._life.send("POST", path, query=query, prefer="respond-async")
        return {"commands": made["id"]}

    async def unknown_card(self, name: str, _made: Made) -> Made:
        Station(self._books, "SPACE-05").write(tags.ask, name.casefold(), name)
        return {"asked-id-tags": name}

    async def misread_card(self, name: str, _made: Made) -> Made:
        # Some readers send the bytes of a card in the other order.
        card = bytes((4, *name.encode()[-4:], 0xA7, 0x5C))
        await self._ask("POST", "id-tags", id_tag=card.hex().upper())
        asked = await self.unknown_card(card[::-1].hex().upper(), {})
        return {**asked, "=id_tag": card.hex().upper()}

    async def folder(self, _name: str, _made: Made) -> Made:
        return {"=folder": str(LOGO.parent)}

    async def key(self, _name: str, _made: Made) -> Made:
        return {"=key": SigningMeter().public().hex()}

    async def entered_key(self, _name: str, _made: Made) -> Made:
        key = SigningMeter().public().hex()
        made = await self._ask("POST", f"chargers/{QUIET}/meter-keys", key=key)
        return {"meter-keys": made["id"]}

    async def own_setting(self, _name: str, _made: Made) -> Made:
        url = b'{"url": "https://hc-ping.com/1"}'
        await self._life.send("PUT", "/api/admin/own-settings/ping", url)
        return {"own-settings": "ping"}

    async def taxed(self, _name: str, _made: Made) -> Made:
        return {"=tax_kind": "taxed"}

    async def counted_car(self, _name: str, _made: Made) -> Made:
        return {"=way": "flat"}  # it was chosen for the year before

    async def task(self, name: str, _made: Made) -> Made:
        entered = await self._ask("POST", "households", rows=[{"name": name}])
        return {"household-tasks": entered["task"]}

    async def reading(self, _name: str, _made: Made) -> Made:
        path = f"meters/{self._life.shown['meters']}/readings"
        return {"readings": (await self._ask("POST", path, value="102003"))["id"]}

    async def tariff(self, name: str, _made: Made) -> Made:
        price = {"price": "0.30", "since": TODAY, "currency": "EUR", "name": name}
        return {"tariffs": (await self._ask("POST", "tariff-prices", **price))["id"]}

    async def series(self, name: str, _made: Made) -> Made:
        made = await self._ask("POST", "series", name=name, currency="EUR")
        return {"series": made["id"], "=since": "2026-03-17T10:00", "=until": "2026-03-17"}

    async def session(self, _name: str, _made: Made) -> Made:
        return {"transactions": Station(self._books, "SPACE-12").start(0, 1, HOUSEHOLDS[0].tag)}

    async def given_session(self, _name: str, _made: Made) -> Made:
        sql = "SELECT max(id) FROM tx WHERE id_tag = ? AND status = 'Completed'"
        number = self._books.value(sql, HOUSEHOLDS[2].tag)
        await self._ask("POST", f"transactions/{number}/give", account=7, reason="a guest")
        return {"transactions": number}

    async def doubt(self, _name: str, _made: Made) -> Made:
        sql = "SELECT max(id) FROM review WHERE resolved_at IS NULL"
        return {"reviews": self._books.value(sql)}

    async def message(self, name: str, _made: Made) -> Made:
        station = Station(self._books, "SPACE-12")
        session = station.start(900, 1, HOUSEHOLDS[1].tag)
        # So much cannot have flowed: the stop is not of this session.
        station.stop(5_000_000 + int(name[-4:]), 400_000)
        number = self._books.value("SELECT max(id) FROM set_aside")
        known = {
            "=transaction": session,
            "=meter_stop_wh": 1,
            "=connector": 1,
            "=start_time": "2026-03-18T10:00",
        }
        return {"set-aside": number, **known}

    async def report(self, _name: str, _made: Made) -> Made:
        about = orjson.dumps({"words": "It smells.", "charger": QUIET})
        made = await self._life.send("POST", "/api/me/reports", about, role=Role.DRIVER)
        return {"reports": made["id"]}

    async def new_backend(self, _name: str, _made: Made) -> Made:
        return {"=url": "ws://192.0.2.9/", "=chargers[0].charger": QUIET}

    async def backend(self, name: str, _made: Made) -> Made:
        told = [{"charger": QUIET}]
        made = await self._ask("POST", "backends", name=name, url="ws://192.0.2.9/", chargers=told)
        await self._ask("PUT", f"backends/{made['id']}/cards", card=name, alias="E-4711")
        return {"backends": made["id"], "cards": name}

    async def own_card(self, name: str, _made: Made) -> Made:
        await self._ask("POST", "id-tags", id_tag=name)
        await self._ask("POST", "accounts/1/give", tag=name)
        return {"tags": name}


OTHERS: Final[Mapping[str, Callable[[Making, str, Made], Awaitable[Made]]]] = {
    "DELETE /api/admin/accounts/{id}/personal": Making.closed,
    "DELETE /api/admin/configuration-templates/{name}": Making.template,
    "DELETE /api/admin/logins/{id}": Making.login,
    "DELETE /api/admin/files/{id}": Making.file,
    "DELETE /api/admin/commands/{id}": Making.command,
    "DELETE /api/admin/asked-id-tags/{tag}": Making.unknown_card,
    "POST /api/admin/asked-id-tags/{tag}/same": Making.misread_card,
    "POST /api/admin/accounts/{id}/vehicles/{vehicle}/price": Making.counted_car,
    "POST /api/me/vehicles/{vehicle}/price": Making.counted_car,
    "PUT /api/admin/biller": Making.taxed,
    "PUT /api/admin/own-settings/backup": Making.folder,
    "DELETE /api/admin/own-settings/{way}": Making.own_setting,
    "POST /api/admin/chargers/{id}/meter-keys": Making.key,
    "DELETE /api/admin/chargers/{id}/meter-keys/{key}": Making.entered_key,
    "POST /api/admin/household-tasks/{id}/undo": Making.task,
    "POST /api/admin/meters/{id}/readings/{reading}/void": Making.reading,
    "POST /api/admin/tariffs/{id}/withdraw": Making.tariff,
    **{
        f"{method} /api/admin/series/{{id}}{rest}": Making.series
        for method, rest in (("PATCH", ""), *(("POST", f"/{one}") for one in OF_SERIES))
    },
    "POST /api/admin/transactions/{id}/close": Making.session,
    "POST /api/me/transactions/{id}/stop": Making.session,
    "PUT /api/me/transactions/{id}/departure": Making.session,
    "PUT /api/me/transactions/{id}/price-limit": Making.session,
    "DELETE /api/me/transactions/{id}/price-limit": Making.session,
    "POST /api/admin/transactions/{id}/take-back": Making.given_session,
    "POST /api/admin/reviews/{id}/dismiss": Making.doubt,
    "POST /api/admin/set-aside/{id}/attach": Making.message,
    "POST /api/admin/set-aside/{id}/make-transaction": Making.message,
    "POST /api/admin/set-aside/{id}/dismiss": Making.message,
    "POST /api/admin/reports/{id}/answer": Making.report,
    "POST /api/me/tags/{tag}/lost": Making.own_card,
    "POST /api/admin/backends": Making.new_backend,
    **{
        f"{method} /api/admin/backends/{{id}}{rest}": Making.backend
        for method, rest in (
            ("PUT", ""),
            ("DELETE", ""),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("PUT", "/chargers/{charger}"),
            ("DELETE", "/chargers/{charger}"),
            ("PUT", "/cards"),
            ("DELETE", "/cards/{tag}"),
        )
    },
}


async def enter(server: Server, name: str) -> str:
    """Log in; return the cookie."""
    visit = Visit("192.0.2.3", None, "Firefox")
    entered = await server.api.logins.enter(name, PASSWORD, visit)
    return str(entered.cookie)


def _value(field: str, told: Mapping[str, str], name: str) -> str:
    """Return what somebody fills in who knows what the field is for."""
    last = field.removeprefix("?").rpartition(".")[2]
    if field in VALUES or last in VALUES:
        return VALUES.get(field) or VALUES[last]
    match told.get("type"):
        case "date":
            return TODAY
        case "datetime-local":
            return f"{TODAY}T12:00:00"
        case "number":
            return told.get("min") or "1"
        case "password":
            return PASSWORD
    if last in ("name", "id"):
        return name
    return told.get("placeholder") or ("5" if last == "amount" else "its own words")


def _texts(page: Page) -> Mapping[str, str]:
    """Return what stands in the areas of text of a page."""
    found = re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', page.html, re.DOTALL)
    return {name: unescape(text) for name, text in found if text}


def _options(page: Page) -> Mapping[str, str]:
    """Return the first option of each choice of a page."""
    first: dict[str, str] = {}
    choice = ""
    for tag, given in page.tags:
        if tag == "select":
            choice = given.get("name", "")
        elif tag == "option" and given.get("value"):
            first.setdefault(choice, given["value"])
    return first


def _filled(
    endpoint: Endpoint, name: str, given: Mapping[str, str], page: Page, form: Form
) -> Mapping[str, str]:
    """Return what a browser sends of a form in which only that is filled in which it insists on."""
    values = {**form.values, **_texts(page), **given}
    kinds = {leaf.name: leaf for leaf in leaves(fields_of(endpoint))}
    options = _options(page)
    for tag, told in page.tags:
        field = told.get("name", "")
        if tag not in ("input", "select", "textarea") or field not in form.names:
            continue
        is_enforced = field in kinds and kinds[field].is_enforced
        is_needed = "required" in told or is_enforced or field in NEEDED
        if is_needed and not values.get(field):
            values[field] = options.get(field) or _value(field, told, name)
    return values


def _encoded(page: Page, form: Form, values: Mapping[str, str]) -> tuple[str, bytes]:
    """Return the type and the content of what is sent; with a file, if the form asks for one."""
    sent = [given for tag, given in page.tags if tag == "form" and given["action"] == form.action]
    if "enctype" not in sent[0]:
        return "application/x-www-form-urlencoded", urlencode(values).encode()
    head = b'--X\r\ncontent-disposition: form-data; name="%s"%s\r\n\r\n'
    parts = [head % (name.encode(), b"") + text.encode() for name, text in values.items()]
    file = FILES.get(form.action.rpartition("/")[2], b"firmware")
    parts.append(head % (b"file", b'; filename="chosen"') + file)
    return "multipart/form-data; boundary=X", b"\r\n".join([*parts, b"--X--\r\n"])


def _problems(page: Page) -> str:
    """Return what a page says is wrong, "" for nothing."""
    found = re.findall(r'<div class="note problem" role="alert">(.*?)</div>', page.html, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", " ".join(found))).split())


class Browsing:
    """Those who have logged in at a server, and send its forms."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._cookies: dict[str, str] = {}

    async def enter(self) -> None:
        for name in (ADMIN, DRIVER):
            self._cookies[name] = await enter(self._server, name)

    async def send(
        self, endpoint: Endpoint, path: str, fill: Callable[[Page, Form], Mapping[str, str]]
    ) -> str:
        """Open a form, fill it in and send it; return what it says is wrong, "" for nothing."""
        cookie = self._cookies[DRIVER if "/api/me/" in endpoint.path else ADMIN]
        address = f"/do/{endpoint.method.lower()}{path.removeprefix('/api')}"
        shown = await self._server.open(cookie, unquote(address), {})
        page = Page(shown.status, address, shown.headers, shown.body.decode())
        assert page.status == 200, (address, page.status, page.words)
        form = page.form(address)
        sent = await self._server.submit(
            cookie, unquote(address), *_encoded(page, form, fill(page, form))
        )
        assert "/login" not in sent.headers.get("location", ""), address
        if sent.status == 303:
            return ""
        answer = Page(sent.status, address, sent.headers, sent.body.decode(errors="replace"))
        return _problems(answer) or ("" if answer.status < 300 else f"{answer.status}")


async def _send_all(stored: Stored, past: Past) -> tuple[dict[str, str], dict[str, str]]:
    """Return what each form said that was wrong: with what it needs, and with nothing filled in."""
    filled: dict[str, str] = {}
    empty: dict[str, str] = {}
    names = (f"FE-{number:04}" for number in count())
    async with open_server(stored, MOMENT) as server:
        life = Life(server)
        await live(life)
        await life.ask("POST", "wallets/1/terms", terms="postpaid", reason="agreed")
        browsing, making = Browsing(server), Making(life)
        await browsing.enter()
        shown = {**shown_of(past), **life.shown, "chargers": QUIET, "charge-points": QUIET}
        shown["/api/admin/load/meters/{name}"] = "/api/admin/load/meters/Main"
        shown |= {"connectors": 1, "/api/admin/closings/{month}": "/api/admin/closings/2026-03"}
        shown.pop("/api/admin/accounts/{id}/personal")

        async with server.charger(QUIET):
            for request in FORMS:
                for fill, answers in ((lambda _page, form: form.values, empty), (None, filled)):
                    name = next(names)
                    made = await making.make(request, name)
                    given = {key[1:]: str(value) for key, value in made.items() if key[0] == "="}
                    needed = partial(_filled, CHANGING[request], name, given)
                    try:
                        path = fill_in(CHANGING[request].path, {**shown, **made})
                    except KeyError as unknown:
                        answers[request] = f"nothing is known for {unknown}: let Making make it"
                        continue
                    answers[request] = await browsing.send(CHANGING[request], path, fill or needed)
    return filled, empty


@pytest.fixture(scope="module")
def answered(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """What all forms of one house said."""
    folder = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("levity_trio.charger.connection.address_of", lambda _: "memory")
        patch.setattr(user_passwords, "SCRYPT_N", 2)
        patch.setattr(user_passwords, "SCRYPT_P", 1)
        patch.setattr(endpoints, "MINUTE", inf)
        patch.setattr(printing, "_run", make_documents_here)
        past = write_past(folder / "site.db", MOMENT)
        with open_database(folder / "site.db") as file:
            yield trio.run(_send_all, Stored(file, folder / "site.db"), past)


def test_no_form_refuses_what_it_needs_and_has_filled_in_itself(
    answered: tuple[dict[str, str], dict[str, str]],
) -> None:
    filled, _empty = answered
    wrong = {
        request: words
        for request, words in filled.items()
        if (REFUSED[request][0] not in words if request in REFUSED else words)
    }
    assert not wrong, "\n".join(f"{a}: {b}" for a, b in wrong.items())


def test_no_form_answers_in_words_of_programs(
    answered: tuple[dict[str, str], dict[str, str]],
) -> None:
    said = [
        (request, words)
        for answers in answered
        for request, words in answers.items()
        if OF_PROGRAMS.search(words) and REFUSED.get(request, ("", ""))[1] != _OF_A_PROGRAM
    ]
    assert said == []


def test_every_exception_is_a_form() -> None:
    assert CHANGING.keys() >= REFUSED.keys() | NOT_SENT.keys()
    assert not REFUSED.keys() & NOT_SENT.keys()
