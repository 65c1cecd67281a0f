"""What people, chargers and services do at a house: every request that changes something, at least
once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import trio

from levity_trio.billing.examples import DAY_AND_NIGHT
from levity_trio.documents.template import ENGLISH_TEXT
from levity_trio.store.reads.levity.rows import ChargerRow
from levity_trio.store.writes.load import load
from levity_trio.store.writes.money.tariffs import SeriesData, set_series
from levity_trio.store.writes.people.ownership import Said
from levity_trio.web.api.drivers.mine import CAR, OWN_CAR
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.in_process import Question
from levity_trio.web.logins.browsers import Visit
from tests.browser.past import AWAY, FAULTED, HOUSEHOLDS, QUIET
from tests.store.books import Books, Station, meter_value
from tests.store.signing_meters import SigningMeter, charge
from tests.web.both.server import SECONDS, Server

PASSWORD: Final = "a long enough password"  # noqa: S105
SINCE: Final = "2026-01-01"
ONE: Final = HOUSEHOLDS[0]
STRANGER: Final = "04BADCAB1E"
NEWCOMER, NEVER = "GRIZZL-E-7731", "SPACE-99"
MADE: Final = {
    "reason": "its start is lost",
    "connector": 1,
    "id_tag": ONE.tag,
    "meter_start_wh": 400_000,
    "start_time": "2026-03-18T10:00:00Z",
    "stop_time": "2026-03-18T11:00:00Z",
    "figure_wh": 2,
}
CSV: Final = "text/csv"
LINES: Final = "application/x-ndjson"
OLD: Final = "2025-01-01T10:00:00.000Z"
ENDED: Final = "2025-01-01T12:00:00.000Z"
TRANSACTION: Final = {
    "charger": "OLD-1",
    "imported_id": 3,
    "connector": 1,
    "id_tag": ONE.tag,
    "start_time": OLD,
    "stop_time": ENDED,
    "meter_start": 0,
    "meter_stop": 5000,
    "energy_wh": 5000,
    "stop_reason": "Local",
    "received_at": OLD,
    "stop_received_at": ENDED,
    "last_reading_at": None,
    "payload": {},
    "doubts": [],
}
READING: Final = {
    "charger": "OLD-1",
    "imported_id": 4,
    "transaction": None,
    "connector": 1,
    "received_at": OLD,
    "timestamp": OLD,
    "sent_timestamp": OLD,
    "measurand": "Energy.Active.Import.Register",
    "value": "100",
    "unit": "Wh",
    "context": "Sample.Periodic",
    "location": "Outlet",
    "phase": "",
    "format": "Raw",
}
ERROR: Final = {
    "charger": "OLD-1",
    "imported_id": 5,
    "connector": 1,
    "error_code": "GroundFailure",
    "vendor_error_code": None,
    "error_description": None,
    "vendor_error_info": None,
    "timestamp": OLD,
    "resolved_at": ENDED,
    "received_at": OLD,
}
FIRMWARE: Final = b"firmware" * 100
LATER: Final = "2026-03-19T12:00:00Z"


@dataclass
class Told:
    """What was asked, and answered."""

    method: str
    path: str
    status: int
    content: Any


@dataclass
class Life:
    """Asks a server, and keeps what it answered. `shown` is what stands in the paths of pages, by
    the word before."""

    server: Server
    told: list[Told] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)

    async def ask(self, method: str, path: str, /, **given: Any) -> Any:
        """Send a request below /api/admin, whose body is what is given."""
        return await self.send(method, f"/api/admin/{path}", orjson.dumps(given))

    async def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        role: Role = Role.ADMIN,
        status: int = 0,
        query: dict[str, Any] | None = None,
        **headers: str,
    ) -> Any:
        """Send a request; it must be accepted, unless a status is given."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        question = Question(method=method, path=path, body=body, query=query or {}, headers=headers)
        reply = await self.server.ask(role, question)
        is_json = reply.headers.get("content-type", "").endswith("json")
        content = orjson.loads(reply.body) if is_json and reply.body else reply.body
        self.told.append(Told(method, path, reply.status, content))
        assert reply.status == status if status else reply.status < 300, self.told[-1]
        return content


async def live(life: Life) -> None:
    """Let everything happen, in an order in which it can."""
    await _move_in(life)
    await _files(life)
    await _people(life)
    await _told(life)
    await _feeder(life)
    await _chargers(life)
    async with life.server.charger(QUIET):
        await _operations(life)
        await _settings(life)
        await _drivers(life)
    await _oddities(life)
    await _bills(life)
    await _wallets(life)
    await _imports(life)
    await _households(life)
    await _goodbyes(life)


