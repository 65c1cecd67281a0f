"""`levity-trio demo`: a housing block with a past and a present, to be looked at."""

from __future__ import annotations

import os

from levity_trio.cli.declaring import local_command, option, present
from levity_trio.output import hold_standard_streams, print_line


@local_command()
@option("--mqtt URL", "Also show the chargers at this MQTT broker, such as Home Assistant's.")
@option("--mqtt-password-file FILE", "File with the password of --mqtt.")
def demo(mqtt: str | None, mqtt_password_file: str | None) -> int:
    """Show a housing block with simulated chargers, two months of history, and log-ins for an owner
    and a neighbour.

    It needs no settings and no network. Ctrl-C ends it and removes everything, also at the broker.

    Examples:
      levity-trio demo
      levity-trio demo --mqtt mqtt://demo@192.168.1.5 --mqtt-password-file FILE

    It prints three addresses: the dashboard of the owner, the page of a neighbour, and the label of
    a charger. It opens the first one in a browser, if there is one.

    In a container, LEVITY_API_HOST and LEVITY_DRIVERS_HOST say at which address its pages are, and
    LEVITY_METRICS_PORT at which port its health is asked for.

    Exit status: 0 after Ctrl-C, 1 if the demo cannot start.
    """
    hold_standard_streams()
    os.umask(0o077)
    print_line("The demo starts. It takes some seconds.")
    from levity_trio.demo.run import run  # noqa: PLC0415 - so that --help answers at once
    from levity_trio.server.memory import use_one_arena  # noqa: PLC0415 - as above

    use_one_arena()
    flags = {"mqtt": mqtt, "mqtt_password_file": mqtt_password_file}
    return run(present(flags))
