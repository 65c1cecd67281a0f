"""Commands that use the local socket beside the database: they need no token, and work with --no-api."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from levity_trio.cli.operator import Operator
from levity_trio.cli.serve import database_options
from levity_trio.config import socket_path
from levity_trio.config.sources import load


def over_socket(function: Callable[..., None]) -> Callable[..., None]:
    """Give a function the API on the socket of the database that the options name, or that of --api.

    A database that is named wins, so that LEVITY_API does not send this to another server.
    """

    def run(*, is_json: bool, api: str | None = None, **given: Any) -> None:
        named = {name: given.pop(name) for name in ("database", "config") if name in given}
        settings: dict[str, object] = {name: value for name, value in named.items() if value is not None}
        if api is None or "database" in settings:
            config, _ = load(settings, os.environ)
            api = f"unix:{socket_path(config.beside.resolve())}"
        function(Operator(api, is_json=is_json), **given)

    return run


def options() -> list[click.Parameter]:
    """Return the options of such a command."""
    return [*database_options(), click.Option(["is_json", "--json"], is_flag=True, help="Output JSON, for programs.")]