async def _move_in(life: Life) -> None:
    """Households with tags, vehicles and spaces; stations, a tariff and the biller."""
    ask = life.ask
    await ask(
        "PUT",
        "biller",
        name="Hausverein Bauhof 12",
        bank_account="DE75512108001245126199",
        payment_days=14,
    )
    tariff = (await ask("POST", "tariffs", toml=DAY_AND_NIGHT.replace("2026-10-01", SINCE)))["id"]
    cheap = await ask(
        "POST", "tariff-prices", price="0.25", since=SINCE, name="Cheap", currency="EUR", tax="19"
    )
    await ask("POST", "tariff-assignments", tariff=tariff, since=SINCE, site=True)
    await ask(
        "POST", "tariff-assignments", tariff=cheap["id"], since="2026-02-15", charger="SPACE-02"
    )
    gone = await ask(
        "POST", "tariff-prices", price="0.99", since="2026-05-01", name="Gone", currency="EUR"
    )
    await ask("POST", f"tariffs/{gone['id']}/withdraw", since="2026-05-01", reason="a mistake")
    station = (await ask("POST", "stations", name="Bauhof 12", latitude=52.5, longitude=13.4))["id"]
    await ask(
        "PUT",
        f"stations/{station}",
        name="Bauhof 12",
        address="Berlin",
        latitude=52.5,
        longitude=13.4,
    )
    other = (await ask("POST", "stations", name="Elsewhere"))["id"]
    await ask("DELETE", f"stations/{other}")
    for number, who in enumerate(HOUSEHOLDS, 1):
        await ask("PUT", f"chargers/{who.charger}", name=f"Space {number}", station=station)
        account = (
            await ask("POST", "accounts", name=who.name, since=SINCE, address=f"Flat {number}")
        )["id"]
        await ask(
            "POST",
            "id-tags",
            id_tag=who.tag,
            name=who.name,
            parent_id_tag="HOUSE" if number % 2 else None,
        )
        if number != 7:
            await ask("POST", f"accounts/{account}/give", tag=who.tag, since=SINCE)
    vehicle = (await ask("POST", "vehicles", name="Kombi", plate="B-XY 1", battery_kwh=58.25))["id"]
    await ask("PATCH", f"vehicles/{vehicle}", plate="B-XY 2")
    spare = (await ask("POST", "vehicles", name="Spare"))["id"]
    await ask("DELETE", f"vehicles/{spare}")
    await ask("POST", "accounts/1/give", vehicle=vehicle)
    company_car = (await ask("POST", "vehicles", name="Wagen", plate="B-AG 7"))["id"]
    await ask("POST", "accounts/2/give", tag=HOUSEHOLDS[1].tag, vehicle=company_car, since=SINCE)
    await ask(
        "POST",
        "accounts/2/give",
        charger="SPACE-02",
        connector=1,
        name="Space 2",
        reason="their place",
    )
    await ask("POST", "accounts/3/give", charger="SPACE-03", since="2026-03-01", reason="theirs")
    await ask("POST", "accounts/3/take", charger="SPACE-03", reason="not theirs")
    await ask("PATCH", "accounts/2", contact="mira@example.org", notes="two cars")
    await ask("PATCH", f"id-tags/{ONE.tag}", notes="her card", max_transactions=2)
    await ask("POST", "accounts/3/give", charger="SPACE-03", exclusive=True)
    await ask("PUT", "accounts/3/limits", chargers=["SPACE-03", "SPACE-04"], month_wh=200_000)
    await ask("PUT", f"id-tag-limits/{ONE.tag}", everywhere=True, month_amount=9000)
    sheet = f"/api/admin/accounts/2/vehicles/{company_car}/sheets/2026-02"
    own_sheet = f"/api/me/vehicles/{vehicle}/sheets/2026-02"
    for path, shown in ((CAR, sheet), (OWN_CAR, own_sheet)):
        life.shown[f"{path}/sheets/{{month}}"] = shown
    life.shown |= {
        "stations": station,
        "cars": vehicle,
        "/accounts/{id}/cars/{vehicle}": f"/accounts/2/cars/{company_car}",
        "car": company_car,
        "vehicles": vehicle,
        "tariffs": tariff,
        "accounts": 1,
        "tags": ONE.tag,
    }
    life.shown |= {"id-tag-limits": ONE.tag, "id-tag-use": ONE.tag, "sheets": "SPACE-02"}


