"""A question before what cannot be undone."""

from __future__ import annotations

import sys

import click

from levity_trio.config import ConfigError
from levity_trio.output import is_terminal


def confirm(question: str) -> None:
    """Ask on the terminal. Raises Abort if the answer is no, ConfigError if there is no terminal."""
    if not is_terminal(sys.stdin):
        raise ConfigError("this was not confirmed, because there is no terminal to ask; give --yes")
    click.confirm(question, abort=True, err=True)
