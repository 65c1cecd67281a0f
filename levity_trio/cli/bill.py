"""`levity-trio bill`: statements, from the words on them to the paper."""

from __future__ import annotations

from typing import Final

import click

from levity_trio.cli import bill_closing, bill_owner, bill_papers

EXAMPLES: Final = """\
\b
Examples:
  levity-trio bill owner set --name "Bauhof 12" --address "Bauhof 12
  10115 Berlin" --bank-account "DE02 1203 0000 0000 2020 51"
  levity-trio bill begin 2026-10-01
  levity-trio bill preview 2026-10
  levity-trio bill close 2026-10
  levity-trio bill list --month 2026-10
  levity-trio bill show 17
  levity-trio bill show 17 --as pdf -o anna.pdf
  levity-trio bill print 2026-10 --to october
"""

bill = click.Group("bill", help="Make, show and print statements.", epilog=EXAMPLES)
for one in (*bill_closing.COMMANDS, *bill_papers.COMMANDS, *bill_owner.COMMANDS):
    bill.add_command(one)
