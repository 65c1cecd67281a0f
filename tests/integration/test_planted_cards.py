"""Where the number of a card comes out that a charger told, in whichever field and form.

Each field gets numbers of its own in each form: as they are, in hex, in base64, in XML, JSON or a
URL. Who looks for them tries all of these, and again within what he finds. Fluentd is told each
message with its cards, so all of them must be found there: that shows that he can read them.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes
from urllib.request import urlopen
from zipfile import ZipFile

import msgpack
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from levity_trio.billing.examples import FLAT
from levity_trio.clock import SimulatedTime
from levity_trio.store.engine.file_store import open_database
from tests.browser.pages import fill_in
from tests.integration.backend_central import Central, central
from tests.integration.backend_given import give_backend, wait_until_told
from tests.integration.browsing import PASSWORD, log_in
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.forking import run_forked
from tests.integration.receiver import wait_until
from tests.integration.serving import Serving, environment, serving
from tests.integration.test_api import make_token, port_of
from tests.integration.test_notify import receiving as receiving_posts
from tests.plugins.mqtt.mosquitto import Mosquitto, running

Form = Callable[[str], str]

# In which form a number is told


def in_base64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


BEGIN: Final = "04CA5D"
"""All numbers begin so, and are as long as those of cards with five bytes."""
SHORT: Final[Mapping[str, Form]] = {
    "plain": str,
    "in small letters": str.lower,
    "hex": lambda number: number.encode().hex().upper(),
    "hex in small letters": lambda number: number.encode().hex(),
    "base64": in_base64,
    "base64 of its bytes": lambda number: in_base64(bytes.fromhex(number)),
    "XML": lambda number: f"<i>{number}</i>",
    "JSON": lambda number: json.dumps({"i": number}),
    "URL": lambda number: f"x:/?i={number}",
}
"""Those that fit into an idTag."""
LONG: Final[Mapping[str, Form]] = {
    **SHORT,
    "percent": lambda number: "".join(f"%{byte:02X}" for byte in number.encode()),
}


def record(card: str) -> str:
    """What a meter signs of a card."""
    reading = {"TM": "2026-01-01T00:00:00,000+0000 S", "TX": "B", "RV": 1.5, "RU": "kWh", "ST": "G"}
    payload = {"FV": "1.0", "PG": "T12", "MS": "1TST1", "IS": True, "ID": card, "RD": [reading]}
    return f"OCMF|{json.dumps(payload)}|{json.dumps({'SD': '3045' + '00' * 16})}"


def in_url_base64(text: str) -> str:
    return in_base64(text).replace("+", "-").replace("/", "_")


OF_URLS: Final = "a record in a URL"
AROUND: Final[Mapping[str, Form]] = {
    "a record in hex": lambda text: text.encode().hex().upper(),
    "a record in hex in small letters": lambda text: text.encode().hex(),
    "a record in base64": in_base64,
    "a record in base64 for URLs": in_url_base64,
    "a record in XML": lambda text: f"<signedData format='OCMF'><![CDATA[{text}]]></signedData>",
    "a record in base64 in XML": lambda text: f"<signedData>{in_base64(text)}</signedData>",
    "a record in JSON": lambda text: json.dumps({"signedMeterData": text}),
    OF_URLS: lambda text: f"https://example.org/?ocmf={quote(text, safe='')}",
}


def within(outer: Form, inner: Form) -> Form:
    return lambda number: outer(inner(number))


SIGNED: Final[Mapping[str, Form]] = {
    **{f"a record with {name}": within(record, form) for name, form in LONG.items()},
    **{name: within(form, record) for name, form in AROUND.items()},
}
"""Records with a card in each form, and records that are in each form themselves."""

# Where it is told

CARD, VALUE, VENDORS, WORDS = "card", "signed value", "data of a vendor", "words"
KINDS: Final = (CARD, VALUE, VENDORS, WORDS)
PROPER: Final = (
    "MeterValues, SignedData",
    "MeterValues, signeddata",
    "transactionData, SignedData",
)
IMPROPER: Final = ("MeterValues, none", "MeterValues, Raw", "transactionData, none")
"""Readings that are no numbers, and do not say what they are: by message and format."""
STARTED: Final = "StartTransaction.idTag"
FIELDS: Final[Mapping[str, str]] = {
    "Authorize.idTag": CARD,
    STARTED: CARD,
    "StopTransaction.idTag": CARD,
    **dict.fromkeys((*PROPER, *IMPROPER), VALUE),
    "DataTransfer.data": VENDORS,
    "SecurityEventNotification.techInfo": VENDORS,
    "StatusNotification.info": WORDS,
    "StatusNotification.vendorErrorCode": WORDS,
}
"""The fields, and of what kind each is. The words of a fault have no card in OCPP, and are shown to
all who see the fault; they show here what that means."""


class Planted(NamedTuple):
    """A number: where it was told, in which form, and the text of the field."""

    field: str
    form: str
    text: str


class Telling:
    """A charger that tells a number in each field and form, about a month ago."""

    def __init__(self, charger: Charger) -> None:
        self.planted: dict[str, Planted] = {}
        self.signed = 0
        """Anna's session, in which the meter signed."""
        self._charger = charger
        self._minutes, self._register = 0, 1000

    def plant(self, field: str, forms: Mapping[str, Form]) -> list[str]:
        """Return texts for a field, with a number of its own in each form."""
        texts = []
        for name, form in forms.items():
            number = f"{BEGIN}{len(self.planted):04X}"
            self.planted[number] = Planted(field, name, form(number))
            texts.append(form(number))
        return texts

    def tell(self) -> None:
        """Tell all of it."""
        call = self._charger.call
        self._charger.boot()
        for text in self.plant("Authorize.idTag", SHORT):
            call("Authorize", idTag=text)
        starts = self.plant(STARTED, SHORT)
        for cards in zip(starts, self.plant("StopTransaction.idTag", SHORT), strict=True):
            self._session(*cards)
        self.signed = self._session(CARDS["anna"], CARDS["anna"], PROPER)
        self._session(CARDS["anna"], CARDS["anna"], IMPROPER)
        self._session(CARDS["ben"], CARDS["ben"])
        for text in self.plant("DataTransfer.data", {**LONG, **SIGNED}):
            call("DataTransfer", vendorId="org.example", messageId="seen", data=text)
        for text in self.plant("SecurityEventNotification.techInfo", LONG):
            security = {"type": "InvalidMessages", "timestamp": self._now}
            call("SecurityEventNotification", **security, techInfo=text)
        infos = self.plant("StatusNotification.info", SHORT)
        codes = self.plant("StatusNotification.vendorErrorCode", SHORT)
        for info, code in zip(infos, codes, strict=True):
            fault = {"connectorId": 1, "errorCode": "ReaderFailure", "status": "Faulted"}
            call("StatusNotification", **fault, info=info, vendorErrorCode=code)

    @property
    def _now(self) -> str:
        return f"{MIDDLE + timedelta(minutes=self._minutes):%Y-%m-%dT%H:%M:%SZ}"

    def _session(self, start: str, stop: str, fields: Sequence[str] = ()) -> int:
        """One session of an hour, in which these fields tell what is planted; gives its number."""
        call = self._charger.call
        begin = {"connectorId": 1, "idTag": start, "meterStart": self._register}
        number: int = call("StartTransaction", **begin, timestamp=self._now)["transactionId"]
        readings: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for name in fields:
            action, _, form = name.partition(", ")
            told = {} if form == "none" else {"format": form}
            for text in self.plant(name, SIGNED):
                samples = [{"value": text, **told}, {"value": str(self._register)}]
                readings[action].append({"timestamp": self._now, "sampledValue": samples})
        for values in readings.pop("MeterValues", ()):
            call("MeterValues", connectorId=1, transactionId=number, meterValue=[values])
        self._minutes += 60
        self._register += 7000
        end = {"transactionId": number, "idTag": stop, "meterStop": self._register}
        call("StopTransaction", **end, timestamp=self._now, **readings)
        return number


