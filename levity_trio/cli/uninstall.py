"""`sudo levity-trio uninstall`: takes the program and its service away, and leaves the data."""

from __future__ import annotations

from pathlib import Path

import click

from levity_trio.cli.declaring import JSON_LINES
from levity_trio.cli.install import ROOT, YES, Progress, machine_at

EXAMPLES = """\
\b
Examples:
  levity-trio uninstall
  levity-trio uninstall --yes

Run it with sudo. It shows what it takes away, and asks once. The database, the backups, the certificates and the
settings stay, because they are the evidence for your bills; so does the user levity, to whom they belong.

Exit status: 0 when it is gone, 1 when something failed (run it again), 2 for wrong usage, 130 if the answer was no.
"""


@click.command("uninstall", epilog=EXAMPLES, short_help="Remove the program and its service; the data stays.")
@ROOT
@YES
@JSON_LINES
def uninstall(*, root: Path | None, is_yes: bool, is_json: bool) -> int:
    """Remove the program and its service from this machine. The data stays."""
    from levity_trio.deploy import plan  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.deploy.installation import BACKUPS, STATE_FOLDER  # noqa: PLC0415
    from levity_trio.deploy.steps import missing  # noqa: PLC0415

    machine, report = machine_at(root), Progress(is_json=is_json)
    steps = missing(plan.removals(), machine)
    if steps and not report.agreed([(step.what, step.where) for step in steps], is_yes=is_yes):
        return 130
    report.do(steps, machine)
    left = [path for path in (STATE_FOLDER, BACKUPS, plan.SETTINGS.parent) if machine.has(path)]
    report.tell(left=list(map(str, left)))
    report.say("levity-trio is not installed here.")
    if left:
        report.say(f"Your data stays: {', '.join(map(str, left))}")
    return 0
