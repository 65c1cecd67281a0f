"""The pages of tags: add, change, block, remove, import and export."""

from __future__ import annotations

from tests.integration.browsing import Browser
from tests.integration.serving import Serving

ADD, IMPORT = "/do/post/admin/id-tags", "/do/post/admin/id-tag-import"


def add(browser: Browser, id_tag: str, **fields: str) -> None:
    browser.send(browser.get(ADD).form(ADD), id_tag=id_tag, **fields)


def state(server: Serving, id_tag: str) -> list[tuple[str, str | None]]:
    return server.query(
        "SELECT status, name FROM tag WHERE id_tag = ? AND ended_at IS NULL", id_tag
    )


def test_a_tag_is_blocked_unblocked_changed_and_removed(server: Serving, browser: Browser) -> None:
    add(browser, "CARD/1", name="Anna")
    page = browser.get("/tags/CARD%2F1")
    page = browser.press(page.form("Block"), "Block")
    assert "✓ Changed: CARD/1 is blocked" in page.words
    assert (page.path, state(server, "CARD/1")) == ("/tags/CARD%2F1", [("Blocked", "Anna")])
    assert "✓ Changed: CARD/1 may charge" in browser.press(page.form("Unblock"), "Unblock").words
    assert state(server, "CARD/1") == [("Accepted", "Anna")]
    change = "/do/patch/admin/id-tags/CARD%2F1"
    browser.send(browser.get(change).form(change), name="Anna, blue")
    assert state(server, "CARD/1") == [("Accepted", "Anna, blue")]
    page = browser.get("/tags/CARD%2F1")
    removed = page.form("Remove CARD/1")
    assert browser.press(removed, "Remove").path == "/tags"
    assert state(server, "CARD/1") == []
    assert "Somebody has decided this already" in browser.press(removed, "Remove").words


def test_the_list_is_found_by_typing(browser: Browser) -> None:
    for id_tag, name in (("FIND-1", "Berger"), ("FIND-2", "Tom")):
        add(browser, id_tag, name=name)
    page = browser.get("/tags", search="berg")
    assert ("FIND-1" in page.words, "FIND-2" in page.words) == (True, False)


def test_a_file_is_imported_and_exported(server: Serving, browser: Browser) -> None:
    page = browser.get(IMPORT, next="/tags")
    form = page.form(IMPORT)
    done = browser.post(IMPORT, {**form.values, "file": "id_tag,name\nFILE-1,Zoe\n"})
    assert "added 1" in done.words
    assert state(server, "FILE-1") == [("Accepted", "Zoe")]
    assert "FILE-1,Zoe" in browser.get("/get/admin/id-tag-export").html


def test_what_is_wrong_with_a_file_is_told_by_line(server: Serving, browser: Browser) -> None:
    form = browser.get(IMPORT).form(IMPORT)
    page = browser.post(
        IMPORT, {**form.values, "file": "id_tag,status\nFILE-2,Perhaps\nFILE-3,<b>\n"}
    )
    assert page.status == 422
    assert "line 2, status: " in page.words
    assert "line 3, status: " in page.words
    assert state(server, "FILE-2") == []
