"""Meters that sign: a record of OCMF 1.x with begin and end of each transaction.

The keys are made from the charger's `signing_seed`, so that the same seed gives the same keys.
`cryptography` is imported only where a meter signs: see certificates.py.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from levity_trio.simulator.charger.configuration import Key
from levity_trio.simulator.charger.spec import ChargerSpec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


def meter_keys(spec: ChargerSpec) -> dict[str, Key]:
    """Return the configuration keys that tell the public key of each connector's meter, in hex of
    DER; none if its meters do not sign."""
    if not spec.signing_seed:
        return {}
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - see above

    keys = {}
    for connector in range(1, spec.connectors + 1):
        public = _key(spec, connector).public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        name = f"MeterPublicKey{connector}"
        keys[name] = Key(name, der.hex())
    return keys


def signed(spec: ChargerSpec, connector: int, payload: str) -> str:
    """Return the record with a payload, as the meter of a connector signs it."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    signature = _key(spec, connector).sign(payload.encode(), ECDSA(SHA256())).hex()
    return f'OCMF|{payload}|{{"SA":"ECDSA-secp256r1-SHA256","SD":"{signature}"}}'


def _key(spec: ChargerSpec, connector: int) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - see above

    digest = sha256(f"{spec.signing_seed}:{spec.id}:{connector}".encode()).digest()
    return ec.derive_private_key(int.from_bytes(digest[1:], "big"), ec.SECP256R1())
