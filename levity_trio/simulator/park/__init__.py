"""The park: chargers, vehicles and locations that somebody made, kept in a file, and the HTTP API over them."""

from typing import Final

DEFAULT_HOST: Final = "127.0.0.1"
"""The API asks nobody who they are, so it is for this machine unless somebody says otherwise."""
DEFAULT_PORT: Final = 9100
DEFAULT_URL: Final = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
