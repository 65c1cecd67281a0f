"""Files as banks write them; names and accounts are invented."""

from pathlib import Path
from typing import Final

IBAN: Final = "DE02120300000000202051"
EXPORTS: Final = Path(__file__).parent / "exports"
BANKS: Final = {path.stem: path.read_text("utf-8") for path in sorted(EXPORTS.glob("*.csv"))}
"""Exports of CSV, by their banks."""


def camt(*entries: str, version: str = "08", currency: str = "EUR") -> str:
    """Return a statement of an account as a bank sends it."""
    return f'''\
<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><BkToCstmrStmt>
<GrpHdr><MsgId>053D2026-03-02T06:13:01.0N260000007</MsgId>
<CreDtTm>2026-03-02T06:13:01.0+01:00</CreDtTm></GrpHdr>
<Stmt><Id>0752D5320260302</Id><ElctrncSeqNb>42</ElctrncSeqNb>
<CreDtTm>2026-03-02T06:13:01.0+01:00</CreDtTm>
<Acct><Id><IBAN>DE19120300000000202053</IBAN></Id><Ccy>{currency}</Ccy>
<Ownr><Nm>Bauhof 12</Nm></Ownr></Acct>
<Bal><Tp><CdOrPrtry><Cd>PRCD</Cd></CdOrPrtry></Tp>
<Amt Ccy="{currency}">4244.95</Amt><CdtDbtInd>CRDT</CdtDbtInd>
<Dt><Dt>2026-03-01</Dt></Dt></Bal>{"".join(entries)}</Stmt></BkToCstmrStmt></Document>'''


def entry(
    amount: str,
    *details: str,
    side: str = "CRDT",
    status: str = "BOOK",
    version: str = "08",
    code: str = "NTRF+166+00931",
    more: str = "",
) -> str:
    """Return a movement, with the details of its transactions."""
    told = f"<Cd>{status}</Cd>" if version == "08" else status
    return f"""
<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>{more}<Sts>{told}</Sts>
<BookgDt><Dt>2026-03-02</Dt></BookgDt><ValDt><Dt>2026-03-03</Dt></ValDt>
<AcctSvcrRef>2026030200931{amount}</AcctSvcrRef>
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn>
<Prtry><Cd>{code}</Cd><Issr>DK</Issr></Prtry></BkTxCd>
<NtryDtls>{"".join(details)}</NtryDtls><AddtlNtryInf>SEPA-Überweisung</AddtlNtryInf></Ntry>"""


def details(
    name: str, text: str, amount: str = "", *, version: str = "08", iban: str = IBAN, more: str = ""
) -> str:
    """Return a transaction of a movement, as its version writes it."""
    party = f"<Nm>{name}</Nm>"
    money = f'<AmtDtls><TxAmt><Amt Ccy="EUR">{amount}</Amt></TxAmt></AmtDtls>' if amount else ""
    if version == "08":
        party = f"<Pty>{party}</Pty>"
        money = f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd>' if amount else ""
    return f"""<TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>{money}
<RltdPties><Dbtr>{party}</Dbtr><DbtrAcct><Id><IBAN>{iban}</IBAN></Id></DbtrAcct>
<Cdtr>{party.replace(name, "Bauhof 12")}</Cdtr></RltdPties>
<RmtInf><Ustrd>{text}</Ustrd></RmtInf>{more}</TxDtls>"""