CARDS: Final = {"anna": "04AA", "ben": "04BB"}
MIDDLE: Final = (datetime.now(UTC).replace(day=1) - timedelta(days=15)).replace(hour=6, minute=0)
"""A day of the month before."""
MONTH: Final = f"{MIDDLE:%Y-%m}"

# Who looks for it

_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2}){10,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{7,}")
_PLAIN: Final = re.compile(rb"(?i)04ca5d([0-9a-f]{4})")
_BYTES: Final = re.compile(rb"\x04\xca\x5d(..)", re.DOTALL)
_FROM_URLS: Final = bytes.maketrans(b"-_", b"+/")
DEEP: Final = 3


def numbers_in(data: bytes, depth: int = DEEP) -> set[str]:
    """Return the planted numbers that somebody can read there who tries everything."""
    found = {BEGIN + digits.decode().upper() for digits in _PLAIN.findall(data)}
    found |= {BEGIN + digits.hex().upper() for digits in _BYTES.findall(data)}
    if depth == 0:
        return found
    if b"%" in data and (plain := unquote_to_bytes(data)) != data:
        found |= numbers_in(plain, depth - 1)
    for digits in set(_HEX.findall(data)):
        found |= numbers_in(bytes.fromhex(digits.decode()), depth - 1)
    for text in set(_BASE64.findall(data)):
        # Letters before it may belong to something else.
        for begin in range(4):
            part = text[begin:].translate(_FROM_URLS)
            part = part[: len(part) - (len(part) % 4 == 1)]
            decoded = b64decode(part + b"=" * (-len(part) % 4))
            found |= numbers_in(decoded, 0 if begin else depth - 1)
    return found


def test_who_looks_finds_each_form() -> None:
    for form in (*LONG.values(), *SIGNED.values()):
        text = form(f"{BEGIN}0A1E")
        for around in ("{}", "a-{}", '{{"value":"{}"}}'):
            shown = around.format(json.dumps(text)[1:-1]).encode()
            assert numbers_in(shown) == {f"{BEGIN}0A1E"}, text
    assert numbers_in(b"04CA5E0001") == set()


@dataclass
class Way:
    """A way out as somebody: what came, by where it stood, and the kinds of fields, or fields, that
    may stand there and that must."""

    name: str
    may: Sequence[str] = ()
    must: Sequence[str] = ()
    parts: list[tuple[str, bytes]] = field(default_factory=list)
    not_read: str = ""
    """A form that may be missing there."""

    def add(self, place: str, data: bytes | str) -> None:
        self.parts.append((place, data.encode() if isinstance(data, str) else data))

    def look(self, planted: Mapping[str, Planted]) -> Iterator[str]:
        """Yield what is found where it must not be, or is missing."""
        assert self.parts, self.name
        places: dict[str, str] = {}
        for place, data in self.parts:
            places |= dict.fromkeys(numbers_in(data), place)
        for number, one in planted.items():
            kinds = {one.field, FIELDS[one.field]}
            if number in places and kinds.isdisjoint((*self.may, *self.must, WORDS)):
                yield f"{self.name}: {one.field} ({one.form}) at {places[number]}"
            is_needed = one.form != self.not_read and not kinds.isdisjoint(self.must)
            if is_needed and number not in places:
                yield f"{self.name}: {one.field} ({one.form}) is missing"


# What leaves by itself

BACKENDS: Final[Mapping[str, tuple[Sequence[str], Mapping[str, Any]]]] = {
    "backend, as sent": ((), {"is_repaired": 0}),
    "backend, repaired": ((), {"is_repaired": 1}),
    "backend with cards, as sent": ((CARD, VALUE), {"with_cards": 1}),
    "backend with cards, repaired": ((CARD, VALUE), {"with_cards": 1, "is_repaired": 1}),
    "backend with signed values": ((VALUE,), {"with_signed": 1}),
}
"""What each must be told, and its settings."""
OF_BACKENDS: Final = {"with_cards": 0, "other_cards": "OTHER", "tells_authorize": 1}
SPEED: Final = 60
"""Who is told of something after minutes is told after seconds."""
OF_OWNERS: Final = ("fault", "away", "doubt", "report", "meter", "backend")
OF_DRIVERS: Final = ("full", "stopped", "unplugged", "statement", "limit")
EARLY: Final = "2026-01-01"


class Heard:
    """All that a receiver took, one after the other."""

    def __init__(self) -> None:
        self.taken = b""

    def hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.taken += message.topic.encode() + b" " + message.payload + b"\n"

    def serve(self, listener: socket.socket) -> None:
        """Be a Fluentd for one connection."""
        connected, _ = listener.accept()
        unpacker = msgpack.Unpacker(strict_map_key=False)
        with connected, suppress(ConnectionError):
            while data := connected.recv(65536):
                unpacker.feed(data)
                for _tag, entries, option in unpacker:
                    for _at, entry in entries:
                        self.taken += json.dumps(entry).encode() + b"\n"
                    connected.sendall(msgpack.packb({"ack": option["chunk"]}))


@contextmanager
def fluentd() -> Iterator[tuple[Heard, str]]:
    heard = Heard()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=heard.serve, args=(listener,), daemon=True).start()
        yield heard, f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def subscribed(port: int) -> Iterator[Heard]:
    heard = Heard()
    client = Client(CallbackAPIVersion.VERSION2, "all")
    client.on_message = heard.hear
    client.on_connect = lambda connected, *_: connected.subscribe("#")
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


