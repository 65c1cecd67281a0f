"""`levity-trio help`: the manual in the terminal."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from io import StringIO
from typing import Final

import click
from rich.console import Console
from rich.markdown import Markdown

from levity_trio import manual
from levity_trio.cli import COMMANDS
from levity_trio.cli.declaring import argument, local_command
from levity_trio.manual import makes
from levity_trio.manual.rendering import to_text
from levity_trio.output import is_terminal, print_line

WIDEST: Final = 100


@local_command()
@argument("[TOPIC]")
def help(topic: str | None) -> None:  # noqa: A001 - named as the command is
    """Show a page of the manual, or where to begin.

    A TOPIC is the name of a page, such as tasks/close-a-month; its last part
    is enough. `all` lists all pages. On a terminal the page is shown by your pager. Elsewhere it is
    Markdown.

    Examples:
      levity-trio help
      levity-trio help all
      levity-trio help first-charger
      levity-trio help wallbox
    """
    page = manual.contents()
    if topic is None:
        page = replace(page, text=page.text.partition("\n## ")[0])
    elif topic != "all":
        try:
            place = makes.entry(topic, None)
            page = makes.section(place) if place else manual.find(topic)
        except manual.UnknownTopic as unknown:
            nearest = ", ".join(unknown.nearest)
            hint = (
                f"Is it one of {nearest}?"
                if nearest
                else "`levity-trio help all` lists all topics."
            )
            if topic in COMMANDS:
                hint += f" About the command: levity-trio {topic} --help."
            raise click.UsageError(f"The manual has no page {topic}. {hint}") from unknown
    text = to_text(page)
    if is_terminal(sys.stdout):
        click.echo_via_pager(rendered(text, min(shutil.get_terminal_size().columns, WIDEST)))
    else:
        print_line(text)


def rendered(text: str, width: int) -> str:
    """Return Markdown for a terminal that has so many columns and understands ANSI."""
    console = Console(file=StringIO(), force_terminal=True, width=width)
    with console.capture() as captured:
        console.print(Markdown(text, hyperlinks=False))
    return captured.get()
