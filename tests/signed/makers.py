"""Records in the forms of public files of makers: the fields, their order, blanks and numbers are
theirs; serial numbers, cards, figures and keys are made up.

The forms are those of the test files of the transparency software (S.A.F.E.) and of Chargy.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

from levity_trio.signed.checking import BilledSession
from tests.signed.meters import Meter

SUMMER: Final = timezone(timedelta(hours=2))
AT: Final = datetime(2026, 6, 14, 10, 3, 15, tzinfo=SUMMER)


class Form(NamedTuple):
    """The records of a session as a maker's meters write them."""

    maker: str
    curve: str
    algorithm: str | None
    """As its records name it; None: they leave it out."""
    payloads: tuple[str, ...]
    wh: int
    until: datetime
    is_timed: bool
    is_zero_filled: bool = True
    """Whether its signatures have the byte 0 that DER asks for before a high bit."""

    @property
    def session(self) -> BilledSession:
        return BilledSession(self.wh, AT, self.until)

    def signed_by(self, meter: Meter) -> list[str]:
        """Return the records."""
        sign = meter.sign if self.is_zero_filled else meter.sign_unfilled
        return [
            meter.signed(payload, SA=self.algorithm, SD=sign(payload.encode()).hex())
            for payload in self.payloads
        ]


