"""`levity-trio help`: the manual in the terminal."""

from __future__ import annotations

import shutil
import sys
from typing import Final

import click

from levity_trio import manual
from levity_trio.output import is_terminal, print_line

EXAMPLES: Final = """\
\b
Examples:
  levity-trio help
  levity-trio help first-charger
  levity-trio help settings
"""
WIDEST: Final = 100


@click.command("help", epilog=EXAMPLES)
@click.argument("topic", required=False)
def help(topic: str | None) -> None:  # noqa: A001 - named as the command is
    """Show a page of the manual, or its contents.

    A TOPIC is the name of a page, such as tasks/close-a-month; its last part
    is enough. On a terminal the page is shown by your pager. Elsewhere it is
    Markdown.
    """
    from levity_trio.manual import rendering  # noqa: PLC0415 - rich takes a while

    page = _find(topic)
    if not is_terminal(sys.stdout):
        print_line(rendering.to_text(page))
        return
    click.echo_via_pager(rendering.to_terminal(page, min(shutil.get_terminal_size().columns, WIDEST)))


def _find(topic: str | None) -> manual.Page:
    if topic is None:
        return manual.contents()
    try:
        return manual.find(topic)
    except manual.UnknownTopic as unknown:
        nearest = ", ".join(unknown.nearest)
        hint = f"Is it one of {nearest}?" if nearest else "`levity-trio help` lists all topics."
        raise click.UsageError(f"The manual has no page {topic}. {hint}") from unknown