async def _feeder(life: Life) -> None:
    """A feeder with a meter, a rotation, wishes and orders."""
    await life.ask("POST", "load/site/preview", feeder={"amperes": 16, "house": "none", "most": 16})
    document = (
        '[[circuit]]\nname = "Feeder"\namperes = 250\nmeter = "Main"\n[[meter]]\nname = "Main"\n'
    )
    document += "[options]\ndriver_wishes = true\n"
    await life.ask("PUT", "load/site", toml=document)
    await life.ask("PUT", "load/rotations", charger="SPACE-02", rotation="STR")
    meter = {"model": "SDM630", "address": "192.0.2.7"}
    await life.ask("PUT", "load/meters", name="PV", measures="panels", **meter)
    await life.send(
        "POST", "/api/admin/load/meters/Main", orjson.dumps({"amperes": [1.5, 2, 3]}), status=409
    )
    await life.ask("PUT", "load/limits", charger="SPACE-02", amperes=10, reason="a loose terminal")
    await life.ask("POST", "load/boosts", charger="SPACE-03", minutes=30, reason="a doctor")
    await life.ask("PUT", "load/grid-limit", amperes=40, source="grid")
    await life.ask("POST", "load/chargers", charger="SPACE-02")
    await life.ask("PUT", "load/chargers/SPACE-02/trust", is_trusted=True)
    await life.ask("POST", "load/chargers/SPACE-02/again")
    await life.send(
        "POST", "/api/admin/load/trials", orjson.dumps({"charger": "SPACE-02"}), status=409
    )
    await life.send("DELETE", "/api/admin/load/trials/SPACE-02", status=404)
    life.server.books.run(
        load.note_prepared, "SPACE-02", life.server.books.at, (None, None), (1, None)
    )
    life.server.books.run(load.begin_trial, "SPACE-02", 1, life.server.books.at, "anna")
    life.shown["trials"] = "SPACE-02"
    await life.ask("POST", "load/forget", circuit="Feeder")
    await life.ask("POST", "load/forget", charger="SPACE-02")
    await life.ask("POST", "load/chargers/release", charger="SPACE-02")
    await life.ask(
        "POST", "load/what-if", since="2026-02-01", until="2026-03-01", amperes=6, chargers=2
    )


async def _files(life: Life) -> None:
    """What comes as a file of many lines, and files for chargers."""
    for name, text in {
        "id-tag": "id_tag,name,status\nA1,One,Accepted\nB2,Two,Blocked\n",
        "account": "name,address\nFlat 9,Street 1\nFlat 10,\n",
        "account-tag": "account,id_tag,since\nFlat 9,A1,2026-02-01\n",
        "account-space": f"account,charger,connector,name\nFlat 9,{QUIET},1,Corner\n",
        "vehicle": "name,plate,battery_kwh,account\nVan,B-V 1,70,Flat 9\n",
    }.items():
        for _ in range(2):
            await life.send("POST", f"/api/admin/{name}-import", text.encode(), content_type=CSV)
    for title in ("5.633.bin", "5.634.bin"):
        await life.send(
            "POST",
            "/api/admin/files",
            FIRMWARE,
            query={"title": title},
            content_type="application/octet-stream",
        )
    await life.ask("DELETE", "files/2")
    template = ENGLISH_TEXT.encode()
    for _ in range(2):
        await life.send(
            "PUT", "/api/admin/biller/template", template, content_type="application/toml"
        )
        await life.ask("DELETE", "biller/template")
    logo = (Path(__file__).parents[2] / "screenshots" / "now.png").read_bytes()
    await life.send("PUT", "/api/admin/biller/logo", logo, content_type="image/png")
    await life.ask("DELETE", "biller/logo")
    await life.send("PUT", "/api/admin/biller/logo", logo, content_type="image/png")
    await life.send("PUT", "/api/admin/biller/template", template, content_type="application/toml")
    life.shown["files"] = 1


async def _people(life: Life) -> None:
    """Users, tokens, webhooks."""
    ask = life.ask
    for name, role in (
        ("Cleo", "admin"),
        ("Otto", "operator"),
        ("Vera", "viewer"),
        ("Gone", "viewer"),
    ):
        await ask("POST", "users", name=name, role=role, password=PASSWORD)
    driver = (await ask("POST", "users", name="Anna", role="driver", account=1, password=PASSWORD))[
        "id"
    ]
    invited = (await ask("POST", "users", name="Ben", role="driver", account=2, invite="pin"))["id"]
    await ask("POST", f"users/{invited}/invitations", kind="link")
    await life.send(
        "POST", f"/api/admin/users/{invited}/letter", b'{"code": "no such one"}', status=409
    )
    await ask("PATCH", f"users/{invited}", account=3)
    await ask("DELETE", "users/4")
    for name, role in (("program", "viewer"), ("lost", "operator")):
        await ask("POST", "tokens", name=name, role=role)
    await ask("DELETE", "tokens/2")
    hook = (await ask("POST", "webhooks", name="home", url="https://home.example/hook"))["id"]
    gone = (
        await ask(
            "POST", "webhooks", name="gone", url="https://gone.example/", kinds=["BillingBegun"]
        )
    )["id"]
    await ask("DELETE", f"webhooks/{gone}")
    await _backends(life)
    # MQTT was never used
    await life.send("POST", "/api/admin/mqtt/replay", b'{"since": "2026-03-01"}', status=409)
    life.shown |= {"webhooks": hook, "users": driver}