_KEBA = (
    '{"FV":"1.0","GI":"KEBA_KCP30","GS":"10000001","GV":"2.8.5","PG":"T32","IS":false,"IL":"NONE",'
    '"IF":["RFID_NONE","OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"IT":"NONE","ID":"","RD":['
    '{"TM":"2026-06-14T08:03:15,000+0000 I","TX":"B","EF":"","ST":"G","RV":62500.2031,'
    '"RI":"1-b:1.8.0","RU":"kWh"},'
    '{"TM":"2026-06-14T10:03:36,000+0000 R","TX":"E","EF":"","ST":"G","RV":62511.5032,'
    '"RI":"1-b:1.8.0","RU":"kWh"},'
    '{"RV":0.00,"RI":"1-b:1.9.0","RU":"kWh"}]}'
)
_EBZ = (
    '{"FV":"1.0","GI":"eBZ LD3","GS":"1EBZ0300000001","GV":"V207","MS":"1EBZ0300000001",'
    '"PG":"T120",'
    '"IS":true,"IL":"TRUSTED","IT":"EMAID","ID":"Testbox","CI":"Here","CT":"EVSEID","RD":['
    '{"TM":"2026-06-14T10:03:15,000+0200 I","TX":"B","RV":2851485,"RI":"1-b:1.8.e","RU":"Wh",'
    '"ST":"G"},'
    '{"TM":"2026-06-14T12:03:36,000+0200 I","TX":"E","RV":2862785,"RI":"1-b:1.8.e","RU":"Wh",'
    '"ST":"G"}]}'
)
_BAUER = (
    '{"FV":"1.0","GI":"BAUER Electronic BSM-WS36A-H01-1311-0000","GS":"001BZR0000000001",'
    '"GV":"1.9:32CA:AFF4, 6d1dd3c","PG":"T%s","MV":"BAUER Electronic",'
    '"MM":"BSM-WS36A-H01-1311-0000",'
    '"MS":"001BZR0000000001","IS":true,"IT":"UNDEFINED","ID":"contract-id: rfid:12345678abcdef",'
    '"RD":['
    '{"TM":"2026-06-14T%s,000+0200 S","TX":"%s","RV":%s,"RI":"1-0:1.8.0*198","RU":"Wh","XV":%s,'
    '"XI":"1-0:1.8.0*255","XU":"Wh","XT":%s,"RT":"AC","EF":"","ST":"G"}]}'
)
_NANO = (
    '{"FV" : "1.0","GI" : "Nano CH-10311C","GS" : "000001","GV" : "v017","PG" : "T%s","MV" : "DZG",'
    '"MM" : "DVH4013","MS" : "1DZG0000000001","IS" : true,"IL" : "VERIFIED","IF" : ["RFID_NONE",'
    '"OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"IT" : "EMAID","ID" : "01020304050607",'
    '"CT" : "CBIDC",'
    '"CI" : "CI","RD" : [{"TM" : "2026-06-14T%s,000+0200 I","TX" : "%s","RV" : "       %s",'
    '"RI" : "01-00:01.08.00.FF","RU" : "kWh","RT" : "AC","EF" : "","ST" : "G"}%s]}'
)
_SECONDS = (
    ',{"TM" : "2026-06-14T12:03:36,000+0200 I","TX" : "E","RV" : "    7221",'
    '"RI" : "01-00:00.08.06.FF","RU" : "sec","RT" : "AC","EF" : "","ST" : "G"}'
)
_LEM = (
    '{"FV":"1.0","GI":"LEM DCBM","GS":"1000000001","GV":"v1","PG":"T144","MV":"LEM",'
    '"MS":"1000000001",'
    '"MF":"MU-0.1.4.0_SU-0.0.8.0","IS":true,"IL":"HEARSAY","IF":["RFID_RELATED","OCPP_AUTH_TLS",'
    '"ISO15118_NONE","PLMN_NONE"],"IT":"ISO14443","ID":"01020304","CT":"EVSEID","CI":"1","RD":['
    '{"TM":"2026-06-14T10:03:15,000+0200 R","TX":"B","RV":57.584,"RI":"1-0:1.8.0","RU":"kWh",'
    '"RT":"DC",'
    '"EF":"","ST":"G","UC":{"UN":"No_Comp","UI":2,"UR":0}},'
    '{"RV":4.405,"RI":"1-0:2.8.0","RU":"kWh","ST":"G"},'
    '{"TM":"2026-06-14T12:03:36,000+0200 R","TX":"E","RV":68.884,"RI":"1-0:1.8.0","RU":"kWh",'
    '"ST":"G"},'
    '{"RV":4.405,"RI":"1-0:2.8.0","RU":"kWh","ST":"G"}]}'
)
_NZR = (
    '{"FV":"1.0","GI":"NZR GATEWAY","GS":"1","GV":"1.0","PG":"T%s","MV":"NZR","MM":"EcoCount S 85",'
    '"MS":"10000001","MF":"1.0","IS":false,"IT":"NONE","ID":"","RD":['
    '{"TM":"2026-06-14T%s,000+0200 S","TX":"%s","RV":%s,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC",'
    '"EF":"",'
    '"ST":"G"}]}'
)
_EBEE = (
    '{"FV":"1.0","GI":"Test_CSA","GS":"","GV":"1.6.0","PG":"T%s","MV":"DZG","MM":"DVH4013",'
    '"MS":"000000000001","MF":"","IS":true,"IT":"ISO14443","ID":"01020304","RD":['
    '{"TM":"2026-06-14T%s,000+0200 %s","TX":"%s","RV":%s,"RI":"1-b:1.8.0","RU":"Wh","RT":"AC",'
    '"EF":"",'
    '"ST":"G"}]}'
)
_GSH = (
    '{"FV" : "1.0","GI" : "DZG-GSH01.1K2L","GS" : "1DZG0000000002","GV" : "230","PG" : "T76",'
    '"MV" : "DZG","MM" : "GSH01.1K2L","MS" : "1DZG0000000002","MF" : "230","IS" : false,'
    '"IT" : "NONE",'
    '"ID" : "SIM_CHARGE","CT" : "EVSEID","CI" : "99BZ999993","RD" : ['
    '{"TM" : "2026-06-14T10:03:15,000+0200 I","TX" : "B","RV" : "0.00","RI" : "1-0:98.8.0.FF",'
    '"RU" : "kWh","RT" : "DC","EF" : "","ST" : "G"},'
    '{"TM" : "2026-06-14T12:03:36,000+0200 I","TX" : "E","RV" : "11.30","RI" : "1-0:98.8.0.FF",'
    '"RU" : "kWh","RT" : "DC","EF" : "","ST" : "G"},'
    '{"TM" : "2026-06-14T10:03:15,000+0200 I","TX" : "B","RV" : "1.00","RI" : "1-0:2.8.0.FF",'
    '"RU" : "kWh","RT" : "DC","EF" : "","ST" : "G"},'
    '{"TM" : "2026-06-14T12:03:36,000+0200 I","TX" : "E","RV" : "2.00","RI" : "1-0:2.8.0.FF",'
    '"RU" : "kWh","RT" : "DC","EF" : "","ST" : "G"}]}'
)
_ENERCHARGE = (
    '{"FV":"1.0","GI":"Test_Gateway","GS":"000001","GV":"1.0","PG":"T51","MV":"ISA","IS":false,'
    '"IL":"NONE","IT":"LOCAL","ID":"00112233445566778899aabbccddeeff","CT":"CBIDC","CI":"000002 0",'
    '"IF":["RFID_NONE","OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"RD":['
    '{"TM":"2026-06-14T10:03:15,000+0200 R","TX":"B","RV":1.606848e7,"RI":"1-b:1.8.0","RU":"Wh",'
    '"RT":"DC","ST":"G"},'
    '{"TM":"2026-06-14T10:03:25,000+0200 R","TX":"C","RV":1.606848e7,"RI":"1-b:1.8.0","RU":"Wh",'
    '"RT":"DC","ST":"G"},'
    '{"TM":"2026-06-14T12:03:30,000+0200 R","TX":"S","RV":1.607978e7,"RI":"1-b:1.8.0","RU":"Wh",'
    '"RT":"DC","ST":"G"},'
    '{"TM":"2026-06-14T12:03:36,000+0200 R","TX":"E","RV":1.607978e7,"RI":"1-b:1.8.0","RU":"Wh",'
    '"RT":"DC","ST":"G"}],"VA":"TEST","VB":3,"VC":0.400000006,"VQ":"","ZC":2916178132}'
)
_ZAPTEC = (
    '{"FV":"1.0","GI":"Zaptec Pro MID","GS":"ZAP000001","GV":"5.0.2.1","PG":"T1","MF":"v1.3.6",'
    '"RD":['
    '{"TM":"2026-06-14T08:03:15,000+00:00 R","TX":"B","RV":2410.009,"RI":"1-0:1.8.0","RU":"kWh",'
    '"RT":"AC","ST":"G"},'
    '{"TM":"2026-06-14T09:00:00,000+00:00 R","TX":"T","RV":2415.1,"RI":"1-0:1.8.0","RU":"kWh",'
    '"RT":"AC","ST":"G"},'
    '{"TM":"2026-06-14T10:03:36,000+00:00 R","TX":"E","RV":2421.309,"RI":"1-0:1.8.0","RU":"kWh",'
    '"RT":"AC","ST":"G"}]}'
)
_UNTIL: Final = datetime(2026, 6, 14, 10, 3, 36, tzinfo=UTC)
_B, _E = "10:03:15", "12:03:36"
_P256: Final = "ECDSA-secp256r1-SHA256"

