"""Scraped pages, parsed by Prometheus's own client library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import urlopen

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

LEVITYS = {
    "ocpp_central_up": ("gauge", ()),
    "ocpp_msg_handling_seconds": ("histogram", ("cp_id", "message_type")),
    "ocpp_cp_connected": ("gauge", ("cp_id",)),
    "ocpp_cp_last_heartbeat_ts": ("gauge", ("cp_id",)),
    "ocpp_cp_last_msg_ts": ("gauge", ("cp_id",)),
    "ocpp_cp_last_tx_ts": ("gauge", ("cp_id",)),
    "ocpp_cp_status": ("gauge", ("cp_id",)),
    "ocpp_cp_disconnects_total": ("counter", ("cp_id",)),
    "ocpp_cp_errors_total": ("counter", ("cp_id", "error_type")),
    "ocpp_cp_boots_total": ("counter", ("cp_id",)),
    "ocpp_cp_reconnect_during_tx_total": ("counter", ("cp_id",)),
    "ocpp_tx_active": ("gauge", ("cp_id", "connector_id")),
    "ocpp_tx_energy_wh": ("gauge", ("cp_id", "connector_id")),
    "ocpp_cp_current_a": ("gauge", ("cp_id", "connector_id")),
    "ocpp_cp_current_limit_a": ("gauge", ("cp_id", "connector_id")),
    "ocpp_tx_total": ("counter", ("cp_id",)),
    "ocpp_cp_energy_total_wh_total": ("counter", ("cp_id",)),
    "ocpp_energy_jump_total": ("counter", ("cp_id",)),
    "ocpp_central_call_errors_total": ("counter", ("cp_id", "action", "error_type")),
    "ocpp_central_call_rejected_total": ("counter", ("cp_id", "action", "status")),
}
"""The twenty metrics of Levity, with their types and labels."""

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """One scrape: samples by name and labels, types by name, and the number of lines."""

    samples: dict[tuple[str, Labels], float]
    types: dict[str, str]
    lines: int

    def get(self, name: str, **labels: str) -> float | None:
        """Return the value of a series, or None if it is absent."""
        return self.samples.get((name, frozenset(labels.items())))

    def of(self, name: str) -> dict[Labels, float]:
        """Return all series of a name."""
        return {labels: value for (known, labels), value in self.samples.items() if known == name}

    def told_of_chargers(self) -> dict[tuple[str, Labels], float]:
        """Return the samples that are the same after a restart: all except those measured by each
        run or changed by it.

        Heartbeats are excluded, because they are written some seconds later.
        """
        anew = (
            *("ocpp_msg_handling", "ocpp_cp_connected", "ocpp_cp_link_age", "ocpp_cp_last_msg"),
            *(
                "ocpp_tx_suspended",
                "ocpp_cp_last_heartbeat",
                "ocpp_cp_answers_pings",
                "ocpp_cp_away_together",
            ),
        )
        return {
            (name, labels): value
            for (name, labels), value in self.samples.items()
            if any(label == "cp_id" for label, _ in labels) and not name.startswith(anew)
        }


def parse(text: str) -> Page:
    """Parse a page. Fails if a series occurs twice."""
    samples: dict[tuple[str, Labels], float] = {}
    types: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        types[f"{family.name}_total" if family.type == "counter" else family.name] = family.type
        for name, labels, value in (
            (sample.name, sample.labels, sample.value) for sample in family.samples
        ):
            key = (name, frozenset(labels.items()))
            assert key not in samples, key
            samples[key] = value
    return Page(samples, types, text.count("\n"))


def scrape(port: int) -> Page:
    """Scrape a server on this machine."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return parse(answer.read().decode())


def label_names(page: Page, name: str) -> Iterator[set[str]]:
    """Yield the label names of each series of a name."""
    for labels in page.of(name):
        yield {label for label, _ in labels}


def parse_open_metrics(text: str) -> dict[tuple[str, Labels], float]:
    """Parse a page with the strict OpenMetrics parser."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in open_metrics_families(text)  # type: ignore[no-untyped-call]  # unlike the text parser
        for sample in family.samples
    }
