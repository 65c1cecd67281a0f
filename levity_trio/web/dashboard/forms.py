"""Forms: each endpoint that changes something has one, derived from its declaration, below /do.

`/do/post/admin/chargers/CP1/reset` is the form of `POST /api/admin/chargers/CP1/reset`. A POST to
it becomes that request. What the API refuses is shown at the field and at the top, with all that
was filled in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from levity_trio.billing.money import CURRENCIES
from levity_trio.config import ServerConfig
from levity_trio.locale import N_, _, language, speaking
from levity_trio.locale.texts import Reader, said
from levity_trio.records import record
from levity_trio.told import Told
from levity_trio.web.api.engine.bodies import StreamedBody
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.money.tariffs import TARIFFS
from levity_trio.web.api.people.users import USER, USERS
from levity_trio.web.api.site.messages import OWN, RECIPIENT
from levity_trio.web.dashboard.fields import (
    LABELS,
    LEAST_ROWS,
    MONEY,
    MORE_ROWS,
    QUERY,
    RARE,
    WHICH,
    FormField,
    WrongInput,
    body_of,
    every,
    fields_of,
    filled,
    in_order,
    last_name,
    leaves,
    query_of,
    texts,
    with_rows,
    with_twice,
)
from levity_trio.web.dashboard.money import in_currency
from levity_trio.web.dashboard.operations import CHARGER, page_of
from levity_trio.web.dashboard.page import PageView, currency_of_site, open_sessions
from levity_trio.web.dashboard.pages.review import count_part
from levity_trio.web.dashboard.refusals import ApiRefused, answered
from levity_trio.web.dashboard.renderer import Note, Renderer
from levity_trio.web.dashboard.shapes import minute, moment
from levity_trio.web.dashboard.suggestions import OPERATIONS, Suggestions, subject_of
from levity_trio.web.dashboard.tasks import MOVE_INS, TASKS, FormTask, onward, problems_of_rows
from levity_trio.web.dashboard.titles import OF_DRIVERS, TOPICS, done_of, help_of, title_of
from levity_trio.web.dashboard.words import capital, sentence
from levity_trio.web.drivers_address import drivers_address
from levity_trio.web.http.problems import MEDIA_TYPE as PROBLEM
from levity_trio.web.http.proxy_path import API
from levity_trio.web.in_process import Question, Reply, ask, hand_on
from levity_trio.web.logins.invitations import LETTER, LINK

BEFORE: Final = "before:"
"""The beginning of the names of hidden fields that hold what a field showed at first, so that only
changes are sent."""
FORM_VALUE, TARGET, NEXT, KEY, FILE, MORE = (
    *("form-value", "form-target", "next", "form-key", "file", "more-rows"),
)
PREVIEW: Final = "preview"
"""The name of the button that shows what a form would do."""
COURSE: Final = "?command={id}"
"""The end of the address where a form goes next: that page shows the course of the command that the
form made."""
FOREIGN: Final = N_(
    "this form is from another log-in or another site, so nothing was done. Send it again"
)
BACK: Final = "back"
"""The field of a form of a list: what somebody else has decided meanwhile is told on the page of
the list."""
LINE: Final = "line "
"""The beginning of the names of problems that are about a line of a file."""
MOST_LINES: Final = 50
DECIDED: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
SECRETS: Final = ("token", "password", "code", "secret", "invitation")
"""Members of an answer that are shown only once."""
TOPICS_OF_PUSH: Final = (f"{RECIPIENT}/topic", f"{OWN}/topic")
"""Their POST makes what is shown only once, with a page of its own."""
KEY_BYTES: Final = 12
FILE_BYTES: Final = 64 * 1024


@record(kw_only=False)
class FilledForm:
    """A form for one request, as its reader filled it in."""

    endpoint: Endpoint
    path: str
    """The path of the request of the API."""
    view: PageView
    renderer: Renderer

    @property
    def fields(self) -> tuple[FormField, ...]:
        """The fields, without those that an admin alone may fill in."""
        return fields_of(self.endpoint)

    @property
    def title(self) -> str:
        """What it does, in words of people."""
        return title_of(self.endpoint.method, self.endpoint.path)

    @property
    def help(self) -> str:
        """What to know before."""
        return help_of(self.endpoint.method, self.endpoint.path)

    @property
    def home(self) -> str:
        """The page of the charger that it is about, "" if it is about none."""
        return page_of(self.view.path["id"]) if self.endpoint.path.startswith(CHARGER) else ""

    @property
    def topic(self) -> str:
        """The topic of the manual that is about it, "" for none."""
        return (
            OF_DRIVERS
            if self.view.caller.role is Role.DRIVER
            else TOPICS.get(self.endpoint.group, "")
        )

    async def show(
        self,
        entered: Mapping[str, str],
        problems: Mapping[str, str],
        status: int = HTTPStatus.OK,
        foreseen: Mapping[str, Any] | None = None,
    ) -> Response:
        """Return the form with these values. `foreseen` is what sending it would do, if somebody
        asked."""
        problems = {name: capital(words) for name, words in problems.items()}
        values = {**await self._present(), **entered}
        offers = Suggestions(self.view, self.endpoint, self.renderer)
        around = await offers.circumstances()
        task = self.task
        spare, least = (MORE_ROWS, LEAST_ROWS) if task is None else (task.rows // 2, task.rows)
        rows = with_rows(self.fields, values, spare if MORE in entered else 0, least)
        fields = with_twice(
            await offers.fill(filled(rows, values, problems), values, around), self.renderer.zone
        )
        fields = fields if "currency" in problems else await self._with_usual_currency(fields)
        shown = {
            "foreseen": foreseen,
            "waiting": await count_part(self.view),
            "form": self,
            "around": around,
            "subject": await subject_of(self.view, self.endpoint),
            "fields": [one for one in fields if not one.name.startswith(QUERY)],
            "rare": RARE.get(self.endpoint.path, ()),
            "manner": [one for one in fields if one.name.startswith(QUERY)],
            "labels": {one.name.removeprefix(QUERY): one.label for one in every(fields)},
            "offered": {
                last_name(one.name): one.offered
                for one in leaves(fields)
                if one.offered and not one.is_listed
            },
            "problems": problems,
            "values": values,
            "is_file": isinstance(self.endpoint.body, StreamedBody),
            "next": path_of_ours(entered.get(NEXT, "")) or self.home,
            "key": entered.get(KEY) or token_hex(KEY_BYTES),
        }
        if task is None:
            return await self.renderer.page("form.html", self.view, shown, status=status)
        try:
            beside = await task.read(self.view, values)
        except ApiRefused as refused:
            return await self.renderer.refused(self.view, refused)
        return await self.renderer.page(
            task.template, self.view, {**shown, **beside}, status=status
        )

    async def _with_usual_currency(self, fields: tuple[FormField, ...]) -> tuple[FormField, ...]:
        """Return the fields without that of a currency, if the site has one already."""
        asked = [one for one in fields if one.name == "currency" and not one.is_required]
        has_one = (
            bool(asked)
            and self.view.may("GET", TARIFFS)
            and (await self.view.get(TARIFFS, limit=1))["data"]
        )
        return tuple(one for one in fields if one not in asked) if has_one else fields

    @property
    def task(self) -> FormTask | None:
        """What makes its page, if that is one of its own."""
        return TASKS.get((self.endpoint.method, self.endpoint.path))

    @property
    def target(self) -> str:
        """The path of the form below /do, each name in it quoted: chargers choose what tags are
        called."""
        names = {name: quote(value, safe="") for name, value in self.view.path.items()}
        below = self.endpoint.path.removeprefix(API).format(**names)
        return f"{self.endpoint.method.lower()}{below}"

    def is_meant(self, content: FormData) -> bool:
        """Whether a form arrived where its page sent it. Browsers and proxies resolve `..` in a
        path."""
        meant = content.get(TARGET)
        return meant is None or unquote(str(meant)) == unquote(self.target)

    async def _present(self) -> Mapping[str, str]:
        """Return what is to be changed, as the form shows it."""
        if self.task is not None and self.task.present is not None:
            return await self.task.present(self.view)
        present = self.view.api.endpoints.get(("GET", self.endpoint.path))
        is_shown = self.endpoint.method in ("PUT", "PATCH") and not isinstance(
            self.endpoint.body, StreamedBody
        )
        if present is None or not is_shown:
            return {}
        try:
            content = await self.view.get(self.path)
        except ApiRefused:
            return {}
        return texts(self.fields, content, self.renderer.zone)

    async def send(self, form: FormData, below: str = "") -> Reply:
        """Send the request, or the one below it. Raises WrongInput."""
        entered = given_in(form)
        question = Question(
            method=self.endpoint.method,
            path=f"{self.path}{below}",
            query=query_of(self.fields, entered),
            headers={
                "prefer": "respond-async",
                "idempotency-key": entered.get(KEY) or token_hex(KEY_BYTES),
            },
            **await self._body(form, entered),
        )
        return await ask(self.view.api.app, self.view.caller, question)

    async def _body(self, form: FormData, entered: Mapping[str, str]) -> dict[str, Any]:
        if self.endpoint.body is None:
            return {}
        if isinstance(self.endpoint.body, StreamedBody):
            return {"receive": _receive(form.get(FILE))}
        fields = with_rows(self.fields, entered)
        given = in_order(
            fields, {**_choices_in(entered), **self._changed(entered)}, self.renderer.zone
        )
        made = body_of(fields, given, self.renderer.zone, await self._currency(entered))
        return {"body": orjson.dumps(made | self._emptied(entered))}

    async def _currency(self, entered: Mapping[str, str]) -> str:
        """Return the currency in which money was typed: the one that was chosen, else that of the
        site."""
        if entered.get("currency") in CURRENCIES or all(
            one.kind != MONEY for one in leaves(self.fields)
        ):
            return entered.get("currency", "")
        return await currency_of_site(self.view)

    async def problem_of(self, refused: ApiRefused, entered: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong, by the name of its field, in the unit in which that is typed."""
        fields = with_rows(self.fields, entered)
        field = next(
            (one for one in every(fields) if one.name.removeprefix(QUERY) == refused.field), None
        )
        if field is None:
            return {"": refused.labelled}
        words = refused.told
        if field.kind == MONEY and isinstance(words, Told):
            words = in_currency(words, await self._currency(entered))
        return {refused.field: self.told(words)}

    def told(self, words: str) -> str:
        """Return what the API says about a field, with its figures and times as people write
        them."""
        return said(words, Reader(self.renderer.zone, self.renderer.api.now()))

    def _changed(self, entered: Mapping[str, str]) -> Mapping[str, str]:
        """Return what is sent: of a PATCH and of a task only what differs from what the form showed
        at first."""
        if self.endpoint.method != "PATCH" and (self.task is None or self.task.present is None):
            return entered
        return {name: text for name, text in entered.items() if self._is_changed(name, entered)}

    @staticmethod
    def _is_changed(name: str, entered: Mapping[str, str]) -> bool:
        names = (name, f"{name}{WHICH}")
        return any(
            entered.get(one, "").strip() != entered.get(BEFORE + one, "").strip() for one in names
        )

    def _emptied(self, entered: Mapping[str, str]) -> dict[str, None]:
        """Return the fields that a PATCH empties."""
        if self.endpoint.method != "PATCH":
            return {}
        names = [one.name for one in leaves(self.fields) if not one.name.startswith(QUERY)]
        return {
            name: None
            for name in names
            if not entered.get(name, "").strip() and entered.get(BEFORE + name, "")
        }