FORMS: Final = (
    Form("keba", "secp256r1", None, (_KEBA,), 11300, _UNTIL, False),
    Form("ebz", "secp192r1", "ECDSA-secp192r1-SHA256", (_EBZ,), 11300, _UNTIL, False, False),
    Form(
        "bauer",
        "secp256r1",
        _P256,
        (_BAUER % (2, _B, "B", 0, 76040, 3), _BAUER % (3, _E, "E", 11300, 87340, 4)),
        11300,
        _UNTIL,
        True,
    ),
    Form(
        "nano",
        "secp256k1",
        "ECDSA-secp256k1-SHA256",
        (_NANO % (198, _B, "B", "9.038", ""), _NANO % (199, _E, "E", "20.338", _SECONDS)),
        11300,
        _UNTIL,
        False,
    ),
    Form("lem", "secp256r1", _P256, (_LEM,), 11300, _UNTIL, True),
    Form(
        "nzr",
        "brainpool256r1",
        "ECDSA-brainpoolP256r1-SHA256",
        (_NZR % (274, _B, "B", "268.97"), _NZR % (275, _E, "E", "280.27")),
        11300,
        _UNTIL,
        True,
    ),
    Form(
        "nzr-384",
        "secp384r1",
        "ECDSA-secp384r1-SHA256",
        (_NZR % (5, _B, "B", "268.97"), _NZR % (6, _E, "E", "280.27")),
        11300,
        _UNTIL,
        True,
    ),
    Form(
        "ebee",
        "secp256r1",
        None,
        (_EBEE % (28, _B, "I", "B", 7753), _EBEE % (29, _E, "R", "E", 19053)),
        11300,
        _UNTIL,
        False,
    ),
    Form("gsh", "secp256k1", "ECDSA-secp256k1-SHA256", (_GSH,), 11300, _UNTIL, False),
    Form("enercharge", "secp256r1", _P256, (_ENERCHARGE,), 11300, _UNTIL, True),
    Form("zaptec", "secp384r1", "ECDSA-secp384r1-SHA256", (_ZAPTEC,), 11300, _UNTIL, True),
)
