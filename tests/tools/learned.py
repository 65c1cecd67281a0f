"""What a site learned of a charger, as an entry of the manual's pages about makes: `python -m
tests.tools.learned report.zip`, of a report by `levity-trio logs CHARGER --share report.zip`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any, Final
from zipfile import ZipFile

ENTRY: Final = """\
make = {chargepointvendor}
told = [{chargepointvendor}]
looked_up = {today}

[[entry]]
models = [[{chargepointmodel}, {source}]]
told = [{levity_words}]
set = []
odd = {odd}
limit = {limit}
firmware = []
"""


def entry(report: str) -> str:
    """Return an entry, to be completed, from the file of a report."""
    with ZipFile(report) as archive:
        facts: dict[str, Any] = json.loads(archive.read("about.json"))
    today = datetime.now(UTC)
    source = f"a site with levity-trio {facts['program']}, {today:%B %Y}"
    values = facts["charger"][0] | {"source": source}
    for part in ("odd", "limit"):
        values[part] = [[row["levity_words"], source] for row in facts[part]]
    # texts and lists of JSON are those of TOML
    shown = {name: json.dumps(value, indent=2) for name, value in values.items()}
    return ENTRY.format(today=today.date(), **shown)


if __name__ == "__main__":
    print(entry(sys.argv[1]))