def _choices_in(entered: Mapping[str, str]) -> dict[str, str]:
    """Return which of two equal times is meant, by the names of these choices."""
    return {name: text for name, text in entered.items() if name.endswith(WHICH)}


def given_in(form: FormData) -> dict[str, str]:
    """Return the fields that were filled in; several boxes of one name are lines of one field.

    A box for yes or no that is ticked follows the hidden field that says no.
    """
    given: dict[str, str] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            is_ticked = (given.get(name), value) == ("false", "true")
            given[name] = f"{given[name]}\n{value}" if name in given and not is_ticked else value
    return given


async def perform(form: FilledForm, request: Request) -> Response:
    """Serve a form, or what was filled in."""
    if form.view.caller.role < form.endpoint.role:
        return await form.renderer.forbidden(form.view, form.endpoint.role)
    if request.method != "POST":
        return await form.show(dict(request.query_params), {})
    if not form.renderer.mount.is_own_origin(request):  # before a file is read
        return await form.show({}, {"": _(FOREIGN)}, HTTPStatus.FORBIDDEN)
    content = await request.form()
    if not form.renderer.is_own_form(
        request, given_in(content).get(FORM_VALUE, "")
    ) or not form.is_meant(content):
        return await form.show(_without_value(content), {"": _(FOREIGN)}, HTTPStatus.FORBIDDEN)
    if MORE in content:
        return await form.show(_without_value(content), {})
    return await _send(form, request, content)


