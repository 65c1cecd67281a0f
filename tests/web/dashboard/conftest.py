"""A site in a file, as the tests of the API have it."""

from tests.web.api.conftest import site, station, yard

__all__ = ["site", "station", "yard"]
