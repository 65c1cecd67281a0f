"""`levity-trio card`: what is shown of unknown cards. All else is in its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from levity_trio.cli.commands import group_of

card = group_of("card")


def asked(waiting: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an unknown card, with the known ones that look like it."""
    cards = [f"{known} ({how})" for known, how in (waiting["looks_like"] or {}).items()]
    return {**waiting, "looks_like": ", ".join(cards)}
