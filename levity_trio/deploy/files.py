"""The files themselves: made from the templates beside this module, written where they are wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from levity_trio.config import EnvironmentProblem
from levity_trio.deploy.dashboard import dashboard

TEMPLATES: Final = (
    "README.txt",
    "levity-trio.service",
    "prometheus.yml",
    "levity-alerts.yml",
    "prometheus-agent.yml",
    "prometheus-receiver.yml",
    "levity-dead-man.yml",
    "alertmanager.yml",
    "litestream.yml",
    "fluentd.conf",
)
DASHBOARD: Final = "grafana-dashboard.json"


def _transactions(series: str) -> str:
    """What an alert says of the transactions that a query finds; in Prometheus's template language."""
    found = f"{{{{ range query (printf {json.dumps(series)} $labels.cp_id) }}}}"
    one = "Transaction {{ .Labels.transaction }} on connector {{ .Labels.connector_id }}, tag {{ .Labels.id_tag }}."
    return f"{found}{one} {{{{ end }}}}"


WORDS: Final = {
    "open_transactions": _transactions("ocpp_tx_info{cp_id=%q}"),
    "transactions_of_late": _transactions("last_over_time(ocpp_tx_info{cp_id=%q}[1h])"),
}
"""What several alerts say."""


class _Form(Template):
    """`@@{name}` is filled in: `$`, `%`, `@` and `{{` belong to the files' own languages."""

    delimiter = "@@"


def texts(values: Mapping[str, str]) -> dict[str, str]:
    """What each file holds, by its name."""
    folder = files(__package__) / "templates"
    made = {
        name: _Form((folder / name).read_text(encoding="utf-8")).substitute({**values, **WORDS}) for name in TEMPLATES
    }
    return {**made, DASHBOARD: dashboard()}


def write(directory: Path, made: Mapping[str, str], *, may_replace: bool) -> None:
    """Write all files, or none where one is there already and may not be replaced; the folder is made.

    Raises:
        EnvironmentProblem: a file is there already, or the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        there = [name for name in made if (directory / name).exists() or (directory / name).is_symlink()]
        if there and not may_replace:
            raise EnvironmentProblem(f"{directory} has {', '.join(there)} already; --force replaces them")
        for name, text in made.items():
            with (directory / name).open("w" if may_replace else "x", encoding="utf-8") as file:
                file.write(text)
    except OSError as problem:
        raise EnvironmentProblem(f"cannot write {problem.filename or directory}: {problem.strerror}") from problem