async def _send(form: FilledForm, request: Request, content: FormData) -> Response:
    """Send what was filled in, and return what follows."""
    try:
        if form.task is not None and form.task.preview and PREVIEW in content:
            foreseen = answered(await form.send(content, form.task.preview))
            return await form.show(_without_value(content), {}, foreseen=foreseen)
        reply = await form.send(content)
        return await _after(form, request, content, reply)
    except WrongInput as error:
        return await form.show(
            _without_value(content), {error.name: str(error)}, HTTPStatus.UNPROCESSABLE_ENTITY
        )
    except ApiRefused as found:
        refused = await explained(form.view, form.endpoint, found)
        if content.get(BACK) and refused.status in DECIDED and PREVIEW not in content:
            return _back(form, request, content, refused)
        if next_of(content).endswith(COURSE):
            form.renderer.leave_notes(request, [Note("problem", refused.sentence)])
            return RedirectResponse(
                form.renderer.base + next_of(content).removesuffix(COURSE), HTTPStatus.SEE_OTHER
            )
        return await form.show(
            _without_value(content), await _problems(form, refused, content), refused.status
        )


async def _problems(form: FilledForm, refused: ApiRefused, content: FormData) -> dict[str, str]:
    """Return what is wrong, by the names of fields; of a file, by its lines."""
    if cells := problems_of_rows(refused.document, given_in(content)):
        return {name: form.told(words) for name, words in cells.items()}
    lines = refused.document.get("lines", ())[:MOST_LINES]
    if not lines:
        return await form.problem_of(refused, given_in(content))
    return {"": refused.words} | {
        f"{LINE}{one['line']}, {one['field']}": form.told(one["detail"]) for one in lines
    }


