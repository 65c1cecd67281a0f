"""The command line: one file a command, and no logic.

Every mistake ends as one plain line on stderr: status 2 for usage and configuration, 1 for what the machine
refuses. Nothing else is caught here, so a bug still shows its traceback.
"""

import sys
from collections.abc import Sequence

import click

from levity_trio import __version__
from levity_trio.cli.deploy import deploy
from levity_trio.cli.forget import forget
from levity_trio.cli.logs import logs
from levity_trio.cli.recheck import recheck
from levity_trio.cli.serve import serve
from levity_trio.cli.simulate import simulate
from levity_trio.cli.simulator import simulator
from levity_trio.cli.verify import verify
from levity_trio.config import ConfigError, EnvironmentProblem

USAGE = 2
ENVIRONMENT = 1
INTERRUPTED = 130


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="levity-trio")
@click.pass_context
def levity_trio(context: click.Context) -> None:
    """OCPP 1.6-J central system for a small site: one process, one SQLite file.

    `levity-trio serve` starts it; `levity-trio serve --help` shows its settings.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


levity_trio.add_command(serve)
levity_trio.add_command(deploy)
levity_trio.add_command(forget)
levity_trio.add_command(logs)
levity_trio.add_command(recheck)
levity_trio.add_command(simulate)
levity_trio.add_command(simulator)
levity_trio.add_command(verify)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (the process's own, if none is given) and return its exit status."""
    try:
        status = levity_trio.main(arguments, prog_name="levity-trio", standalone_mode=False)
    except click.UsageError as problem:
        hint = problem.ctx.command_path if problem.ctx else "levity-trio"
        return _fail(f"{problem.format_message()} See {hint} --help.", USAGE)
    except ConfigError as problem:
        return _fail(str(problem), USAGE)
    except EnvironmentProblem as problem:
        return _fail(str(problem), ENVIRONMENT)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return int(status or 0)


def _fail(line: str, status: int) -> int:
    sys.stderr.write(f"levity-trio: {' '.join(line.split())}\n")
    return status
