"""A life-like site: six weeks of a house, and at present three cars, a fault, a charger away, and
newcomers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from levity_trio.authority.issuing import keep_pages
from levity_trio.billing.examples import DAY_AND_NIGHT
from levity_trio.config import pages_folder
from tests.browser.past import (
    AWAY,
    CHARGERS,
    CHARGING,
    DAYS,
    FAULTED,
    HOUSEHOLDS,
    QUIET,
    TIME_ZONE,
    Past,
    write_past,
)
from tests.browser.site import Site, bare_site
from tests.integration.browsing import Browser
from tests.integration.charger import Charger, Closed, now

PASSWORD: Final = "a long enough password"  # noqa: S105
IMPORTED: Final = "/sessions/{imported}"
"""Is a page of its own among those that are checked: less is known of an imported session."""
NEWCOMER, STRANGER = "GRIZZL-E-7731", "04BADCAB1E"
FLAGS: Final = (
    *(
        "--registration",
        "ask",
        "--adopt-existing",
        "--unknown-tags",
        "ask",
        "--time-zone",
        TIME_ZONE,
    ),
    *("--heartbeat-interval", "3600"),
    *("--drivers-url", "https://bauhof.example"),  # codes to print lead there
)
PLATE: Final[Mapping[str, str]] = {
    "chargePointVendor": "United Chargers",
    "chargePointModel": "Grizzl-E Smart",
    "firmwareVersion": "5.633",
}


@contextmanager
def furnished_site(folder: Path, *, is_closed: bool = True) -> Iterator[Site]:
    """A server on the house's database, whose chargers are connected as their past left them.

    The month before this one is closed, unless told otherwise.
    """
    moment = datetime.now(UTC).replace(microsecond=0)
    past = write_past(folder / "site.db", moment, has_import=True)
    keep_pages(
        pages_folder(folder / "site.db"), ["bauhof.local", "192.0.2.12"], "Bauhof 12", moment
    )
    with bare_site(folder, *FLAGS) as site, ExitStack() as presence:
        last = _move_in(site, moment)
        if is_closed:
            site.shown.update(_bill(site, last))
        for identity in (*CHARGERS, NEWCOMER):
            if identity != AWAY:
                presence.enter_context(_present(site.port, identity, past))
        site.shown.update(_shown(site, past))
        yield site


@contextmanager
def peopled_site(folder: Path) -> Iterator[Site]:
    """The same site with people who log in: an admin, and a driver of the first household."""
    with furnished_site(folder) as site:
        site.ask("POST", "admin", "users", name="Cleo", role="admin", password=PASSWORD)
        site.ask("POST", "admin", "users", name="Anna", role="driver", account=1, password=PASSWORD)
        for role, name in (("admin", "Cleo"), ("driver", "Anna")):
            browser = Browser(site.server)
            browser.send(browser.get("/login").form("/login"), name=name, password=PASSWORD)
            site.cookies[role] = [
                {"name": one, "value": of, "url": site.url} for one, of in browser.cookies.items()
            ]
        token = site.ask("POST", "admin", "tokens", name="program", role="viewer")["token"]
        site.headers["program"] = {"authorization": f"Bearer {token}"}
        yield site


def month_before(today: date) -> date:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def _move_in(site: Site, moment: datetime) -> str:
    """Add households, spaces, a tariff and who bills; return the first month that is billed."""
    today = moment.astimezone(ZoneInfo(TIME_ZONE)).date()
    since = str(today - timedelta(days=DAYS + 60))
    site.ask(
        "PUT", "admin", "biller", name="Hausverein Bauhof 12", bank_account="DE75512108001245126199"
    )
    tariff = site.ask("POST", "admin", "tariffs", toml=DAY_AND_NIGHT.replace("2026-10-01", since))[
        "id"
    ]
    site.ask("POST", "admin", "tariff-assignments", tariff=tariff, since=since, site=True)
    station = site.ask("POST", "admin", "stations", name="Bauhof 12")["id"]
    for number, identity in enumerate(CHARGERS, 1):
        site.ask("PUT", "admin", "chargers", identity, name=f"Space {number}", station=station)
    for identity in (FAULTED, AWAY, QUIET):  # the others have transactions
        site.ask("POST", "admin", "chargers", identity, "adopt")
    for who in HOUSEHOLDS:
        account = str(site.ask("POST", "admin", "accounts", name=who.name, since=since)["id"])
        site.ask("POST", "admin", "id-tags", id_tag=who.tag, name=who.name)
        site.ask("POST", "admin", "accounts", account, "give", tag=who.tag, since=since)
    first = month_before(today)
    site.ask("PUT", "admin", "billing", begun_on=str(first))
    return f"{first:%Y-%m}"


@contextmanager
def _present(port: int, identity: str, past: Past) -> Iterator[None]:
    """A charger that has come back, says how it is, and accepts what it is asked until the block is
    left."""
    with Charger(port, identity) as charger:
        charger.call("BootNotification", **PLATE, chargePointSerialNumber=f"S-{identity}")
        _tell(charger, past)
        answering = threading.Thread(target=_answer, args=(charger,))
        answering.start()
        try:
            yield
        finally:
            with suppress(OSError):
                charger.socket.shutdown(socket.SHUT_RDWR)
            answering.join()


def _tell(charger: Charger, past: Past) -> None:
    if charger.identity in past.open:
        transaction, register = past.open[charger.identity]
        watts = next(one.watts for one in CHARGING if one.charger == charger.identity)
        _status(charger, "Charging")
        samples = [
            {"value": str(register + 40)},
            {"value": str(watts), "measurand": "Power.Active.Import", "unit": "W"},
        ]
        reading = [{"timestamp": now(), "sampledValue": samples}]
        charger.call("MeterValues", connectorId=1, transactionId=transaction, meterValue=reading)
    elif charger.identity == FAULTED:
        _status(charger, "Faulted", "GroundFailure")
    else:
        _status(charger, "Available")
    if charger.identity == NEWCOMER:
        charger.call("Authorize", idTag=STRANGER)


def _status(charger: Charger, status: str, error: str = "NoError") -> None:
    charger.call(
        "StatusNotification", connectorId=1, errorCode=error, status=status, timestamp=now()
    )


def _answer(charger: Charger) -> None:
    """Accept every call. `receive` answers pings."""
    charger.socket.settimeout(None)
    with suppress(Closed, OSError):
        while True:
            kind, message_id, *_ = charger.receive()
            if kind == 2:
                charger.send_text(json.dumps([3, message_id, {"status": "Accepted"}]))


def _shown(site: Site, past: Past) -> dict[str, Any]:
    """Return what stands in the paths of pages that show one thing, by the word before it."""
    car = site.ask("POST", "admin", "vehicles", name="Kombi", plate="B-AG 7")["id"]
    site.ask("POST", "admin", "accounts", "1", "give", vehicle=car)
    return {
        "cars": car,
        "chargers": CHARGING[0].charger,
        "transactions": past.doubtful,
        "sessions": past.doubtful,
        IMPORTED: f"/sessions/{past.imported}",
        "tags": HOUSEHOLDS[0].tag,
        "commands": site.ask("POST", "admin", "chargers", QUIET, "clear-cache")["id"],
        "accounts": 1,
        "tariffs": 1,
        "/review/{charger}/{cause}": "/review/" + "/".join(_group(site)),
        **dict.fromkeys(("why", "try"), CHARGING[0].charger),
        "/d/at/{charger}": f"/d/at/{CHARGING[0].charger}",
        "/d/at/{charger}/{connector}": f"/d/at/{QUIET}/1",
        "/d/sessions/{id}": f"/d/sessions/{_ended(site)}",
        "meters": site.ask("POST", "admin", "meters", name="House", class_percent=1.0)["id"],
        "series": site.ask("POST", "admin", "series", name="Market", currency="EUR")["id"],
        "recipients": site.ask("POST", "admin", "recipients", name="Cleo", mail="cleo@example.org")[
            "id"
        ],
    }


def _group(site: Site) -> tuple[str, str]:
    """Return charger and cause of what waits for a decision."""
    found = site.ask("GET", "admin", "review", "groups")["data"][0]
    return str(found["charger"]), str(found["cause"])


def _ended(site: Site) -> int:
    """Return the newest session of the first household that has ended."""
    found = site.ask("GET", "admin", "accounts", "1", "transactions")["data"]
    return next(
        int(one["transaction"]["id"])
        for one in found
        if one["transaction"]["stop_time"] is not None
    )


def _bill(site: Site, month: str) -> dict[str, Any]:
    """Close a month and begin with the next; return what pages show of them, for some by the whole
    path."""
    site.ask("POST", "admin", "closings", month)
    now = f"{datetime.now(ZoneInfo(TIME_ZONE)):%Y-%m}"
    draft = site.ask("GET", "admin", "drafts", now)["data"][0]["id"]
    return {
        "bills": month,
        "year": now[:4],
        "statements": site.ask("GET", "admin", "statements")["data"][0]["number"],
        "/bills/{month}/papers": f"/bills/{now}/papers",
        "/bills/{month}/draft/{number}": f"/bills/{now}/draft/{draft}",
    }