def _back(form: FilledForm, request: Request, content: FormData, refused: ApiRefused) -> Response:
    """Return to the page of the form, which shows what holds now."""
    said = sentence(refused.words)
    words = (
        said
        if refused.code in EXPLAINED
        else _("Somebody has decided this already. %(said)s", said=said)
    )
    form.renderer.leave_notes(
        request, [Note("problem", _("Nothing was done. %(words)s", words=words))]
    )
    return RedirectResponse(form.renderer.base + next_of(content), HTTPStatus.SEE_OTHER)


def _without_value(content: FormData) -> dict[str, str]:
    return {
        name: text for name, text in given_in(content).items() if name not in (FORM_VALUE, TARGET)
    }


async def _after(form: FilledForm, request: Request, content: FormData, reply: Reply) -> Response:
    """Return what follows a request that was done: its answer, if it must be seen, else the page
    before."""
    if "json" not in reply.headers.get("content-type", "json"):
        return Response(reply.body, reply.status, reply.headers)
    answer = answered(reply)
    if (
        handed := await _handed_out(form.view, form.endpoint, answer, form.renderer.api.config)
    ) is not None:
        return await _hand(form, handed, onward(next_of(content, form.home), answer))
    if form.endpoint.path in TOPICS_OF_PUSH and answer is not None:
        return await form.renderer.page(
            "topic.html", form.view, {"made": answer, "next": next_of(content, form.home)}
        )
    if isinstance(form.endpoint.body, StreamedBody) or (
        isinstance(answer, dict) and any(answer.get(name) for name in SECRETS)
    ):
        return await form.renderer.page(
            "result.html",
            form.view,
            {"form": form, "answer": answer, "next": next_of(content, form.home)},
        )
    if (
        course := _course(content, answer)
    ) is not None:  # which says it all, what the charger answered, too
        return RedirectResponse(form.renderer.base + course, HTTPStatus.SEE_OTHER)
    warnings = answer.get("warnings", []) if isinstance(answer, dict) else []
    told = [Note("warning", sentence(said(one))) for one in warnings]
    form.renderer.leave_notes(request, [await _done(form, reply), *told])
    return RedirectResponse(
        form.renderer.base + onward(next_of(content, form.home), answer), HTTPStatus.SEE_OTHER
    )


