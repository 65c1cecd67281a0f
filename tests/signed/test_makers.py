"""Records in the forms of makers are checked, and none with one bit changed is."""

import random
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from zlib import crc32

import pytest

from levity_trio.signed.checking import KnownKey, SignedState, check, verified
from levity_trio.signed.keys import CannotCheck
from levity_trio.signed.records import SentRecord, UnreadableRecord
from tests.signed.makers import FORMS, Form
from tests.signed.meters import Meter, flipped, signed_bits
from tests.sizes import IS_FULL

CHANGED_EACH = 60
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.maker)


@each_form
def test_records_of_a_maker_prove_the_energy_of_their_session(form: Form) -> None:
    meter = Meter(form.curve)
    finding = check(form.signed_by(meter), [KnownKey(meter.key, True)], form.session)
    assert finding.state is SignedState.PROVEN, finding.told
    assert finding.wh == form.wh
    assert finding.key == meter.key.fingerprint
    assert finding.is_owners
    assert finding.is_timed is form.is_timed


@each_form
def test_a_changed_bit_is_never_proven_and_has_a_reason(form: Form) -> None:
    meter = Meter(form.curve)
    records = form.signed_by(meter)
    places = [(number, bit) for number, text in enumerate(records) for bit in signed_bits(text)]
    if not IS_FULL:
        places = random.Random(crc32(form.maker.encode())).sample(places, CHANGED_EACH)
    for number, bit in places:
        changed = [*records]
        changed[number] = flipped(records[number], bit)
        finding = check(changed, [KnownKey(meter.key, True)], form.session)
        assert finding.state is not SignedState.PROVEN, (number, bit, changed[number])
        assert finding.told
        assert not _is_verified(changed[number], meter), (number, bit, changed[number])


def _is_verified(text: str, meter: Meter) -> bool:
    try:
        return verified(SentRecord(text, ""), [meter.key]) is not None
    except (UnreadableRecord, CannotCheck):
        return False


@each_form
def test_a_record_of_another_meter_is_not_proven(form: Form) -> None:
    meter, other = Meter(form.curve), Meter(form.curve)
    finding = check(form.signed_by(meter), [KnownKey(other.key, True)], form.session)
    assert finding.state is not SignedState.PROVEN


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
@each_form
def test_openssl_says_the_same(form: Form, tmp_path: Path) -> None:
    """OpenSSL on the command line checks the records, and a changed one."""
    meter = Meter(form.curve)
    pem, signature, content = (tmp_path / name for name in ("key.pem", "signature", "content"))
    pem.write_text(meter.pem)
    for payload in form.payloads:
        made = meter.sign(payload.encode())
        for sent in (payload, flipped(payload, 8 * 40)):
            signature.write_bytes(made)
            content.write_bytes(sent.encode())
            command: list[str | Path] = [
                "openssl",
                "dgst",
                "-sha256",
                "-verify",
                pem,
                "-signature",
                signature,
            ]
            ran = subprocess.run([*command, content], capture_output=True, check=False)
            ours = _is_verified(meter.signed(sent, SA=form.algorithm, SD=made.hex()), meter)
            assert ours is (ran.returncode == 0) is (sent == payload)


@pytest.mark.parametrize("curve", [form.curve for form in FORMS[:6]])
def test_a_signature_may_be_in_base64(curve: str) -> None:
    meter = Meter(curve)
    payload = FORMS[0].payloads[0]
    text = b64encode(meter.sign(payload.encode())).decode()
    assert _is_verified(meter.signed(payload, SE="base64", SD=text), meter)
    assert _is_verified(meter.signed(payload, SE="hex"), meter)
    assert _is_verified(meter.signed(payload, SM="application/x-der"), meter)