async def _backends(life: Life) -> None:
    """Backends that get a copy."""
    ask, url = life.ask, "wss://backend.example/ocpp/"
    chargers = [{"charger": ONE.charger, "identity": "NL-7", "password": PASSWORD, "without": [2]}]
    given: dict[str, Any] = {"url": url, "chargers": chargers}
    alias = {"card": ONE.tag, "alias": "DRIVER-7"}
    ours = (await ask("POST", "backends", name="employer", **given, cards=[alias]))["id"]
    gone = (await ask("POST", "backends", name="registrar", **given, begins_on=SINCE))["id"]
    await ask("PUT", f"backends/{gone}", name="ERE", other_cards=None, is_repaired=True)
    await ask("PUT", f"backends/{ours}/chargers/{QUIET}", identity="NL-8")
    await ask("PUT", f"backends/{gone}/chargers/{QUIET}")
    await ask("DELETE", f"backends/{gone}/chargers/{QUIET}")
    await ask("PUT", f"backends/{gone}/chargers/{QUIET}", without=[1])
    await ask("PUT", f"backends/{ours}/cards", card=STRANGER, alias=None)
    await ask("PUT", f"backends/{gone}/cards", **alias)
    await ask("DELETE", f"backends/{gone}/cards/{ONE.tag}")
    # nothing waits for it
    await life.send("POST", f"/api/admin/backends/{ours}/again", b"{}", status=404)
    await ask("POST", f"backends/{ours}/pause")
    await ask("POST", f"backends/{gone}/pause")
    await ask("POST", f"backends/{gone}/resume")
    await ask("DELETE", f"backends/{gone}")
    life.shown["backends"] = ours


async def _told(life: Life) -> None:
    """Who gets messages; no way out is set."""
    owner = {
        "name": "Cleo",
        "mail": "cleo@example.org",
        "kinds": ["fault", "away"],
        "language": "de",
    }
    ours = (await life.ask("POST", "recipients", **owner, quiet_from="22:00", quiet_until="06:00"))[
        "id"
    ]
    await life.ask("PUT", f"recipients/{ours}", **owner, away_minutes=30, with_names=True)
    gone = (await life.ask("POST", "recipients", who="driver", account=2, mail="b@example.org"))[
        "id"
    ]
    await life.ask("DELETE", f"recipients/{gone}/topic")
    await life.ask("DELETE", f"recipients/{gone}")
    for path in (f"recipients/{ours}/topic", f"recipients/{ours}/test"):
        await life.send("POST", f"/api/admin/{path}", status=409)
    await life.send("POST", "/api/admin/messages/test", b'{"way": "mail"}', status=409)
    for kinds in (b'["full"]', b"[]"):
        own = b'{"mail": "anna@example.org", "kinds": %s}' % kinds
        await life.send("PUT", "/api/me/recipient", own, role=Role.DRIVER)
    await life.send("POST", "/api/me/recipient/topic", role=Role.DRIVER, status=409)
    await life.send("DELETE", "/api/me/recipient/topic", role=Role.DRIVER)
    await life.send("POST", "/api/admin/closings/2026-01/mail", status=409)
    await life.send("POST", "/api/admin/statements/1/reminder", status=409)
    life.shown["recipients"] = ours


async def _chargers(life: Life) -> None:
    """Registration, passwords, certificates; and chargers that were never there."""
    ask = life.ask
    books = life.server.books
    Station(books, NEWCOMER).boot()
    Station(books, "NOISE").boot()
    life.server.central.known.update((NEWCOMER, "NOISE"))
    await ask("POST", "chargers", id=NEVER, name="Soon", vendor="V", model="M")
    await ask("POST", "chargers/NOISE/refuse", reason="unknown")
    await ask("POST", f"chargers/{QUIET}/adopt", reason="ours")
    await ask("POST", "newcomers/adopt", reason="all of them")
    await ask(
        "PUT", f"chargers/{QUIET}/connectors/1", type="Type2", phases=3, max_a=16, max_kw=11.0
    )
    await ask("PUT", "chargers/SPACE-01/connectors/1", type="Type2", max_a=32)
    await ask("DELETE", "chargers/NOISE")
    await ask("POST", "chargers", id="BROKEN", name="The corner")
    await ask("POST", "chargers/BROKEN/replacement", charger="MENDED")
    await ask("POST", "chargers/SPACE-04/password")
    await ask("POST", "chargers/SPACE-04/password", keep_old=True)
    await ask("PUT", "chargers/SPACE-04/security", profile=1)
    await ask("POST", "chargers/SPACE-04/readmit", profile=0)
    key = SigningMeter(seed=4).public().hex()
    gone = (await ask("POST", "chargers/SPACE-04/meter-keys", key=key))["id"]
    await ask("POST", "chargers/SPACE-04/meter-keys", key=key, connector=1)
    await ask("DELETE", f"chargers/SPACE-04/meter-keys/{gone}")


