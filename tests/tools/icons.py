"""Draws the icons of the home screen from the dashboard's own: `python -m tests.tools.icons` writes
them."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

ASSETS: Final = Path(__file__).parents[2] / "levity_trio" / "web" / "dashboard" / "assets"
SIZES: Final = (192, 512)
SMOOTHER: Final = 8
"""Drawn so many times as large, and then made smaller: its edges become smooth."""
BOLT: Final = ((18, 4), (8, 18), (15, 18), (14, 28), (24, 14), (17, 14))
"""The path in icon.svg, in a square of 32. It lies within the middle that phones never cut off (a
circle of 80 %)."""


def drawn(size: int) -> bytes:
    """Return an icon without round corners: phones cut them as they like."""
    (ground,) = re.findall(r'<rect[^>]*fill="(#\w+)"', (ASSETS / "icon.svg").read_text())
    whole = size * SMOOTHER
    image = Image.new("RGB", (whole, whole), ground)
    ImageDraw.Draw(image).polygon(
        [(x * whole / 32, y * whole / 32) for x, y in BOLT], fill="#ffffff"
    )
    small = image.resize((size, size), Image.Resampling.BOX).quantize(16)
    content = BytesIO()
    small.save(content, "PNG", optimize=True)
    return content.getvalue()


if __name__ == "__main__":
    for one in SIZES:
        (ASSETS / f"icon-{one}.png").write_bytes(drawn(one))
