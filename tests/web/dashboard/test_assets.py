"""The icons of the home screen are those that their drawing makes."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image, ImageChops

from tests.tools.icons import ASSETS, SIZES, drawn

MOST_BYTES = 4096
LIKE = 48
"""Of 255: how far other colours of an edge may lie apart, as another Pillow chooses them."""


@pytest.mark.parametrize("size", SIZES)
def test_an_icon_is_drawn_from_that_of_the_dashboard(size: int) -> None:
    content = (ASSETS / f"icon-{size}.png").read_bytes()
    assert len(content) <= MOST_BYTES
    found, wanted = (Image.open(BytesIO(one)).convert("RGB") for one in (content, drawn(size)))
    assert found.size == (size, size)
    assert max(ImageChops.difference(found, wanted).tobytes()) <= LIKE
