"""What a person types wrong: the command line names the option, and the command that helps."""

from __future__ import annotations

import pytest

from tests.integration.test_shell import Shell


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("bill", "preview", "hello"), "MONTH: give a month such as 2026-10"),
        (("bill", "begin", "soon"), "DAY: give a day such as 2026-10-01, from "),
        (
            ("webhook", "add", "home", "home.example"),
            "URL: give a URL that begins with http:// or https://",
        ),
        (
            ("sessions", "--from", "yesterday"),
            "Invalid value for --from: yesterday: give a time such as ",
        ),
        (
            ("household", "unowned", "--to", "soon"),
            "Invalid value for --to: soon: give a time such as ",
        ),
        (
            ("configuration", "CP-1", "--since", "soon"),
            "Invalid value for --since: soon: give a time such as ",
        ),
        (
            ("card", "add", " x"),
            "CARD: it is empty, begins or ends with a space, or is not printable",
        ),
        (("card", "add", "x", "--expires", "soon"), "--expires: "),
        (
            ("card", "add", "x", "--most", "0"),
            "Invalid value for '--most': 0: give a whole number from 1 to 10000",
        ),
        (("household", "add", "x", "--since", "soon"), "--since: give a time such as "),
    ],
    ids=str,
)
def test_the_option_is_named(
    words: tuple[str, ...], told: str, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell(*words) == 2
    assert capsys.readouterr().err.startswith(f"levity-trio: {told}")


@pytest.mark.parametrize(
    "words",
    [
        ("charger", "adopt", "CP 7"),
        ("charger", "refuse", "CP 7"),
        ("chargers", "CP 7"),
        ("configuration", "CP 7"),
        *((*listed, "--charger", "CP 7") for listed in (("sessions",), ("events",), ("commands",))),
        *(
            (*listed, "--charger", "CP 7")
            for listed in (("files", "list"), ("review", "list"), ("household", "unowned"))
        ),
    ],
    ids=str,
)
def test_a_charger_that_has_not_connected_is_no_dead_end(
    words: tuple[str, ...], shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell(*words) == 2
    told = capsys.readouterr().err
    assert told.startswith("levity-trio: there is no charger CP 7; it has not connected yet: ")
    assert "levity-trio charger add 'CP 7' registers it" in told