class Site:
    """A running server with two households, as each role sees it."""

    def __init__(self, server: Serving) -> None:
        self.server = server
        self.api = api_of(server)
        roles = ("viewer", "operator", "admin")
        self.tokens = {role: make_token(server, role, role) for role in roles}
        self.topics: dict[str, str] = {}

    def ask(self, method: str, *path: object, **given: object) -> Any:
        """Ask as an admin."""
        body = None if method == "GET" else given
        return self.api.ask(method, "admin", *map(str, path), given=body, patience=60)

    def furnish(self, hook: str) -> None:
        """Add two households and whoever is told something; the charger is Anna's."""
        for name, card in CARDS.items():
            account = self.ask("POST", "accounts", name=name, since=EARLY)["id"]
            self.ask("POST", "accounts", account, "give", tag=card, since=EARLY)
            user = {"role": "driver", "account": account, "password": PASSWORD}
            self.ask("POST", "users", name=name, **user)
            told = {"who": "driver", "account": account, "gets_statements": True}
            mail = f"{name}@example.org"
            self.ask("POST", "recipients", mail=mail, kinds=[*OF_DRIVERS], **told)
        self.ask("POST", "accounts", 1, "give", charger="CP-1", since=EARLY)
        self.ask("POST", "users", name="vera", role="viewer", password=PASSWORD)
        for name, with_names in (("cleo", True), ("dora", False)):
            told = {"mail": f"{name}@example.org", "with_names": with_names}
            number = self.ask("POST", "recipients", name=name, kinds=[*OF_OWNERS], **told)["id"]
            self.topics[self.ask("POST", "recipients", number, "topic")["topic"]] = name
        self.ask("POST", "webhooks", name="all", url=hook)
        self.ask("POST", "tariffs", toml=FLAT.replace("2026-10-01", EARLY))
        self.ask("POST", "tariff-assignments", tariff=1, since=EARLY, site=True)
        self.ask("PUT", "biller", name="House")
        self.ask("PUT", "billing", begun_on=f"{MONTH}-01")

    def close(self) -> None:
        """Close the month, and mail its statements."""
        sums = self.ask("GET", "drafts", MONTH)["sums"]
        shown = {name: sums[name] for name in ("statements", "charged")}
        self.ask("POST", "closings", MONTH, **shown)
        self.ask("POST", "closings", MONTH, "mail")

    @contextmanager
    def asked(self, role: str, path: str) -> Iterator[Any]:
        address = "127.0.0.1", port_of(self.server)
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        with closing(HTTPConnection(*address, timeout=60)) as connection:
            connection.request("GET", path, headers=headers)
            yield connection.getresponse()

    def get(self, role: str, path: str) -> bytes:
        with self.asked(role, path) as answer:
            content: bytes = answer.read()
            return content

    @contextmanager
    def events(self, role: str) -> Iterator[Heard]:
        """What the stream of events shows to a role while the block runs."""
        heard = Heard()
        with self.asked(role, "/api/events") as answer:

            def read() -> None:
                with suppress(OSError, ValueError, AttributeError):  # it is closed meanwhile
                    while line := answer.readline():
                        heard.taken += line

            threading.Thread(target=read, daemon=True).start()
            yield heard


