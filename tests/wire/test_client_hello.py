"""The versions that a real ClientHello offers; anything else offers none."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.wire.client_hello import offers_tls_1_3


def hello(newest: ssl.TLSVersion) -> bytes:
    context = ssl.create_default_context()
    context.maximum_version = newest
    outgoing = ssl.MemoryBIO()
    begun = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        begun.do_handshake()
    return outgoing.read()


def test_versions() -> None:
    assert offers_tls_1_3(hello(ssl.TLSVersion.TLSv1_3))
    assert not offers_tls_1_3(hello(ssl.TLSVersion.TLSv1_2))


def test_one_that_is_cut_off_offers_none() -> None:
    whole = hello(ssl.TLSVersion.TLSv1_3)
    assert not any(offers_tls_1_3(whole[:size]) for size in range(len(whole)))


@given(st.binary(max_size=600))
def test_any_bytes(data: bytes) -> None:
    offers_tls_1_3(b"\x16\x03\x01" + data)
