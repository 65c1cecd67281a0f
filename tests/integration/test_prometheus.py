"""The files of `levity-trio deploy` in a real Prometheus that scrapes a real server, directly and
through an agent."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from levity_trio.deploy.dashboard import dashboard
from tests.ports import free_port

from .charger import Charger, meter_values
from .forking import run_forked
from .prometheus import Prometheus, prometheus, wait_for
from .serving import environment_of_user, serving
from .story import FLAGS, ONE, Story, metrics_port, session, status

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is in Debian's package prometheus; .ci/run installs it",
)

CHARGERS, RANGE = ".*", "1m"
"""What Grafana puts in the place of its variables."""
WRITE = "/api/v1/write"
ENDS_SOON = "--storage.remote.flush-deadline=1s"


class Site(NamedTuple):
    """A server with a charger, its files, and the Prometheus that scrapes it."""

    folder: Path
    prometheus: Prometheus


def deploy(folder: Path, *flags: str) -> None:
    """The files, as a user gets them, but for the intervals: no test waits ten seconds for a
    scrape."""
    run_forked(
        ("deploy", "--force", *flags, str(folder)), folder, environment_of_user(), 60
    ).check_returncode()
    for file in folder.glob("prometheus*.yml"):
        file.write_text(file.read_text().replace("_interval: 10s", "_interval: 1s"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with serving(folder / "levity.db", *FLAGS) as server, Charger(server.port, ONE) as charger:
        charger.boot()
        status(charger, 1, "Available")
        session(charger, 1000, 2500)
        status(charger, 1, "Faulted", "GroundFailure")
        transaction = charger.start("TAG", 2500)
        charger.call("MeterValues", **meter_values(transaction, "9900"))
        deploy(folder, "--metrics-port", str(metrics_port(server)))
        with prometheus(folder / "prometheus.yml", "--storage.tsdb.path=data") as scraping:
            wait_for(lambda: scraping.query("ocpp_central_up == 1"), "it has scraped")
            yield Site(folder, scraping)


def test_it_scrapes_the_server(site: Site) -> None:
    assert [one["value"][1] for one in site.prometheus.query('up{job="levity-trio"}')] == ["1"]
    (status_told,) = site.prometheus.query('ocpp_connector_status{connector_id="1"} == 1')
    assert (status_told["metric"]["cp_id"], status_told["metric"]["status"]) == (ONE, "Faulted")


def test_it_evaluates_the_rules_and_words_the_alerts(site: Site) -> None:
    def faulted() -> list[dict[str, Any]]:
        rules = {rule["name"]: rule for rule in site.prometheus.rules()}
        assert all(rule["health"] in ("ok", "unknown") for rule in rules.values()), rules
        return list(rules["LevityChargerFaulted"]["alerts"])

    wait_for(faulted, "the fault is told")
    (alert,) = faulted()
    assert alert["state"] == "firing"
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"] == "CP-1 connector 1 is faulted"


def expressions() -> list[str]:
    """Every expression of the dashboard, as Grafana asks it."""
    told = [
        target["expr"]
        for row in json.loads(dashboard())["panels"]
        for panel in (row, *row.get("panels", []))
        for target in panel.get("targets", [])
    ]
    return [
        one.replace("$cp", CHARGERS).replace("$__rate_interval", RANGE).replace("$__range", RANGE)
        for one in told
    ]


def test_the_dashboard_tells_who_is_charging(site: Site) -> None:
    """Each column of the table has a row, with the same labels, so that Grafana puts them
    together."""
    panels = {panel["title"]: panel for panel in json.loads(dashboard())["panels"]}
    since, energy, _ = [
        target["expr"].replace("$cp", CHARGERS) for target in panels["Charging now"]["targets"]
    ]
    wait_for(lambda: site.prometheus.query(energy), "it has scraped the session")
    (began,), (kwh,) = site.prometheus.query(since), site.prometheus.query(energy)
    assert began["metric"] == kwh["metric"]
    assert (kwh["metric"]["cp_id"], kwh["metric"]["id_tag"]) == (ONE, "TAG")
    assert kwh["value"][1] == "7.4"


@pytest.mark.parametrize("expression", expressions())
def test_the_dashboard_can_be_asked(expression: str, site: Site) -> None:
    assert "$" not in expression
    site.prometheus.query(expression)


@pytest.mark.parametrize("expression", expressions())
def test_the_dashboard_asks_for_what_there_is(expression: str, story: Story) -> None:
    """Each series of each expression was in a scrape of the server, with the labels that are asked
    of it."""
    told = [series for scrape in story.values() for series in scrape.samples]
    asked = re.findall(r"((?:ocpp|process)_\w+)(?:{(.*?)})?", expression)
    assert asked or re.search("up{|ALERTS{", expression)  # those are Prometheus's own
    for name, matchers in asked:
        if name.startswith("ocpp_backend_"):
            continue  # a site that tells no other backend has none
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', matchers))
        wanted.pop("job", None)  # Prometheus's own
        assert any(
            found == name and wanted.items() <= dict(labels).items() for found, labels in told
        ), name


def test_the_dashboard_has_what_levity_s_had() -> None:
    text = dashboard()
    for name in (
        *(
            "ocpp_central_up",
            "ocpp_cp_connected",
            "ocpp_cp_last_heartbeat_ts",
            "ocpp_cp_last_tx_ts",
        ),
        *("ocpp_cp_disconnects_total", "ocpp_cp_errors_total", "ocpp_cp_boots_total"),
        *(
            "ocpp_cp_reconnect_during_tx_total",
            "ocpp_tx_active",
            "ocpp_cp_current_a",
            "ocpp_energy_jump_total",
        ),
        *(
            "ocpp_central_call_errors_total",
            "ocpp_central_call_rejected_total",
            "process_resident_memory_bytes",
        ),
    ):
        assert name in text


def test_an_agent_behind_nat_sends_what_it_scrapes(tmp_path: Path, site: Site) -> None:
    """Also what was scraped while nobody received; the receiving side has the rules and the dead
    man's."""
    port, target = free_port(), (site.folder / "prometheus.yml").read_text()
    scraped = re.findall(r"job_name: levity-trio.*?127.0.0.1:(\d+)", target, re.DOTALL)[0]
    deploy(tmp_path, "--metrics-port", scraped, "--remote-write", f"http://127.0.0.1:{port}{WRITE}")
    agent = (
        tmp_path / "prometheus-agent.yml",
        "--enable-feature=agent",
        "--storage.agent.path=agent",
        ENDS_SOON,
    )
    receiver = (
        tmp_path / "prometheus-receiver.yml",
        "--storage.tsdb.path=data",
        "--web.enable-remote-write-receiver",
    )
    with prometheus(*agent) as sending:
        wait_for(lambda: _scraped(sending) > 2, "the agent has scraped while nobody received")
        with prometheus(*receiver, port=port) as receiving:
            wait_for(lambda: receiving.query("ocpp_central_up == 1"), "it has arrived")
            names = {rule["name"] for rule in receiving.rules()}
            (arrived,) = receiving.query("ocpp_central_up")
    assert {"LevityNothingArrives", "LevityChargerSilent"} <= names
    assert arrived["metric"]["job"] == "levity-trio"
    assert arrived["metric"]["site"]


def _scraped(agent: Prometheus) -> int:
    """How many samples the agent has appended to its WAL."""
    found = re.search(
        r"^prometheus_agent_samples_appended_total.* (\S+)$", agent.metrics(), re.MULTILINE
    )
    return int(float(found[1])) if found else 0