def test_nothing_planted_is_found_where_the_mask_says_none(tmp_path: Path) -> None:
    """All fields are told to one server, and whatever it then tells, or is asked, is looked
    through."""
    database, mails = tmp_path / "levity.db", tmp_path / "mails"
    mails.mkdir()
    with open_database(database, SimulatedTime(datetime.now(UTC), SPEED)):
        pass
    with ExitStack() as parts:
        enter = parts.enter_context
        frames, audit = enter(fluentd())
        broker = enter(running(Mosquitto(tmp_path / "broker")))
        published = enter(subscribed(broker.port))
        _, pushed, push = enter(receiving_posts())
        _, hooked, hook = enter(receiving_posts())
        others: dict[str, Central] = {}
        for name, (_, settings) in BACKENDS.items():
            others[name] = enter(central())
            given: dict[str, Any] = {**OF_BACKENDS, **settings}
            give_backend(database, others[name].port, ["CP-1"], name=name, **given)
        flags = ["--fluentd-endpoint", audit, "--mqtt", f"{broker.url}/levity", "--ntfy", push]
        flags += ["--mail", f"folder:{mails}", "--metrics-host", "127.0.0.1", "--metrics-port", "0"]
        flags += ["--clock-speed", str(SPEED), "--heartbeat-interval", "86400"]
        server = enter(serving(database, *flags))
        site = Site(server)
        site.furnish(hook)
        streams = {role: enter(site.events(role)) for role in site.tokens}
        telling = Telling(enter(Charger(server.port, "CP-1")))
        telling.tell()
        site.close()

        # Until all is told to everybody.
        wait_until_told(database)
        wait_until(lambda: all(way.parts for way in messages(site, mails, pushed)))
        ((fact,),) = server.query("SELECT max(id) FROM event")
        ((frame,),) = server.query("SELECT max(id) FROM log WHERE cp_id = 'CP-1'")
        wait_until(lambda: any(one["id"] >= fact for one in hooked))
        wait_until(lambda: b'"id":%d,' % fact in published.taken)
        wait_until(lambda: b'"id": %d,' % frame in frames.taken)
        told = b"\nid: %d\n" % fact
        wait_until(lambda: all(told in stream.taken for stream in streams.values()))

        metrics = f"{server.wait_line('serving metrics')['address']}/metrics"
        with urlopen(metrics) as answer:  # noqa: S310 - our own
            scraped = answer.read()
        ways = [
            Way("Fluentd", must=KINDS, parts=[("", frames.taken)]),
            Way("a webhook", KINDS, (STARTED,), [("", json.dumps(hooked).encode())]),
            Way("MQTT without names", parts=[("", published.taken)]),
            Way("metrics", (CARD,), parts=[("", scraped)]),
        ]
        for role, stream in streams.items():
            may, must = ((), ()) if role == "viewer" else (KINDS, (STARTED, VENDORS))
            ways.append(Way(f"events of {role}", may, must, [("", stream.taken)]))
        for name, other in others.items():
            calls = [(one.action, json.dumps(one.payload).encode()) for one in other.told]
            ways.append(Way(name, must=BACKENDS[name][0], parts=calls))
        lines = [(line["event"], json.dumps(line).encode()) for line in server.lines]
        ways.append(Way("the log", (CARD, VENDORS), (STARTED,), lines))
        ways += messages(site, mails, pushed)
        ways.append(shared(tmp_path, database))
        ways += [*answers(site, telling), *pages(site, telling)]
        problems = [problem for way in ways for problem in way.look(telling.planted)]
    combinations = len(telling.planted) * len(ways)
    print(f"\n{len(telling.planted)} numbers, {len(ways)} ways: {combinations} combinations")
    assert combinations > 300
    assert problems == []