async def _operations(life: Life) -> None:
    """All commands to a connected charger, and some that wait for one that is away."""
    path = f"chargers/{QUIET}"
    profile = {
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
        },
    }
    for name, body in {
        "get-configuration": {},
        "reset": {"type": "Soft"},
        "unlock-connector": {"connectorId": 1},
        "change-availability": {"connectorId": 1, "type": "Inoperative"},
        "change-configuration": {"key": "HeartbeatInterval", "value": "300"},
        "clear-cache": {},
        "data-transfer": {"vendorId": "V", "data": "x"},
        "get-diagnostics": {"location": "ftp://192.0.2.9/"},
        "update-firmware": {"location": "ftp://192.0.2.9/f.bin", "retrieveDate": LATER},
        "get-local-list-version": {},
        "send-local-list": {"updateType": "Full", "localAuthorizationList": []},
        "reserve-now": {"connectorId": 1, "expiryDate": LATER, "idTag": ONE.tag},
        "cancel-reservation": {"reservationId": 1},
        "set-charging-profile": {"connectorId": 1, "csChargingProfiles": profile},
        "get-composite-schedule": {"connectorId": 1, "duration": 3600},
        "clear-charging-profile": {"connectorId": 1},
        "trigger-message": {"requestedMessage": "Heartbeat"},
        "extended-trigger-message": {"requestedMessage": "Heartbeat"},
        "get-log": {"logType": "SecurityLog", "log": {"remoteLocation": "ftp://192.0.2.9/"}},
        "get-installed-certificate-ids": {"certificateType": "CentralSystemRootCertificate"},
        "raw": {"action": "ClearCache", "payload": {}},
        "remote-start": {"connectorId": 1, "idTag": ONE.tag},
    }.items():
        await life.send(
            "POST", f"/api/admin/{path}/{name}", orjson.dumps(body), query={"force": True}
        )
    away = await life.send(
        "POST",
        f"/api/admin/chargers/{AWAY}/clear-cache",
        query={"deadline": 600, "timeout": 1},
        prefer="respond-async",
    )
    gone = await life.send(
        "POST",
        f"/api/admin/chargers/{AWAY}/reset",
        b'{"type":"Hard"}',
        query={"deadline": 600},
        prefer="respond-async",
    )
    await life.ask("DELETE", f"commands/{gone['id']}")
    await life.ask("POST", "bulk", action="ClearCache", payload={}, chargers=[QUIET, "SPACE-01"])
    old = {"action": "ClearCache", "payload": {}}
    await life.send("POST", f"/api/charge-points/{QUIET}/request", orjson.dumps(old))
    life.shown["commands"] = away["id"]


async def _settings(life: Life) -> None:
    """Configuration templates, the offline policy, local lists, security profiles."""
    ask = life.ask
    await ask(
        "PUT",
        "configuration-templates/house",
        entries={"HeartbeatInterval": "300"},
        chargers=[QUIET, AWAY],
    )
    await ask(
        "PUT",
        "configuration-templates/house",
        entries={"HeartbeatInterval": "400"},
        chargers=[QUIET, AWAY],
    )
    await ask("PUT", "configuration-templates/gone", entries={"HeartbeatInterval": "1"}, model="M")
    await ask("DELETE", "configuration-templates/gone")
    await ask("POST", f"chargers/{QUIET}/configuration/read")
    await ask("POST", "configuration-templates/house/apply", chargers=[QUIET])
    await ask("POST", f"chargers/{QUIET}/offline-policy", LocalAuthorizeOffline=True)
    life.shown["configuration-templates"] = "house"


