"""The examples in the help of `levity-trio simulator` and of its commands."""

from typing import Final

EXAMPLES: Final = """\
\b
Examples:
  levity-trio simulator add CP-1 --vendor Grizzl-E --model Smart
  levity-trio simulator vehicles add Compact --battery-wh 40000 --soc 0.2
  levity-trio simulator plug CP-1 --vehicle Compact
  levity-trio simulator tag CP-1 04A2B3C4
  levity-trio simulator chargers CP-1
  levity-trio simulator log CP-1
  levity-trio simulator meter CP-1 --wh 250000
  levity-trio simulator answer CP-1 RemoteStartTransaction Rejected
  levity-trio simulator send CP-1 StatusNotification
  levity-trio simulator send CP-1 DataTransfer '{"vendorId": "org.example"}'
  levity-trio simulator template chargers > chargers.csv
  levity-trio simulator import chargers chargers.csv

Each command is a request to the HTTP API of a running simulator (--api or LEVITY_SIMULATOR_API, by default
http://127.0.0.1:9100). That API has no authentication and by default listens on this machine only.

Exit status: 0 on success, 1 when the simulator refuses or does not run, 2 for wrong usage.
"""
OF_COMMANDS: Final = """\
  levity-trio simulator chargers
  levity-trio simulator change CP-1 --firmware-version 2.0
  levity-trio simulator remove CP-1
  levity-trio simulator connect CP-1
  levity-trio simulator disconnect CP-1
  levity-trio simulator unplug CP-1
  levity-trio simulator start CP-1 04A2B3C4
  levity-trio simulator stop CP-1
  levity-trio simulator fault CP-1 GroundFailure
  levity-trio simulator clear-fault CP-1
  levity-trio simulator status CP-1 Unavailable --connector 1
  levity-trio simulator offline CP-1
  levity-trio simulator online CP-1
  levity-trio simulator configuration CP-1
  levity-trio simulator configuration CP-1 HeartbeatInterval 60
  levity-trio simulator locations list
  levity-trio simulator locations add Garage
  levity-trio simulator locations change Garage --address "Bauhof 12"
  levity-trio simulator locations remove Garage
  levity-trio simulator vehicles list
  levity-trio simulator vehicles change Compact --soc 0.8
  levity-trio simulator vehicles remove Compact
"""
"""Those that are only in the help of their commands."""
