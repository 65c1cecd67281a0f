"""The file in a form: split anywhere, among other parts, and forms that are none."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from levity_trio.web.files.multipart import NotMultipart, boundary_of, file_in

FIELD = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
FILE = (
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="../../x"\r\nContent-Type: '
    b"a/b\r\n\r\n"
)
CONTENT = b"one\r\n--two\r\n\r\n\0\xff"
END = b"\r\n--b--\r\n"
WHOLE = FIELD + FILE + CONTENT + b"\r\n" + FILE + b"another" + END


def read(body: bytes, size: int, boundary: bytes = b"b") -> bytes:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), size):
            yield body[start : start + size]
            await trio.lowlevel.checkpoint()

    async def run() -> bytes:
        return b"".join([piece async for piece in file_in(pieces(), boundary)])

    return trio.run(run)


@given(st.integers(1, len(WHOLE)))
def test_the_first_file_comes_whatever_the_pieces(size: int) -> None:
    assert read(WHOLE, size) == CONTENT


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        FIELD + b"--b--\r\n",
        FILE,
        FILE + CONTENT,
        WHOLE[:-5],
        FILE.replace(b"--b", b"--c"),
    ],
)
def test_what_is_no_form_with_a_file(body: bytes, size: int) -> None:
    with pytest.raises(NotMultipart):
        read(body, size)


def test_a_boundary_beyond_the_limit() -> None:
    with pytest.raises(NotMultipart):
        read(WHOLE, 10, b"b" * 10_000)


def test_boundaries() -> None:
    assert boundary_of('multipart/form-data; boundary="b c"') == b"b c"
    assert boundary_of("application/zip") is boundary_of("") is None
    with pytest.raises(NotMultipart, match="without a boundary"):
        boundary_of("multipart/form-data")


def test_no_release_with_known_vulnerabilities_is_installed() -> None:
    """GHSA-v9pg-7xvm-68hf is the last one, mended in 0.0.31."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    (asked,) = [
        one for one in map(Requirement, project["dependencies"]) if one.name == "python-multipart"
    ]
    assert [asked.specifier.contains(version) for version in ("0.0.30", "0.0.31", "0.0.34")] == [
        False,
        True,
        True,
    ]