async def _drivers(life: Life) -> None:
    """A driver starts and stops, and changes the password; a stranger's tag is asked for."""
    ask, books = life.ask, life.server.books
    station = Station(books, FAULTED)
    station.status("Faulted", error="GroundFailure")
    quiet = Station(books, "SPACE-06")
    quiet.boot()
    quiet.status("Preparing")
    await life.send("POST", "/api/me/chargers/SPACE-06/start", b"{}", role=Role.DRIVER, status=409)
    await life.send(
        "POST",
        f"/api/me/transactions/{_open(books, ONE.charger)}/stop",
        role=Role.DRIVER,
        status=409,
    )
    leaving = orjson.dumps({"departure": "2026-03-19T07:00", "wanted_wh": 12_000})
    path = f"/api/me/transactions/{_open(books, ONE.charger)}/departure"
    await life.send("PUT", path, leaving, role=Role.DRIVER)
    await _price_limit(life, quiet)
    for path in (f"/api/me/tags/{ONE.tag}", f"/api/me/vehicles/{life.shown['vehicles']}"):
        for name in (b"Zoe", b"Ours"):
            await life.send("PUT", path, b'{"name": "%s"}' % name, role=Role.DRIVER)
    about = orjson.dumps({"words": "It smells.", "charger": ONE.charger})
    reported = await life.send("POST", "/api/me/reports", about, role=Role.DRIVER)
    await ask("POST", f"reports/{reported['id']}/answer", answer="It is new.")
    await life.send("POST", "/api/me/tags/NONE/lost", role=Role.DRIVER, status=404)
    life.shown["/api/me/transactions/{id}"] = f"/api/me/transactions/{_open(books, ONE.charger)}"
    life.shown["/api/me/transactions/{id}/curve"] = (
        f"/api/me/transactions/{_open(books, ONE.charger)}/curve"
    )
    await ask("POST", "chargers/SPACE-05/adopt")
    async with life.server.charger("SPACE-05") as charger:
        await charger.send_call("Authorize", {"idTag": STRANGER})
        await until(lambda: books.rows("SELECT 1 FROM asked_tag"))
    await ask("DELETE", f"asked-id-tags/{STRANGER}")
    await ask("POST", "id-tags", id_tag="04D1D2D3", name="A wallet")
    await ask("POST", "asked-id-tags/D3D2D104/same", id_tag="04 D1 D2 D3")


async def _price_limit(life: Life, station: Station) -> None:
    """A driver lets his car wait for a lower price, and no longer."""
    books = life.server.books
    series = SeriesData(name="Market", currency="EUR", prices="gross")
    books.run(set_series, series, Said(books.at, "anna"))
    toml = (
        f'name = "Moving"\nvalid_from = {SINCE}\ncurrency = "EUR"\nprices = "gross"\ntax = 19\n'
        '[energy]\nseries = "Market"\nfallback = 0.3\n'
    )
    tariff = await life.ask("POST", "tariffs", toml=toml)
    await life.ask(
        "POST", "tariff-assignments", tariff=tariff["id"], since=SINCE, charger="SPACE-06"
    )
    session = station.start(0, 1, ONE.tag)
    path = f"/api/me/transactions/{session}/price-limit"
    limit = orjson.dumps({"most_price": "0.2", "charges_at": "2026-03-19T07:00"})
    await life.send("PUT", path, limit, role=Role.DRIVER, status=409)
    await life.ask("POST", "load/chargers", charger="SPACE-06")
    for _ in range(2):
        await life.send("PUT", path, limit, role=Role.DRIVER)
    await life.send("GET", path, role=Role.DRIVER)
    await life.ask("GET", "load/wishes")
    await life.send("DELETE", path, role=Role.DRIVER)
    await life.ask("POST", "load/chargers/release", charger="SPACE-06")
    station.stop(session, 0)


def _open(books: Books, charger: str) -> int:
    return int(books.value("SELECT max(id) FROM tx WHERE cp_id = ? AND status = 'Active'", charger))


async def until(is_so: Callable[[], object]) -> None:
    """Wait for what another task does."""
    with trio.fail_after(SECONDS):
        while not is_so():  # noqa: ASYNC110 - of a database
            await trio.sleep(0.01)


