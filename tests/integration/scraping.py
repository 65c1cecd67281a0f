"""What a server's /metrics really said, and the same stretched to real time for `promtool test
rules`.

A scrape is one moment. Held for longer, its numbers stay as they are but for those that time itself
moves: an age grows with it, and a moment (`_ts`) lies as long before it as it did before the
scrape. So an hour without a byte, or a fortnight without a transaction, is one scrape of a real
server, held.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

SCRAPE_SECONDS = 10
JOB, INSTANCE = "levity-trio", "127.0.0.1:9464"
AGES = ("ocpp_cp_link_age_seconds", "ocpp_set_aside_oldest_seconds", "ocpp_reviews_oldest_seconds")
MOMENTS, START = "_ts", "process_start_time_seconds"
TELL_SECONDS = 60

Labels = tuple[tuple[str, str], ...]
Series = tuple[str, Labels]


@dataclass(frozen=True, slots=True)
class Scrape:
    """All samples of one moment, by name and labels; `at` is its Unix time."""

    at: float
    samples: Mapping[Series, float]

    def find(self, name: str, **labels: str) -> list[float]:
        """The values of the series with this name and these labels, and perhaps others."""
        wanted = set(labels.items())
        return [
            value
            for (found, has), value in self.samples.items()
            if found == name and wanted <= set(has)
        ]

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    def beside(self, name: str, value: float, **labels: str) -> Scrape:
        """The same with what was scraped elsewhere at that moment."""
        return replace(self, samples={**self.samples, (name, tuple(sorted(labels.items()))): value})

    def changed(self, name: str, change: Callable[[float], float], **labels: str) -> Scrape:
        """The same with some numbers changed: for what no test can do to a real machine."""
        wanted = set(labels.items())
        hit = {series for series in self.samples if series[0] == name and wanted <= set(series[1])}
        assert hit, f"the server told nothing of {name} {labels}"
        return replace(
            self,
            samples={
                key: change(told) if key in hit else told for key, told in self.samples.items()
            },
        )


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/metrics"


def scrape(port: int) -> Scrape:
    """Ask a server, as Prometheus does."""
    at = time.time()
    with urlopen(url(port), timeout=TELL_SECONDS) as answer:  # noqa: S310 - it is http
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    told = {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }
    return Scrape(at, {series: value for series, value in told.items() if not math.isnan(value)})


def scrape_when(port: int, is_told: Callable[[Scrape], object]) -> Scrape:
    """Ask until it is told: some is looked up every 15 s only, and a new counter begins with 0."""
    deadline = time.monotonic() + TELL_SECONDS
    while not is_told(told := scrape(port)):
        assert time.monotonic() < deadline, (
            f"not told within {TELL_SECONDS} s: {sorted(told.names)}"
        )
        time.sleep(1)
    return told


@dataclass(frozen=True, slots=True)
class Held:
    """A scrape that stands for so many seconds; None: the server does not answer. Or nothing
    arrives at all."""

    told: Scrape | None
    seconds: int
    arrives: bool = True


Timeline = Sequence[Held]


def input_series(timeline: Timeline, step: int, names: Container[str]) -> Iterator[dict[str, str]]:
    """The series of promtool's `input_series`, one sample each `step` seconds, as Prometheus labels
    them."""
    for series in dict.fromkeys(key for held in timeline if held.told for key in held.told.samples):
        if series[0] in names:
            yield {"series": _spelt(series), "values": " ".join(_values(series, timeline, step))}
    yield {
        "series": _spelt(("up", ())),
        "values": " ".join(_up(held, held.seconds // step) for held in timeline),
    }


def _up(held: Held, samples: int) -> str:
    return f"{int(held.told is not None)}+0x{samples - 1}" if held.arrives else f"_x{samples}"


def _spelt(series: Series) -> str:
    """As Prometheus knows it: what was scraped elsewhere says where."""
    name, labels = series
    pairs = {"instance": INSTANCE, "job": JOB} | dict(labels)
    return name + "{" + ",".join(f"{key}={json.dumps(value)}" for key, value in pairs.items()) + "}"


def _values(series: Series, timeline: Timeline, step: int) -> Iterator[str]:
    began = 0
    for held in timeline:
        samples = held.seconds // step
        value = None if held.told is None else held.told.samples.get(series)
        if value is None or held.told is None:
            yield f"_x{samples}"
        else:
            grows = step if series[0] in AGES and value > 0 else 0
            first = value + _shift(series[0], held.told, began, timeline)
            yield f"{first:.6f}+{grows}x{samples - 1}"
        began += held.seconds


def _shift(name: str, told: Scrape, began: int, timeline: Timeline) -> float:
    """From real time to promtool's, which begins at 0 with the timeline; the process began once,
    before all of it."""
    if name == START:
        return -next(held.told.at for held in timeline if held.told)
    return began - told.at if name.endswith(MOMENTS) else 0


def firing(
    rules: Path, timeline: Timeline, alert: str, *, step: int = SCRAPE_SECONDS, **labels: str
) -> str:
    """Where promtool does not see this alert firing at the end of the timeline: what it saw. Else
    nothing."""
    matchers = {"alertname": alert, "alertstate": "firing", **labels}
    expression = (
        "group by (alertname) "
        f"(ALERTS{{{','.join(f'{key}={json.dumps(matchers[key])}' for key in matchers)}}})"
    )
    sample = {"labels": f'{{alertname="{alert}"}}', "value": 1}
    return _tested(
        one_rule(rules, alert), timeline, step, {"expr": expression, "exp_samples": [sample]}
    )


def ever_fired(rules: Path, timeline: Timeline, alert: str, *, step: int = SCRAPE_SECONDS) -> str:
    """Where promtool sees this alert firing at any time of the timeline: what it saw. Else
    nothing."""
    return _ever(one_rule(rules, alert), timeline, step, f'alertname="{alert}",')


def any_fired(rules: Path, timeline: Timeline) -> str:
    """The same for all alerts of the file."""
    return _ever(rules, timeline, SCRAPE_SECONDS, "")


def _ever(rules: Path, timeline: Timeline, step: int, which: str) -> str:
    expression = f'count_over_time(ALERTS{{{which}alertstate="firing"}}[{_seconds(timeline)}s])'
    return _tested(rules, timeline, step, {"expr": expression, "exp_samples": []})


def words_of(rules: Path, timeline: Timeline, alert: str, *, step: int = SCRAPE_SECONDS) -> str:
    """What promtool says of the alert at the end of the timeline: it is asked for one without
    words, and shows each that fires, with its words.
    """
    wanted = {"alertname": alert, "exp_alerts": []}
    told = _tested(one_rule(rules, alert), timeline, step, wanted, "alert_rule_test")
    assert "Annotations:" in told, told
    return " ".join(told.split())


def one_rule(rules: Path, alert: str) -> Path:
    """A file beside it with this rule alone, as it stands there: promtool evaluates whatever it is
    given."""
    found = re.search(rf"^ +- alert: {alert}\n(.+\n)+", rules.read_text(), re.MULTILINE)
    assert found, alert
    alone = rules.with_name(f"{alert}.yml")
    alone.write_text(f"groups:\n  - name: alone\n    rules:\n{found[0]}")
    return alone


def _seconds(timeline: Timeline) -> int:
    return sum(held.seconds for held in timeline)


def _tested(
    rules: Path,
    timeline: Timeline,
    step: int,
    wanted: dict[str, Any],
    kind: str = "promql_expr_test",
) -> str:
    """What promtool says at the last sample of the timeline, where it is not as wanted."""
    names = set(re.findall(r"\w+", rules.read_text()))
    test = {
        "interval": f"{step}s",
        "input_series": list(input_series(timeline, step, names)),
        kind: [{**wanted, "eval_time": f"{_seconds(timeline) - step}s"}],
    }
    file = rules.with_name(f"{rules.stem}.test.json")  # JSON is YAML
    file.write_text(
        json.dumps({"rule_files": [rules.name], "evaluation_interval": f"{step}s", "tests": [test]})
    )
    ended = subprocess.run(
        ["promtool", "test", "rules", file.name],
        cwd=rules.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    told = (ended.stdout + ended.stderr).strip()
    assert "SUCCESS" in told or "FAILED" in told, told
    assert (ended.returncode == 0) == ("FAILED" not in told), told
    return told if ended.returncode else ""
