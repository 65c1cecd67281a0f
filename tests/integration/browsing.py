"""A browser without JavaScript: it keeps cookies, follows redirects, and fills in the forms that a
page shows."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from itertools import chain
from secrets import token_hex
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

SECONDS = 60.0
PASSWORD = "a long enough password"  # noqa: S105
MOST_REDIRECTS = 5
OF_ALL, OF_DRIVERS = "serving the operator API", "serving the drivers' port"
"""The log lines that tell the ports."""
VOID = ("input", "meta", "link", "br", "hr", "img")
OPTIONAL = (
    "html",
    "head",
    "body",
    "p",
    "li",
    "dt",
    "dd",
    "tr",
    "th",
    "td",
    "thead",
    "tbody",
    "option",
)
"""Elements whose end may be left out."""
BLOCKS: tuple[str, ...] = (
    "article",
    "details",
    "div",
    "dl",
    "fieldset",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "main",
    "nav",
)
BLOCKS += ("ol", "p", "pre", "section", "table", "ul")
OF_WORDS: tuple[str, ...] = (
    "a",
    "b",
    "button",
    "code",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "label",
    "p",
    "small",
    "span",
    "strong",
)
OF_WORDS += ("summary", "time")
"""Elements without blocks in them; a link might have some, but here none does."""


@dataclass
class Button:
    """A button of a form: its words, where it sends the form to, "" for the form's own place, and
    what it adds."""

    words: str = ""
    action: str = ""
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Form:
    """A form of a page: where it goes, and what it holds."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Of all fields, also the empty ones."""
    switches: set[str] = field(default_factory=set)
    """The boxes for yes or no: a hidden field before each says no, and a browser sends both if the
    box is ticked."""
    words: str = ""
    """What stands in it, its button's words too."""
    buttons: list[Button] = field(default_factory=list)


class _Reading(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._form: Form | None = None
        self._filling: str | None = None
        self._button: Button | None = None
        self._selected = False
        self._open: list[str] = []

    def _enter(self, tag: str) -> None:
        around = [one for one in self._open if one in OF_WORDS] if tag in BLOCKS else []
        assert not around, f"a <{tag}> in a <{around[-1]}>, at {self.getpos()}"
        if tag not in VOID:
            self._open.append(tag)

    def _leave(self, tag: str) -> None:
        while self._open and self._open[-1] != tag and self._open[-1] in OPTIONAL:
            self._open.pop()
        assert self._open, f"a </{tag}> without a beginning, at {self.getpos()}"
        assert self._open[-1] == tag, f"a </{tag}> in a <{self._open[-1]}>, at {self.getpos()}"
        self._open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))  # of SVG

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._enter(tag)
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "form":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        if self._form is not None:
            self._note(self._form, tag, given)

    def _note(self, form: Form, tag: str, given: Mapping[str, str]) -> None:
        name = given.get("name")
        if tag == "button":
            added = {} if name is None else {name: given.get("value", "")}
            self._button = Button(action=given.get("formaction", ""), values=added)
            form.buttons.append(self._button)
        if name is not None and tag in ("input", "select", "textarea"):
            if given.get("type") == "checkbox" and name in form.names:
                form.switches.add(name)
            form.names.append(name)
            is_box = given.get("type") in ("checkbox", "radio")
            is_given = tag == "input" and (not is_box or "checked" in given)
            if is_given and given.get("value"):
                form.values[name] = given["value"]
            self._filling = name if tag in ("select", "textarea") else None
        if tag == "option" and "selected" in given and self._filling:
            self._selected = "value" not in given  # then its value is its text
            form.values[self._filling] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._leave(tag)
        if tag == "form":
            self._form = None
        if tag == "button":
            self._button = None
        if tag == "option":
            self._selected = False
        if tag in ("select", "textarea"):
            self._filling = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._form is not None:
            self._form.words += data
            if self._selected and self._filling:
                self._form.values[self._filling] += data
        if self._button is not None:
            self._button.words += data


@dataclass
class Page:
    """What a browser shows."""

    status: int
    path: str
    headers: Mapping[str, str]
    html: str

    def __post_init__(self) -> None:
        reading = _Reading()
        # a file may hold anything
        if self.headers.get("content-type", "text/html").startswith("text/html"):
            reading.feed(self.html)
        self.words = " ".join(" ".join(reading.words).split())
        self.links, self.forms, self.tags = reading.links, reading.forms, reading.tags

    def form(self, words: str) -> Form:
        """Return the form whose action or words contain these words."""
        found = [one for one in self.forms if words in one.action or words in one.words]
        assert found, (
            f"no form {words!r} at {self.path}; there are {[one.action for one in self.forms]}"
        )
        return found[0]


