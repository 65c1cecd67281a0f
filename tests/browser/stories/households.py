"""Households as an owner enters them from a list on paper."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.chromium import seen
from tests.browser.site import Site

HOUSEHOLDS = 16
MOST_KEYS = 200
"""Besides names and numbers of cards."""
NARROW: Final[ViewportSize] = {"width": 360, "height": 740}
HIGHEST_ROW, HIGHEST_REST = 200, 1400
"""Pixels of a household, and of all else, on a phone."""


class _Keys:
    """A keyboard that counts what is pressed besides names and numbers of cards."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.pressed = 0

    def copy(self, text: str) -> None:
        """Type what stands on the paper."""
        self._page.keyboard.type(text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)
            self.pressed += 1


def sixteen_households_are_entered_on_one_page(page: Page, site: Site) -> None:
    for number in range(1, HOUSEHOLDS + 1):
        site.ask("POST", "admin", "chargers", id=f"WALL-{number:02}", name=f"Space {number}")
    page.goto(f"{site.url}/do/post/admin/households?next=/accounts")
    keys = _Keys(page)
    page.locator("[name='rows[0].name']").focus()
    keys.pressed += 1  # however it is reached
    for number in range(1, HOUSEHOLDS + 1):
        keys.copy(f"Family {number}")
        keys.press("Tab")
        keys.copy(f"04A1B2C3{number:02}")
        keys.press("Tab", *str(number), "Enter")
    page.get_by_role("button", name="Enter these households").press("Enter")
    keys.pressed += 1
    expect(page.get_by_text("New households: 16.")).to_be_visible()
    found = site.server.query(
        "SELECT account.name, cp.name, tag.id_tag FROM account "
        "JOIN ownership AS s ON s.account_id = account.id AND s.what = 'space' "
        "JOIN cp ON cp.id = s.key "
        "JOIN ownership AS t ON t.account_id = account.id AND t.what = 'tag' "
        "JOIN tag ON tag.key = t.key "
        "WHERE account.name LIKE 'Family %' ORDER BY account.id"
    )
    assert found == [
        (f"Family {one}", f"Space {one}", f"04A1B2C3{one:02}") for one in range(1, HOUSEHOLDS + 1)
    ]
    assert keys.pressed <= MOST_KEYS


@seen(expected=("answer: 422",))
def rows_of_a_spreadsheet_are_pasted_and_an_error_loses_nothing(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/do/post/admin/households?next=/accounts")
    wide = page.viewport_size
    page.set_viewport_size(NARROW)  # a phone shows one empty row
    expect(page.locator("[name='rows[0].name']")).to_be_visible()
    expect(page.locator("[name='rows[1].name']")).to_be_hidden()
    page.set_viewport_size(wide or NARROW)
    rows = (
        "\n".join(f"Pasted {one}\tPA{one:02}\t\t\t1.11.2025" for one in range(1, 19))
        + "\nPasted 19\tPA19\tnowhere\n"
    )
    page.locator("[name='rows[0].name']").focus()
    page.evaluate(
        "text => { const data = new DataTransfer(); data.setData('text/plain', text); "
        "document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, "
        "bubbles: true, cancelable: true })) }",
        rows,
    )
    page.get_by_role("button", name="Enter these households").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("There is no charger or space 'nowhere'")
    expect(page.locator("[name='rows[17].name']")).to_have_value("Pasted 18")
    expect(page.locator("[name='rows[17].since']")).to_have_value("2025-11-01")
    wrong = page.locator("[name='rows[18].space']")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    assert site.server.query("SELECT count(*) FROM account WHERE name LIKE 'Pasted %'") == [(0,)]
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollHeight") <= 19 * HIGHEST_ROW + HIGHEST_REST
    wrong.fill("")
    page.get_by_role("button", name="Enter these households").press("Enter")
    expect(page.get_by_text("New households: 19.")).to_be_visible()