async def _oddities(life: Life) -> None:
    """Doubts, messages that fit nothing, and what an operator makes of them."""
    ask, books = life.ask, life.server.books
    station = Station(books, "SPACE-12")
    life.server.central.known.add("SPACE-12")
    await ask("POST", "chargers/SPACE-12/adopt")
    station.boot()
    station.boot(serial_number="SN-1")
    doubtful = _doubtful(station, 0)
    station.boot(serial_number="SN-2")
    await ask("POST", "chargers/SPACE-12/serial", serial_number="SN-2", replaced=True)
    books.run(
        lambda db: db.execute(
            "INSERT INTO meter_pair (cp_id, other_cp_id, at, is_shown) "
            "VALUES ('SPACE-06', 'SPACE-12', '2026', 0)"
        )
    )
    await ask("POST", "chargers/SPACE-12/meter", charger="SPACE-06", shared=True)
    await ask("POST", f"transactions/{doubtful[0]}/confirm", reason="seen")
    # a good one takes numbers on PostgreSQL
    of_preview = f"/api/admin/transactions/{doubtful[1]}/correct/preview"
    await life.send(
        "POST", of_preview, b'{"reason":"read again","figure_wh":900000000}', status=422
    )
    await ask("POST", f"transactions/{doubtful[1]}/correct", reason="read again", figure_wh=4000)
    seen = {"transaction": doubtful[1], "event": 1, "figure_wh": 5000}
    await ask(
        "POST", "review/groups/SPACE-12/register_leapt/decide", reason="seen", sessions=[seen]
    )
    await ask("POST", "review/groups/SPACE-12/register_leapt/decide-all", reason="seen", event=1)
    for method in ("POST", "DELETE"):
        await life.send(method, "/api/admin/habits/999/ask", status=404)
    await ask("POST", f"transactions/{doubtful[2]}/give", account=7, reason="a guest of theirs")
    await ask("POST", f"transactions/{doubtful[3]}/give", account=7, reason="a guest")
    await ask("POST", f"transactions/{doubtful[3]}/take-back", reason="a mistake")
    review = books.value("SELECT min(id) FROM review WHERE tx_id = ?", doubtful[2])
    await life.send(
        "POST", f"/api/admin/reviews/{review}/dismiss", b'{"reason":"seen"}', status=409
    )
    books.wait(60)
    left = station.start(300_000, 1, ONE.tag)
    for number in range(4):
        station.stop(4_000_000 + number, 400_000 + number)
    ids = [number for (number,) in books.rows("SELECT id FROM set_aside ORDER BY id")]
    books.wait(30)
    await ask("POST", f"set-aside/{ids[0]}/dismiss", reason="a test")
    await ask(
        "POST",
        f"set-aside/{ids[1]}/attach",
        transaction=left,
        reason="it fits",
        meter_stop_wh=301_000,
    )
    await ask("POST", f"set-aside/{ids[2]}/make-transaction", **MADE)
    lost = station.start(500_000, 1, ONE.tag)
    books.wait(30)
    await ask("POST", f"transactions/{lost}/close", reason="it left", meter_stop_wh=502_000)
    signed = charge(station, SigningMeter(seed=12), ONE.tag, minutes=2)
    for path in ("/api/admin/transactions/{id}/signed", "/api/me/transactions/{id}/signed"):
        life.shown[path] = path.format(id=signed)
    books.settle()
    left = (await life.send("GET", "/api/admin/review/groups"))["data"][0]
    group = f"{left['charger']}/{left['cause']}"
    life.shown["/review/{charger}/{cause}"] = f"/review/{group}"
    life.shown["/api/admin/review/groups/{charger}/{cause}"] = f"/api/admin/review/groups/{group}"


def _doubtful(station: Station, begin: int) -> list[int]:
    """Return transactions whose register leaps."""
    found = []
    for _ in range(4):
        number = station.start(begin, 1, ONE.tag)
        station.books.wait(15)
        station.tell(meter_value(station.clock(), begin + 1000), transaction=number)
        station.books.wait(15)
        station.tell(meter_value(station.clock(), begin + 60_000), transaction=number)
        begin += 60_100
        station.stop(number, begin)
        station.books.wait(1)
        found.append(number)
    return found


async def _bills(life: Life) -> None:
    """February is closed, March is drafted; meters are read."""
    ask = life.ask
    await ask("PUT", "billing", begun_on="2026-02-01")
    meter = (
        await ask(
            "POST",
            "meters",
            name="House",
            class_percent=1.0,
            since=SINCE,
            chargers=[one.charger for one in HOUSEHOLDS],
        )
    )["id"]
    await ask("PATCH", f"meters/{meter}", chargers_percent=2.0)
    for day, value in (
        ("2026-01-31", "100000"),
        ("2026-02-28", "101500.5"),
        ("2026-03-15", "102000"),
    ):
        await ask("POST", f"meters/{meter}/readings", value=value, unit="kWh", at=day)
    await ask("POST", f"meters/{meter}/readings/3/void", reason="misread")
    text = "meter,value,unit,at\nHouse,102001,kWh,2026-03-16\n"
    await life.send("POST", "/api/admin/meter-reading-import", text.encode(), content_type=CSV)
    await _series(life)
    await ask("POST", "closings/2026-02")
    path = f"accounts/2/vehicles/{life.shown['car']}"
    await ask(
        "POST",
        f"{path}/price",
        month="2026-02",
        way="contract",
        price="0,31",
        base_fee=12_000,
        year_wh=3_000_000,
    )
    own = b'{"month": "2026-02", "way": "flat", "price": "0.34"}'
    await life.send(
        "POST", f"/api/me/vehicles/{life.shown['vehicles']}/price", own, role=Role.DRIVER
    )
    price = {
        "price": "0,30",
        "since": "2026-04-01",
        "name": "Dearer",
        "night_price": "0.25",
        "currency": "EUR",
    }
    await ask(
        "POST",
        "tariffs/preview",
        toml=DAY_AND_NIGHT.replace("2026-10-01", "2026-05-01"),
        month="2026-02",
    )
    await ask("POST", "tariff-previews", **price, month="2026-02")
    life.shown |= {"meters": meter}


