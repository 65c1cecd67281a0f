"""Fixtures of the server's own conversations: virtual time, no threads, and a real server in its
first run."""

from tests.charger.conftest import central, pytest_itemcollected, writer

__all__ = ["central", "pytest_itemcollected", "writer"]
