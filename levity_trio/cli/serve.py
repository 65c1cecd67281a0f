"""`levity-trio serve`: starts the server. Its options are the settings, grouped."""

import os

from levity_trio.cli.declaring import GroupedCommand, local_command, present, setting_options
from levity_trio.config.sources import load


@local_command(cls=GroupedCommand, params=setting_options())
def serve(**options: object) -> int:
    """Start the server. Without flags it listens on port 9000 and stores in levity.db in the
    current folder.

    Examples:
      levity-trio serve
      levity-trio serve --port 9001 --db /var/lib/levity/levity.db
      levity-trio serve --config /etc/levity.toml --log-format json
      LEVITY_OCPP_LOG_LEVEL=DEBUG levity-trio serve

    Each flag has an environment variable (--log-level: LEVITY_LOG_LEVEL; switches: true or false)
    and a key in the TOML file (log-level = "DEBUG"). A flag overrides the variable, the variable
    overrides the file, and the file overrides the default.

    Exit status: 0 after a clean stop, 1 for a failure of the environment (port in use, another
    program's database) or an unclean stop, 2 for a wrong setting.
    """
    server_config, log_config = load(present(options), os.environ)
    os.umask(0o077)  # also for what libraries and plugins write
    from levity_trio.server import run  # noqa: PLC0415 - so that --help and a wrong flag answer at once
    from levity_trio.server.memory import use_one_arena  # noqa: PLC0415 - as above

    use_one_arena()
    return run(server_config, log_config)