class Told(Protocol):
    """What says at which address it serves."""

    def wait_line(self, event: str, /) -> Mapping[str, Any]: ...


class Browser:
    """One browser, at the dashboard of a server, or at its drivers' port."""

    def __init__(self, server: Told, at: str = OF_ALL, port: int | None = None) -> None:
        """`port`: that of the server, where the line tells the address of a proxy."""
        line = server.wait_line(at)
        parts = urlsplit(str(line["address"]))
        self._host, self._port = (
            (parts.hostname or "", parts.port) if port is None else ("127.0.0.1", port)
        )
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **query: str) -> Page:
        """Look at a page; redirects are followed."""
        return self._follow(self.ask("GET", f"{path}?{urlencode(query)}" if query else path))

    def post(self, path: str, values: Mapping[str, str] | Sequence[tuple[str, str]]) -> Page:
        """Send a form's values; redirects are followed."""
        return self._follow(self.ask("POST", path, values))

    def send(self, form: Form, **values: str) -> Page:
        """Fill in a form of a page and send it. `__` in a name stands for a dot."""
        given = {name.replace("__", "."): value for name, value in values.items()}
        unknown = given.keys() - set(form.names)
        assert not unknown, f"the form {form.action} has no field {unknown}; it has {form.names}"
        return self.post(form.action, _sent(form, {**form.values, **given}))

    def press(self, form: Form, words: str, **values: str) -> Page:
        """Fill in a form and press the button with these words."""
        found = [one for one in form.buttons if words in one.words]
        assert found, f"no button {words!r}; there are {[one.words for one in form.buttons]}"
        return self.post(
            found[0].action or form.action,
            _sent(form, {**form.values, **values, **found[0].values}),
        )

    def upload(self, form: Form, content: bytes, name: str = "file") -> Page:
        """Choose a file in a form of a page and send it; redirects are followed."""
        boundary = token_hex(16)
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{{}}"{{}}\r\n\r\n'
        texts = "".join(
            f"{head.format(field, '')}{value}\r\n" for field, value in form.values.items()
        )
        file = head.format(name, '; filename="chosen"')
        body = f"{texts}{file}".encode() + content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return self._follow(self.ask("POST", form.action, body, headers))

    @property
    def port(self) -> int:
        """The port of the server."""
        return self._port or 80

    def ask(
        self,
        method: str,
        path: str,
        values: Mapping[str, str] | Sequence[tuple[str, str]] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Send one request; redirects are not followed."""
        connection = HTTPConnection(self._host, self._port or 80, timeout=SECONDS)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        given = {"cookie": cookies, "accept-encoding": "gzip", **(headers or {})}
        if values is not None and not isinstance(values, bytes):
            given["content-type"] = "application/x-www-form-urlencoded"
            values = urlencode(values).encode()
        try:
            connection.request(method, path, values, given)
            answer = connection.getresponse()
            body = answer.read()
            is_compressed = answer.headers["content-encoding"] == "gzip"
            content = (gzip.decompress(body) if is_compressed else body).decode(errors="replace")
        finally:
            connection.close()
        for one in answer.headers.get_all("set-cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(one).items()}
        return Page(
            answer.status,
            path,
            {name.lower(): value for name, value in answer.headers.items()},
            content,
        )

    def leave(self, path: str) -> None:
        """Ask, and leave before anything is answered."""
        with socket.create_connection((self._host, self._port or 80), SECONDS) as leaving:
            leaving.sendall(
                f"GET {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\n\r\n".encode()
            )

    def _follow(self, page: Page) -> Page:
        for _ in range(MOST_REDIRECTS):
            if "location" not in page.headers:
                return page
            page = self.ask("GET", page.headers["location"])
        raise AssertionError(f"too many redirects, the last to {page.headers['location']}")


def query_of(link: str) -> dict[str, str]:
    """Return the query parameters of a link."""
    return dict(parse_qsl(urlsplit(link).query))


def _sent(form: Form, values: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return what a browser sends of a form with these values."""
    ticked = form.switches & {name for name, value in values.items() if value == "true"}
    return [
        *chain.from_iterable(
            [(one, "false")] * (one in ticked) + [(one, value)] for one, value in values.items()
        )
    ]


def log_in(server: Told, name: str) -> Browser:
    """Return a browser in which a person with our PASSWORD has logged in."""
    browser = Browser(server)
    browser.send(browser.get("/login").form("/login"), name=name, password=PASSWORD)
    return browser
