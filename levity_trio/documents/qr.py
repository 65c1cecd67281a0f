"""QR codes, as rows of dark ("1") and light ("0") modules, without the quiet zone."""

from __future__ import annotations

from io import StringIO

from segno import QRCode, make_qr


def payment_modules(says: str) -> tuple[str, ...]:
    """Return the code of a payment, empty if it says nothing."""
    return _rows(make_qr(says.encode(), error="m", boost_error=False)) if says else ()


def text_code(text: str) -> tuple[str, ...]:
    """Return the code of any text."""
    return _rows(make_qr(text))


def terminal_code(text: str) -> str:
    """Return the code of any text for a terminal: two rows in a line, and light where the terminal
    is dark."""
    written = StringIO()
    make_qr(text).terminal(written, compact=True)
    return written.getvalue()


def _rows(code: QRCode) -> tuple[str, ...]:
    rows: list[str] = []
    for row in code.matrix:
        modules = ["1" if module & 1 else "0" for module in row]
        rows.append("".join(modules))
    return tuple(rows)