async def _hand(form: FilledForm, handed: Mapping[str, Any], following: str) -> Response:
    """Return the page with a code, which is shown once; a letter is in the language of its
    household."""
    shown = {**handed, "next": following}
    if handed["invitation"]["kind"] != LETTER or not handed["rows"]:
        return await form.renderer.page(INVITED, form.view, shown)
    account = await form.view.get(f"/api/admin/accounts/{handed['user']['account']}")
    with speaking(account["language"] or language()):
        of_household = {"household": account["name"], "address": account["address"] or ""}
        return await form.renderer.page("letter.html", form.view, shown | of_household)


def _course(content: FormData, answer: Any) -> str | None:
    """Return the page that shows the course of the command that was made, None if none is to."""
    following, is_made = (
        next_of(content),
        isinstance(answer, dict) and isinstance(answer.get("id"), int),
    )
    return (
        following.removesuffix(COURSE) + COURSE.format(**answer)
        if is_made and following.endswith(COURSE)
        else None
    )


async def _done(form: FilledForm, reply: Reply) -> Note:
    """Return what came of a request. What a charger is asked waits while that is away."""
    if reply.status == HTTPStatus.ACCEPTED and form.view.caller.role is Role.DRIVER:
        return Note("done", _("Sent: %(title)s", title=form.title))
    if reply.status == HTTPStatus.ACCEPTED:
        charger = await form.view.get(f"/api/admin/chargers/{reply.content['charger']}")
        said = partial(minute, now=form.renderer.api.now(), zone=form.renderer.zone)
        return _under_way(form.title, charger, reply.content, said)
    values = {**form.view.path, **(reply.content or {})}
    if "has_push" in values and not (values["mail"] or values["has_push"]):
        return Note(
            "warning",
            _("Saved, but no message arrives yet: give an address, or make a code for push"),
        )
    return Note(
        "done",
        done_of(form.endpoint.method, form.endpoint.path, values)
        or _("Done: %(title)s", title=form.title),
    )


def next_of(content: FormData, home: str = "") -> str:
    """Return where to go next: where the form says, else home, else to the start."""
    return path_of_ours(str(content.get(NEXT) or "")) or home or "/"


def path_of_ours(wanted: str) -> str:
    """Return a path below this dashboard, "" for one that would lead to another site."""
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_ours and wanted.isprintable() else ""


