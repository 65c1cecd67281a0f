"""Fills in the templates and writes the resulting files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from levity_trio import FOLDER
from levity_trio.config import EnvironmentProblem
from levity_trio.deploy.dashboard import dashboard
from levity_trio.deploy.several import SITE_SERIES, Several
from levity_trio.writing import DOCUMENT, created, place, replacing

UNIT: Final = "levity-trio.service"
BACKUP: Final = ("levity-trio-backup.service", "levity-trio-backup.timer")
MONITORING: Final = (
    "prometheus.yml",
    "levity-alerts.yml",
    "prometheus-agent.yml",
    "prometheus-receiver.yml",
    "levity-dead-man.yml",
    "alertmanager.yml",
)
TEMPLATES: Final = ("README.txt", UNIT, *BACKUP, *MONITORING, "litestream.yml", "fluentd.conf")
README_OF_SEVERAL: Final = "README-servers.txt"
TEMPLATES_OF_SEVERAL: Final = (
    "postgresql.sql",
    "levity-postgresql.conf",
    "haproxy.cfg",
    *MONITORING,
    "fluentd.conf",
)
ALL: Final = FOLDER / "deploy" / "templates"
DASHBOARD: Final = "grafana-dashboard.json"


def _transactions(series: str) -> str:
    """Return the text of an alert about the transactions that a query finds, in Prometheus's
    template language."""
    loop = f"{{{{ range query (printf {json.dumps(series)} $labels.cp_id) }}}}"
    line = (
        "Transaction {{ .Labels.transaction }} on connector {{ .Labels.connector_id }}, tag {{ "
        ".Labels.id_tag }}."
    )
    return f"{loop}{line} {{{{ end }}}}"


SHARED_TEXTS: Final = {
    "open_transactions": _transactions("ocpp_tx_info{cp_id=%q}"),
    "recent_transactions": _transactions("last_over_time(ocpp_tx_info{cp_id=%q}[1h])"),
}
"""Texts that several alerts share."""


class _Form(Template):
    """A template with placeholders `@@{name}`, since `$`, `%`, `@` and `{{` have a meaning in the
    files."""

    delimiter = "@@"


def texts(values: Mapping[str, str]) -> dict[str, str]:
    """Return the contents of each file by its name."""
    return {**{name: _filled(name, values) for name in TEMPLATES}, DASHBOARD: dashboard()}


def texts_of_several(several: Several) -> dict[str, str]:
    """Return the contents of each file by its name, for several servers."""
    return {
        "README.txt": _filled(README_OF_SEVERAL, several.site),
        **{f"{server['unit']}.service": _filled(UNIT, server) for server in several.servers},
        **{name: _filled(name, several.site) for name in TEMPLATES_OF_SEVERAL},
        DASHBOARD: dashboard(of_site=SITE_SERIES),
    }


def texts_of_image(kind: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the contents of each file by its path, for a container or for Home Assistant, whose
    image begins like that of the container. The wheel lies beside the file that makes it."""
    folder = ALL / kind
    values = {**values, "image": _filled("container/Containerfile", values)}
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _filled(path, values) for path in found}


def _filled(template: str | Path, values: Mapping[str, str]) -> str:
    text = (ALL / template).read_text(encoding="utf-8")
    return _Form(text).substitute({**values, **SHARED_TEXTS})


def write(directory: Path, contents: Mapping[str, str], *, may_replace: bool) -> None:
    """Create the folder and write all files. Write none if one exists and must not be replaced.

    Raises:
        EnvironmentProblem: a file exists, or the folder cannot be written.
    """
    try:
        existing = [
            name
            for name in contents
            if (directory / name).exists() or (directory / name).is_symlink()
        ]
        if existing and not may_replace:
            raise EnvironmentProblem(
                f"{directory} already has {', '.join(existing)}; --force replaces existing files"
            )
        for name, text in contents.items():
            place((directory / name).parent).mkdir(parents=True, exist_ok=True)
            with (replacing if may_replace else created)(directory / name, DOCUMENT) as file:
                file.write(text.encode())
    except OSError as problem:
        raise EnvironmentProblem(
            f"cannot write {problem.filename or directory}: {problem.strerror}"
        ) from problem
