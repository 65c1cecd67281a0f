"""The park: chargers, vehicles and locations that people define, stored in a file, and the HTTP API
over them."""

from typing import Final

DEFAULT_HOST: Final = "127.0.0.1"
"""The API has no authentication, so by default it listens on this machine only."""
DEFAULT_PORT: Final = 9100
DEFAULT_URL: Final = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