def _receive(upload: UploadFile | str | None) -> Receive:
    """Return what yields an uploaded file, or the text of a field instead of one."""

    async def parts() -> AsyncIterator[Message]:
        if isinstance(upload, UploadFile):
            while part := await upload.read(FILE_BYTES):
                yield {"type": "http.request", "body": part, "more_body": True}
        elif upload:
            yield {"type": "http.request", "body": upload.encode(), "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    iterator = parts()
    return iterator.__anext__


async def download(renderer: Renderer, view: PageView, path: str, request: Request) -> Response:
    """Return a file that the API answers a GET with; the page of a problem where it refuses."""
    question = Question(
        method="GET",
        path=path,
        query=dict(request.query_params),
        headers={"accept": request.headers.get("accept", "*/*")},
    )
    return _HandedOn(renderer, view, question)


class _HandedOn(Response):
    """A response that the API sends itself, unless it refuses."""

    def __init__(self, renderer: Renderer, view: PageView, question: Question) -> None:
        super().__init__()
        self._renderer = renderer
        self._view = view
        self._question = question

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # with these, it ends when its client leaves
        question = replace(self._question, receive=receive, asgi=scope["asgi"])
        problem = Reply()

        async def pass_on(message: Message) -> None:
            if problem.status or _begins_problem(message):
                await problem.take(message)
            else:
                await send(message)

        await hand_on(self._view.api.app, self._view.caller, question, pass_on)
        if problem.status:
            page = await self._renderer.refused(
                self._view, ApiRefused(problem.status, orjson.loads(problem.body))
            )
            await page(scope, receive, send)


def _begins_problem(message: Message) -> bool:
    """Whether a part of a response is the beginning of a problem document."""
    return (
        message["type"] == "http.response.start"
        and Headers(raw=message["headers"]).get("content-type") == PROBLEM
    )


# What follows


def _under_way(
    title: str,
    charger: Mapping[str, Any],
    command: Mapping[str, Any],
    said: Callable[[datetime], str],
) -> Note:
    """Return how far a command is: what a charger is asked that is away was not sent, it waits."""
    name = charger["name"] or charger["id"]
    if charger["is_connected"] or command["state"] != "queued":
        return Note(
            "done",
            _("Sent to %(name)s: %(title)s. Its course stands below", name=name, title=title),
        )
    words = _("Waits for %(name)s, which is away: %(title)s", name=name, title=title)
    if command["deadline_at"]:
        words = _(
            "%(words)s, until %(time)s", words=words, time=said(moment(command["deadline_at"]))
        )
    return Note("warning", words)


NEEDS_FORCE, CHANGED, NOT_CONNECTED = "needs_force", "changed", "not_connected"
EXPLAINED: Final = frozenset({NEEDS_FORCE, CHANGED, NOT_CONNECTED})
"""Codes of problems whose words say all."""
AWAY: Final = N_(
    "the charger is not connected, so nothing was sent: say how long this may wait for it"
)
LOOK_AGAIN: Final = N_("this session has changed since you looked: look again")
OF_SESSIONS: Final = tuple(f"/api/admin/{one}/" for one in ("transactions", "reviews", "set-aside"))


async def explained(view: PageView, endpoint: Endpoint, refused: ApiRefused) -> ApiRefused:
    """Return a refused request to an endpoint as a person understands it."""
    words = await _explanation(view, endpoint, refused)
    return (
        refused
        if words is None
        else ApiRefused(refused.status, {**refused.document, "detail": words})
    )


async def _explanation(view: PageView, endpoint: Endpoint, refused: ApiRefused) -> str | None:
    """Return other words than those of the API, None where these will do."""
    if refused.code == NEEDS_FORCE and "id" in view.path:
        return await _interrupts(view, refused)
    if refused.code == CHANGED and endpoint.path.startswith(OF_SESSIONS):
        return _(LOOK_AGAIN)
    may_wait = refused.code == NOT_CONNECTED and endpoint.group == OPERATIONS
    return _(AWAY) if may_wait else None


async def _interrupts(view: PageView, refused: ApiRefused) -> str:
    """Return whose sessions are in the way, and what to do about it."""
    ids = refused.document.get("transactions", ())
    names = [
        one.who or "" for one in await view.look(open_sessions, view.path["id"]) if one.id in ids
    ]
    words = _are_charging(names) if names else _("a session is open here: stop it first")
    if view.caller.role < Role.ADMIN:
        return words
    return _("%(words)s, or tick “%(force)s”", words=words, force=_(LABELS["force"]))


def _are_charging(names: Sequence[str]) -> str:
    *others, last = names
    if not others:
        return _("%(who)s is charging here: stop that session first", who=last)
    words = N_("%(others)s and %(last)s are charging here: stop those sessions first")
    return _(words, others=", ".join(others), last=last)


DRIVER: Final = "driver"
WELCOME: Final = "/welcome"
"""The page that takes codes."""
INVITED: Final = "invited.html"


async def _handed_out(
    view: PageView, endpoint: Endpoint, answer: Any, config: ServerConfig
) -> Mapping[str, Any] | None:
    """Return what the page of a new code shows, None unless it is a driver's."""
    made = _invitation(endpoint, answer)
    address = drivers_address(config)
    if made is None or address is None:
        return None
    user = await view.get(f"{USERS}/{made['user']}")
    if user["role"] != DRIVER:
        return None
    page = {
        "user": user,
        "invitation": made,
        "url": None,
        "rows": None,
        "welcome": f"{address}{WELCOME}",
    }
    if made["kind"] not in (LINK, LETTER) or made["is_local"]:
        return page
    from levity_trio.documents.qr import text_code  # noqa: PLC0415 - its library takes memory, and is needed only here

    url = f"{address}{WELCOME}#{made['code']}"
    return {**page, "url": url, "rows": text_code(url)}


def _invitation(endpoint: Endpoint, answer: Any) -> Mapping[str, Any] | None:
    if endpoint.status != HTTPStatus.CREATED:
        return None
    of_answer = dict.fromkeys((USERS, MOVE_INS), lambda: answer["invitation"])
    found: Any = {**of_answer, f"{USER}/invitations": lambda: answer}.get(endpoint.path)
    return None if found is None else found()
