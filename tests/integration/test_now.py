"""The figures that a dashboard shows, with our simulator as the charger: now, history, and the server about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from levity_trio import __version__
from tests.integration.foreign import api_of, operate
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving
from tests.integration.simulating import controlled
from tests.integration.test_api import ask, make_token
from tests.integration.test_operations import wait_for

CHARGER = "CP-1"
CHARGING_SECONDS = 60.0


def now(server: Serving, **query: object) -> Any:
    return api_of(server).ask("GET", "now", query=query)


def card(server: Serving) -> Any:
    (found,) = now(server, charger=CHARGER)["chargers"]
    return found


def session(server: Serving) -> Any:
    places = card(server)["connectors"]
    return next((one["transaction"] for one in places if one["transaction"]), None)


def has_curve(server: Serving) -> bool:
    one = session(server)
    return bool(one and one["energy_wh"] and one["curve"])


def test_a_session_from_its_start_to_its_proof(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "site.db", "--time-zone", "Europe/Berlin") as server,
        controlled(server.port, tmp_path) as api,
    ):

        def simulator(*words: str) -> None:
            settings = {**environment(), "LEVITY_SIMULATOR_API": api}
            run_forked(("simulator", *words), tmp_path, settings, 60).check_returncode()

        assert (now(server)["chargers"], now(server)["attention"]) == ([], [])
        simulator("add", CHARGER)
        server.wait_line("ChargerBooted", charger=CHARGER)
        operate(server, CHARGER, "change-configuration", {"key": "MeterValueSampleInterval", "value": "1"})
        simulator("plug", CHARGER)
        operate(server, CHARGER, "remote-start", {"idTag": "04A2B3C4", "connectorId": 1})
        wait_for(lambda: has_curve(server), CHARGING_SECONDS)
        told, one = now(server), session(server)
        assert (told["site"]["time_zone"], told["site"]["sessions"], told["site"]["charging"]) == (
            "Europe/Berlin",
            1,
            1,
        )
        assert told["site"]["power_w"] > 0
        assert told["site"]["energy"]["day_wh"] > 0
        assert (one["id_tag"], one["is_silent"], one["who"]) == ("04A2B3C4", False, None)
        assert (card(server)["is_connected"], card(server)["command"]["action"]) == (True, "RemoteStartTransaction")
        operate(server, CHARGER, "remote-stop", {})
        wait_for(lambda: session(server) is None, CHARGING_SECONDS)
        _proven(server)
        _told_by_the_server(server)


def _proven(server: Serving) -> None:
    """The energy of the day is the sum of the list that it names."""
    energy = now(server)["site"]["energy"]
    listed = api_of(server).ask("GET", "admin", "transactions", query={"ended_since": energy["day_since"]})["data"]
    assert [one["energy_wh"] for one in listed] == [energy["day_wh"]]
    for of in ("site", "charger"):
        (series,) = api_of(server).ask("GET", "history", query={"of": of})["series"]
        assert (series["figures"][-1]["energy_wh"], series["total"]["sessions"]) == (energy["day_wh"], 1)


def _told_by_the_server(server: Serving) -> None:
    told = api_of(server).ask("GET", "system")
    assert (told["program"]["version"], told["load"]["chargers"]) == (__version__, 1)
    assert "orphaned-transactions" in [one["name"] for one in told["plugins"]]
    origins = {one["name"]: (one["value"], one["origin"]) for one in told["settings"]}
    assert (origins["time-zone"], origins["api-port"]) == (("Europe/Berlin", "flag"), ("0", "environment"))
    assert told["database"]["frames"] > 0
    viewer, operator = (make_token(server, role, role) for role in ("viewer", "operator"))
    assert ask(server, path="/api/system", token=viewer).status == 403
    assert ask(server, path="/api/system", token=operator).document["settings"] is None
    assert ask(server, path="/api/now", token=viewer).status == 200
    assert ask(server, path="/api/history?of=account", token=viewer).status == 403
