"""The signatures of services outside: what is signed, and what is refused."""

from __future__ import annotations

import re
import subprocess

import pytest

from levity_trio.manual import find
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


def test_the_worked_example_of_the_manual() -> None:
    """Its commands give the digest below them, and so does this server."""
    example = r"```bash\n(?P<commands>secret=.*?)# (?P<digest>[0-9a-f]{64})\n```"
    found = re.search(example, find("payments").text, re.DOTALL)
    assert found is not None
    told = subprocess.run(["/bin/sh", "-c", found["commands"]], capture_output=True, text=True, check=True).stdout
    assert told.split()[-1] == found["digest"]
    secret, at, body = re.findall(r"^\w+='?(.*?)'?$", found["commands"], re.MULTILINE)
    assert signature(secret, int(at), body.encode()) == f"t={at},v1={found['digest']}"
