"""The signatures of services outside: what is signed, and what is refused."""

from __future__ import annotations

import pytest

from levity_trio.web.webhooks.incoming import WrongSignature, WrongTime, check, signature

SECRET, BODY, AT = "s3cret", b'{"id":"1"}', 1_772_366_400


def test_a_signature_holds_for_five_minutes_in_both_directions() -> None:
    given = signature(SECRET, AT, BODY)
    for seconds in (-300, 0, 300):
        check(given, SECRET, BODY, AT + seconds)
    for seconds in (-301, 301, 360, -86_400):
        with pytest.raises(WrongTime):
            check(given, SECRET, BODY, AT + seconds)


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "x", f"t={AT}", f"t={AT},v1=", f"t={AT},v1={'0' * 64}"),
        *(signature("other", AT, BODY), signature(SECRET, AT, BODY + b" "), signature("", AT, BODY)),
        signature(SECRET, AT, BODY).replace(f"t={AT}", f"t={AT + 1}"),
        signature(SECRET, AT, BODY).replace("t=", "t=0"),
        signature(SECRET, AT, BODY).upper(),
        signature(SECRET, AT, BODY) + ",v1=" + "0" * 64,
        "t=" + "9" * 5000 + ",v1=" + "0" * 64,
        "t=١,v1=" + "0" * 64,
    ],
)
def test_what_is_no_signature_of_this_body(header: str | None) -> None:
    with pytest.raises(WrongSignature) as refused:
        check(header, SECRET, BODY, AT)
    assert SECRET not in str(refused.value)