def messages(site: Site, mails: Path, pushed: list[dict[str, Any]]) -> list[Way]:
    """Return what came by mail and push, by whom it was for: only Cleo is told names. A paper that
    is attached says what its HTML says."""
    ways = {name: Way(f"messages to {name}") for name in ("anna", "ben", "dora")}
    ways["cleo"] = Way("messages to cleo", (CARD,))
    for path in mails.glob("*.eml"):
        mail = message_from_bytes(path.read_bytes(), policy=default)
        body = mail.get_body()
        assert body is not None
        ways[mail["to"].partition("@")[0]].add("a mail", f"{mail['subject']} {body.get_content()}")
    for one in pushed:
        ways[site.topics[one["topic"]]].add("a push", json.dumps(one))
    return [*ways.values()]


def shared(folder: Path, database: Path) -> Way:
    """Return what somebody gives away of a charger."""
    file = folder / "shared.zip"
    words = ("logs", "CP-1", "--share", str(file), "--yes", "--db", str(database))
    run = run_forked(words, folder, environment(), 60)
    assert run.returncode == 0, run.stderr
    with ZipFile(file) as archive:
        return Way("--share", parts=[(name, archive.read(name)) for name in archive.namelist()])


# What is asked

SHOWN: Final = {
    **dict.fromkeys(("chargers", "why", "trials"), "CP-1"),
    **dict.fromkeys(("accounts", "recipients", "users"), 1),
    **dict.fromkeys(("closings", "drafts", "months"), MONTH),
    "id-tags": CARDS["anna"],
}
LONG_LISTS: Final = ("meter-values", "transactions", "statuses", "faults", "configuration")
PRINTED: Final = ("/document", "/archive", "/codes", "/everything", "/problems")
"""What operators may print, which costs a process; they see all of it elsewhere."""
PAPERS: Final = tuple(
    f"/get/me/statements/{number}?format={form}"
    for number in (1, 2)
    for form in ("html", "csv", "json")
)