async def _series(life: Life) -> None:
    """A price series is entered; its source does not answer."""
    series = (await life.ask("POST", "series", name="Spot", currency="EUR"))["id"]
    path, source = f"/api/admin/series/{series}", {"url": "http://127.0.0.1:1/"}
    day = {"since": "2026-03-01", "until": "2026-03-02", "price": "0.25"}
    await life.ask("POST", f"series/{series}/prices", **day)
    document = b"time;price\n2026-03-02T10:00;0,31\n2026-03-02T10:15;0,31\n"
    await life.send("POST", f"{path}/import", document, query={"reason": "r"}, content_type=CSV)
    await life.ask("PATCH", f"series/{series}", **source)
    await life.send("POST", f"{path}/fetch", b"{}", status=504)
    tried = orjson.dumps({"name": "Spot", "currency": "EUR"} | source)
    await life.send("POST", "/api/admin/series/try", tried, status=504)
    await life.ask("PATCH", f"series/{series}", url="")
    life.shown |= {"series": series}


async def _wallets(life: Life) -> None:
    ask = life.ask
    await ask("POST", "wallets/1/terms", terms="prepaid", limit=0, reason="agreed")
    for kind, amount in (
        ("payment", 500),
        ("top-up", 20000),
        ("refund", 100),
        ("chargeback", 200),
        ("correction", -5),
    ):
        await ask("POST", f"wallets/2/{kind}", amount=amount, currency="EUR", reason="cash")
    for _ in range(2):
        body = orjson.dumps({"amount": 1500, "currency": "EUR", "reason": "cash"})
        await life.send(
            "POST", "/api/admin/wallets/3/top-up", body, status=201, idempotency_key="bank 7"
        )
    text = "Tag;Wieviel;Wer\n2026-03-10;12,00;Somebody\n2026-03-11;1,00;Nobody\n"
    columns = {"day": "Tag", "amount": "Wieviel", "name": "Wer"}
    await life.send("POST", "/api/admin/bank-files", text.encode(), query=columns)
    read = await life.send("POST", "/api/admin/bank-files", text.encode())
    fields = ("key", "day", "amount", "text", "payer")
    lines = [{name: line[name] for name in fields} for line in read["lines"]]
    lines[0]["to"] = "account:3"
    await ask("POST", "bank-lines", lines=lines, rest=True)


async def _imports(life: Life) -> None:
    """The history of another system, twice: the second time it is known."""
    charger = dict.fromkeys(ChargerRow._fields) | {"id": "OLD-1", "name": "Old", "vendor": "V"}
    rows: dict[str, dict[str, Any]] = {
        "chargers": charger,
        "transactions": TRANSACTION,
        "readings": READING,
        "errors": ERROR,
    }
    for kind, row in rows.items():
        for _ in range(2):
            body = orjson.dumps([[*row.values()]]) + b"\n"
            await life.send("POST", f"/api/admin/imports/levity/{kind}", body, content_type=LINES)


async def _households(life: Life) -> None:
    """Whole tasks: a list that is entered and undone, one that moves in with a log-in, and out."""
    ask = life.ask
    entered = await ask(
        "POST", "households", rows=[{"name": "Flat 20", "card": "04F20F20"}, {"name": "Flat 21"}]
    )
    await ask("POST", f"household-tasks/{entered['task']}/undo")
    await life.send(
        "POST", "/api/admin/household-import", b"name,card\nFlat 23,04F23F23\n", content_type=CSV
    )
    moved = await ask(
        "POST",
        "move-ins",
        name="Flat 24",
        card="04F24F24",
        driver="flat24",
        contact="f@example.org",
    )
    await ask("POST", f"accounts/{moved['account']}/move-out", until="2026-03-19")


async def _goodbyes(life: Life) -> None:
    """What leaves: an account, a log-in, a tag, a charger."""
    ask, server = life.ask, life.server
    await server.api.logins.enter("Otto", PASSWORD, Visit("192.0.2.3", None, "Firefox"))
    await ask("DELETE", "logins/1")
    await ask("POST", "accounts/8/take", tag=HOUSEHOLDS[7].tag)
    await ask("POST", "accounts/8/close")
    owed = -server.books.value("SELECT sum(amount) FROM ledger WHERE account_id = 8")
    await ask("POST", "wallets/8/payment", amount=owed, currency="EUR", reason="paid")
    server.books.wait(24 * 60)
    await life.send(
        "DELETE", "/api/admin/accounts/8/personal", query={"reason": "moved out", "force": True}
    )
    await ask("DELETE", f"id-tags/{HOUSEHOLDS[7].tag}")
    await ask("POST", f"chargers/{NEVER}/forget")
    await ask("POST", "chargers/forget", chargers=[NEVER], like="NOBODY-*")
