"""Pages of the manual as HTML, and with links for those who read their Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from levity_trio.manual import LINK, ManualPage, anchor, linked

if TYPE_CHECKING:
    from markdown_it.token import Token

KEPT: Final = 16
"""Pages whose HTML is kept."""


@lru_cache(KEPT)
def to_html(page: ManualPage, base: str) -> str:
    """Return a page as HTML, with links to other pages below `base`. It takes a while, so it
    belongs into a thread."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - it takes memory, and few servers show the manual

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("table_open", _open_table)
    markdown.add_render_rule("table_close", lambda *_: "</table></div>\n")
    markdown.add_render_rule("fence", _block)
    tokens = markdown.parse(page.text)
    heading = page.title
    anchors = iter(page.anchors)
    for token, inside in pairwise([*tokens, *tokens[-1:]]):
        if token.type == "heading_open":
            heading = inside.content.replace("`", "")
            token.attrSet("id", next(anchors, anchor(heading)))
        token.meta["heading"] = heading
    _lead(tokens, page, base)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _open_table(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    """Begin a table in a box that the keyboard reaches, because it may be wider than the screen."""
    name = escape(tokens[index].meta["heading"])
    return f'<div class="table" tabindex="0" role="region" aria-label="{name}"><table>\n'


def _block(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    """Return what is typed, or what a command prints: its lines are not broken, so the keyboard
    reaches it as well."""
    told, words = tokens[index], escape(tokens[index].content)
    if told.info != "text":
        return f"<pre><code>{words}</code></pre>\n"
    name = escape(f"Output: {told.meta['heading']}")
    return (
        '<pre class="output" tabindex="0" role="region" '
        f'aria-label="{name}"><code>{words}</code></pre>\n'
    )


def _lead(tokens: Sequence[Token], page: ManualPage, base: str) -> None:
    """Let the links of a page lead to where the pages are served."""
    for token in tokens:
        _lead(token.children or (), page, base)
        href: Any = token.attrGet("href") if token.type == "link_open" else None
        if href is not None and "://" not in href:
            path, mark, part = str(href).partition("#")
            token.attrSet(
                "href",
                f"{base}/{linked(page.topic, path)}{mark}{part}" if path else f"{mark}{part}",
            )


def to_text(page: ManualPage) -> str:
    """Return a page with its links as topics, for those who read its Markdown."""
    return LINK.sub(lambda found: f"]({linked(page.topic, found[1])}{found[2] or ''})", page.text)