def answers(site: Site, telling: Telling) -> Iterator[Way]:
    """Yield what viewers and operators get from each GET of the API that they may ask, also as
    CSV."""
    known = {**SHOWN, "transactions": telling.signed}
    described = site.api.ask("GET", "openapi.json")["paths"].items()
    for role in ("viewer", "operator"):
        may, must = ((), ()) if role == "viewer" else (KINDS, (VALUE,))
        told, sheets = Way(f"API of {role}", may, must), Way(f"CSV of {role}", may)
        for path, methods in described:
            get = methods.get("get", {"description": ""})
            is_allowed = any(f"role {one}" in get["description"] for one in ("viewer", role))
            if not is_allowed or path == "/api/events" or path.endswith(PRINTED):
                continue
            with suppress(KeyError):  # of what the site does not have
                place = fill_in(path, known)
                is_long = place.endswith(LONG_LISTS)
                told.add(path, site.get(role, f"{place}?limit=500" if is_long else place))
                if "text/csv" in get["responses"]["200"].get("content", {}):
                    sheets.add(path, site.get(role, f"{place}?format=csv"))
        yield told
        yield sheets


def pages(site: Site, telling: Telling) -> Iterator[Way]:
    """Yield what a viewer and both households see in the dashboard, one page of a kind, and the
    files of their sessions and statements. The session is Anna's."""
    number = telling.signed
    own, file = f"/d/sessions/{number}", f"/get/me/transactions/{number}/signed"
    yield walked(
        site, "vera", "/", f"/sessions/{number}", f"/sessions/{number}/readings", "/chargers/CP-1"
    )
    for name, may in (("anna", (CARD,)), ("ben", ())):
        yield walked(site, name, "/d/me", own, may=may)
        browser = log_in(site.server, name)
        papers, signed = (
            Way(f"papers of {name}", may),
            Way(f"signed values for {name}", may, PROPER if may else (), not_read=OF_URLS),
        )
        for path in PAPERS:
            papers.add(path, browser.ask("GET", path).html)
        signed.add(file, browser.ask("GET", file).html)
        yield papers
        yield signed


def walked(site: Site, name: str, *first: str, may: Sequence[str] = ()) -> Way:
    """Return the pages to which somebody comes by links."""
    way, browser = Way(f"pages of {name}", may), log_in(site.server, name)
    waiting, kinds = [*first], set(first)
    while waiting:
        page = browser.get(waiting.pop(0))
        way.add(page.path, page.html)
        for link in page.links:
            path = link.partition("#")[0]
            kind = re.sub(r"\d+|=[^&]*", "", path)
            is_page = path.startswith("/") and not path.startswith(NOT_FOLLOWED)
            if is_page and kind not in kinds:
                kinds.add(kind)
                waiting.append(path)
    return way


NOT_FOLLOWED: Final = ("/assets/", "/logout", "/login", "/get/", "/do/", "/api/", "/help")
