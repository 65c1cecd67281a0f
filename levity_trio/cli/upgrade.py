"""`sudo levity-trio upgrade`: puts this version in the place of the one that is installed, or goes
back to that."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from levity_trio.cli.declaring import JSON_LINES, local_command, option
from levity_trio.cli.install import PINNED, YES, Progress, machine_at


@local_command(short_help="Put a newer version in the place of the installed one.")
@option(
    "--patience SECONDS",
    "How long the new version may take until it serves.",
    type=click.FloatRange(10, 86_400),
    default=60.0,
)
@PINNED
@YES
@JSON_LINES
def upgrade(*, pinned: Path | None, patience: float, is_yes: bool, is_json: bool) -> int:
    """Put this version in the place of the installed one; go back if it does not serve.

    Examples:
      levity-trio upgrade
      levity-trio upgrade --yes
      levity-trio upgrade --patience 300
      levity-trio upgrade --as levity-trio.versions

    Run it with sudo, from a newer clone as `sudo .venv/bin/levity-trio upgrade`, or from a virtual
    environment with a newer wheel. It shows what it will do, and asks once.

    While the old version serves, the new one is installed beside it, the database is backed up and
    checked, and the new one migrates a copy. It judges the last three months there, lists each
    session whose figure, doubts or price would change, and asks before it goes on; closed
    statements stay. What fails there stops nothing. Then the old one stops, and the new one starts.
    If that does not serve within the time of --patience, the old version comes back with its
    database, and the reason is told.

    The new version accepts no charger and stores nothing from the API before it serves. Should it
    have stored something all the same, it stays, because going back would lose that.

    After an interruption, run it again: it finishes, or goes back.

    Exit status: 0 when the new version serves, 1 when it does not (the last line says which one
    does), 2 for wrong usage, 130 if the answer was no.
    """
    from levity_trio.deploy import upgrade as way  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.deploy.program import open_wheel, read_pinned  # noqa: PLC0415

    machine_at(None)
    report = Progress(is_json=is_json)
    if (begun := way.under_way()) is not None:
        report.say(f"The upgrade to {begun.after} was interrupted; it goes on.")
        way.finish(begun, patience)
        report.end_upgrade(begun.after, None)
        return 0
    report.say("Looking for the program, and building it if this is a clone…")
    with open_wheel() as wheel:
        if way.present() == wheel.version:
            report.say(
                f"Nothing to do: levity-trio {wheel.version} is installed. Run this from a newer "
                "clone or wheel."
            )
            return 0
        versions = read_pinned(pinned, wheel)
        report.tell_source(versions)
        planned = way.plan_upgrade(wheel, versions, patience)
        report.show(planned.found)
        if not report.agreed(planned.rows(), is_yes=is_yes):
            return 130
        accept = partial(report.accept, is_yes=is_yes)
        report.end_upgrade(wheel.version, way.carry_out(planned, report.say_step, accept))
    return 0
