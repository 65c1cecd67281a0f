"""Catalogues as gettext reads them, made of those that people write: for the wheel, and in a checkout at first use."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path


def compiled(source: Path) -> bytes:
    """Return the .mo file of a .po file. Needs Babel, which the `dev` extra and the wheel's build have."""
    from babel.messages.mofile import write_mo  # noqa: PLC0415
    from babel.messages.pofile import read_po  # noqa: PLC0415

    made = BytesIO()
    with source.open("rb") as text:
        write_mo(made, read_po(text))
    return made.getvalue()
