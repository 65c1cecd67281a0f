"""How forms are filled in."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.site import Site


def enter_sends_a_form_with_rows(page: Page, site: Site) -> None:
    """The key presses the first button of a form, which must not be "More rows"."""
    site.charger("ROWS")
    page.goto(f"{site.url}/do/post/admin/chargers/ROWS/send-local-list")
    tag = page.locator("[name='localAuthorizationList[0].idTag']")
    tag.fill("04A2B3C4")
    tag.press("Enter")
    expect(page.get_by_role("button", name="More rows")).to_have_count(0)
    ((action,),) = site.server.query("SELECT action FROM command WHERE cp_id = 'ROWS'")
    assert action == "SendLocalList"
