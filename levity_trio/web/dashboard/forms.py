"""Forms: each endpoint that changes something has one, derived from its declaration, below /do.

`/do/post/admin/chargers/CP1/reset` is the form of `POST /api/admin/chargers/CP1/reset`. A POST to
it becomes that request. What the API refuses is shown at the field and at the top, with all that
was filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from levity_trio.locale import N_, _, language, speaking
from levity_trio.locale.texts import Reader, said
from levity_trio.records import record
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import Endpoint, Role, StreamedBody
from levity_trio.web.api.money.tariffs import TARIFFS
from levity_trio.web.api.people.users import USER, USERS
from levity_trio.web.api.site.messages import OWN, RECIPIENT, TEST
from levity_trio.web.api.site.receivers import BACKEND
from levity_trio.web.dashboard.fields import (
    LEAST_ROWS,
    LISTED_IN_LINES,
    MONEY,
    MORE_ROWS,
    QUERY,
    RARE,
    WHICH,
    FormField,
    Suggestion,
    WrongInput,
    body_of,
    every,
    fields_of,
    filled,
    in_order,
    label_of,
    last_name,
    leaves,
    query_of,
    texts,
    with_rows,
    with_twice,
)
from levity_trio.web.dashboard.money import in_currency
from levity_trio.web.dashboard.operations import CHARGER, page_of
from levity_trio.web.dashboard.page import (
    ApiRefused,
    PageView,
    answered,
    currency_of_site,
    open_sessions,
)
from levity_trio.web.dashboard.pages import section_of
from levity_trio.web.dashboard.pages.review import count_part
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
FORM_VALUE, TARGET, NEXT = "form-value", "form-target", "next"
KEY, FILE, MORE = "form-key", "file", "more-rows"
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
        if not self.endpoint.path.startswith(CHARGER):
            return ""
        return page_of(self.view.path["id"])

    @property
    def topic(self) -> str:
        """The topic of the manual that is about it, "" for none."""
        if self.view.caller.role is Role.DRIVER:
            return OF_DRIVERS
        return TOPICS.get(self.endpoint.group, "")

    @property
    def task(self) -> FormTask | None:
        """What makes its page, if that is one of its own."""
        return TASKS.get((self.endpoint.method, self.endpoint.path))

    @property
    def sends_changes(self) -> bool:
        """Whether only what differs from what it showed at first is sent: null for what was
        emptied."""
        has_present = self.task is not None and self.task.present is not None
        return self.endpoint.method == "PATCH" or has_present

    @property
    def target(self) -> str:
        """The path of the form below /do, each name in it quoted: chargers choose what tags are
        called."""
        names = {name: quote(value, safe="") for name, value in self.view.path.items()}
        below = self.endpoint.path.removeprefix(API).format(**names)
        return f"{self.endpoint.method.lower()}{below}"

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
        suggestions = Suggestions(self.view, self.endpoint, self.renderer)
        around = await suggestions.circumstances()

        task = self.task
        spare, least = MORE_ROWS, LEAST_ROWS
        if task is not None:
            spare, least = task.rows // 2, task.rows
        rows = with_rows(self.fields, values, spare if MORE in entered else 0, least)
        fields = await suggestions.fill(filled(rows, values, problems), values, around)
        fields = with_twice(fields, self.renderer.zone)
        if "currency" not in problems:
            fields = await self._with_usual_currency(fields)

        offered: dict[str, tuple[Suggestion, ...]] = {}
        for field in leaves(fields):
            if field.offered and not field.is_listed:
                offered[last_name(field.name)] = field.offered
        shown: dict[str, Any] = {
            "foreseen": foreseen,
            "waiting": await count_part(self.view),
            "form": self,
            "around": around,
            "subject": await subject_of(self.view, self.endpoint),
            "fields": [field for field in fields if not field.name.startswith(QUERY)],
            "rare": RARE.get(self.endpoint.path, ()),
            "manner": [field for field in fields if field.name.startswith(QUERY)],
            "labels": {field.name.removeprefix(QUERY): field.label for field in every(fields)},
            "offered": offered,
            "problems": problems,
            "values": values,
            "is_file": isinstance(self.endpoint.body, StreamedBody),
            "next": path_of_ours(entered.get(NEXT, "")) or self.home,
            "key": entered.get(KEY) or token_hex(KEY_BYTES),
        }
        template = "form.html"
        if task is not None:
            template = task.template
            try:
                shown |= await task.read(self.view, values)
            except ApiRefused as refused:
                return await self.renderer.refused(self.view, refused)
        return await self.page(template, shown, status)

    async def page(
        self, template: str, shown: Mapping[str, Any], status: int = HTTPStatus.OK
    ) -> Response:
        """Return a page of the form, in the section where it goes next, or that it is about."""
        _root, _api, _admin, room, *_rest = [*self.path.split("/"), ""]
        section = section_of(self.view.caller.role, shown["next"], f"/{room}")
        return await self.renderer.page(
            template, self.view, {"section": section, **shown}, status=status
        )

    async def _present(self) -> Mapping[str, str]:
        """Return what is to be changed, as the form shows it."""
        if self.task is not None and self.task.present is not None:
            return await self.task.present(self.view)
        if self.endpoint.method not in ("PUT", "PATCH"):
            return {}
        if isinstance(self.endpoint.body, StreamedBody):
            return {}
        if ("GET", self.endpoint.path) not in self.view.api.endpoints:
            return {}
        try:
            content = await self.view.get(self.path)
        except ApiRefused:
            return {}
        return texts(self.fields, content, self.renderer.zone)

    async def _with_usual_currency(self, fields: tuple[FormField, ...]) -> tuple[FormField, ...]:
        """Return the fields without that of a currency, if the site has one already."""
        others = tuple(field for field in fields if field.name != "currency" or field.is_required)
        if len(others) == len(fields) or not self.view.may("GET", TARIFFS):
            return fields
        tariffs = await self.view.get(TARIFFS, limit=1)
        return others if tariffs["data"] else fields

    def is_meant(self, content: FormData) -> bool:
        """Whether a form arrived where its page sent it. Browsers and proxies resolve `..` in a
        path."""
        meant = content.get(TARGET)
        return meant is None or unquote(str(meant)) == unquote(self.target)

    async def send(self, form: FormData, below: str = "") -> Reply:
        """Send the request, or the one below it. Raises WrongInput."""
        entered = given_in(form)
        if self.task is not None:
            entered = dict(self.task.meant(entered))
        headers = {
            "prefer": "respond-async",
            "idempotency-key": entered.get(KEY) or token_hex(KEY_BYTES),
        }
        question = Question(
            method=self.endpoint.method,
            path=f"{self.path}{below}",
            query=query_of(self.fields, entered),
            headers=headers,
            **await self._body(form, entered),
        )
        return await ask(self.view.api.app, self.view.caller, question)

    async def _body(self, form: FormData, entered: Mapping[str, str]) -> dict[str, Any]:
        """Return what the request has as its body. Raises WrongInput."""
        if self.endpoint.body is None:
            return {}
        if isinstance(self.endpoint.body, StreamedBody):
            return {"receive": _receive(form.get(FILE))}

        # Which of two equal times is meant always goes along.
        changed = entered
        if self.sends_changes:
            changed = {
                name: text
                for name, text in entered.items()
                if name.endswith(WHICH)
                or _is_changed(entered, name)
                or _is_changed(entered, f"{name}{WHICH}")
            }
        fields = with_rows(self.fields, entered)
        zone = self.renderer.zone
        currency = await self._currency(entered)
        body = body_of(fields, in_order(fields, changed, zone), zone, currency)

        # What is left empty is left out: a field that a change empties is null instead, and a list
        # has nothing in it.
        if self.sends_changes:
            for field in leaves(self.fields):
                is_emptied = not entered.get(field.name, "").strip()
                if is_emptied and entered.get(BEFORE + field.name) and field.name[:1] != QUERY:
                    body[field.name] = [] if field.kind in LISTED_IN_LINES else None
        return {"body": orjson.dumps(body)}

    async def _currency(self, entered: Mapping[str, str]) -> str:
        """Return the currency in which money was typed: the one that was chosen, else that of the
        site."""
        chosen = entered.get("currency", "")
        has_money = any(field.kind == MONEY for field in leaves(self.fields))
        if chosen in CURRENCIES or not has_money:
            return chosen
        return await currency_of_site(self.view)

    async def problem_of(self, refused: ApiRefused, entered: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong, by the name of its field, in the unit in which that is typed."""
        kinds: dict[str, str] = {}
        for field in every(with_rows(self.fields, entered)):
            kinds.setdefault(field.name.removeprefix(QUERY), field.kind)
        if refused.field not in kinds:
            return {"": refused.labelled}
        words = refused.told
        if kinds[refused.field] == MONEY and isinstance(words, Told):
            words = in_currency(words, await self._currency(entered))
        return {refused.field: self.told(words)}

    def told(self, words: str) -> str:
        """Return what the API says about a field, with its figures and times as people write
        them."""
        now = self.renderer.api.now()
        return said(words, Reader(self.renderer.zone, now))


def _is_changed(entered: Mapping[str, str], name: str) -> bool:
    """Whether a field holds something else than what the form showed at first."""
    before = entered.get(BEFORE + name, "")
    return entered.get(name, "").strip() != before.strip()


def given_in(form: FormData) -> dict[str, str]:
    """Return the fields that were filled in; several boxes of one name are lines of one field.

    A box for yes or no that is ticked follows the hidden field that says no.
    """
    given: dict[str, str] = {}
    for name, value in form.multi_items():
        if not isinstance(value, str):
            continue
        is_ticked = (given.get(name), value) == ("false", "true")
        if name in given and not is_ticked:
            given[name] += f"\n{value}"
        else:
            given[name] = value
    return given


def _receive(upload: UploadFile | str | None) -> Receive:
    """Return what yields an uploaded file, or the text of a field instead of one."""
    text = upload if isinstance(upload, str) else ""

    async def receive() -> Message:
        nonlocal text
        part, text = text.encode(), ""
        if isinstance(upload, UploadFile):
            part = await upload.read(FILE_BYTES)
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    return receive


# A form is sent


async def perform(form: FilledForm, request: Request) -> Response:
    """Serve a form, or what was filled in."""
    if form.view.caller.role < form.endpoint.role:
        return await form.renderer.forbidden(form.view, form.endpoint.role)
    if request.method != "POST":
        return await form.show(dict(request.query_params), {})

    # What another site sends is refused before its files are read.
    foreign = {"": _(FOREIGN)}
    if not form.renderer.mount.is_own_origin(request):
        return await form.show({}, foreign, HTTPStatus.FORBIDDEN)
    async with request.form() as content:
        entered = given_in(content)
        form_value = entered.pop(FORM_VALUE, "")
        entered.pop(TARGET, None)
        if not form.renderer.is_own_form(request, form_value) or not form.is_meant(content):
            return await form.show(entered, foreign, HTTPStatus.FORBIDDEN)
        if MORE in content:
            return await form.show(entered, {})
        return await _send(form, request, content, entered)


async def _send(
    form: FilledForm, request: Request, content: FormData, entered: Mapping[str, str]
) -> Response:
    """Send what was filled in, and return what follows."""
    is_preview = PREVIEW in content
    try:
        if is_preview and form.task is not None and form.task.preview:
            foreseen = answered(await form.send(content, form.task.preview))
            return await form.show(entered, {}, foreseen=foreseen)
        reply = await form.send(content)
        return await _after(form, request, content, reply)
    except WrongInput as error:
        problems = {error.name: str(error)}
        return await form.show(entered, problems, HTTPStatus.UNPROCESSABLE_ENTITY)
    except ApiRefused as error:
        refused = await explained(form.view, form.endpoint, error)

    # The page of a list shows what holds now, which is not what the form was about any more.
    following = next_of(content)
    if content.get(BACK) and refused.status in DECIDED and not is_preview:
        words = sentence(refused.words)
        if refused.code not in EXPLAINED:
            words = _("Somebody has decided this already. %(said)s", said=words)
        note = Note("problem", _("Nothing was done. %(words)s", words=words))
        return _go_on(form, request, following, [note])

    # The page that would show what comes of it has the button, too: it says what is wrong.
    if following.endswith(COURSE) or (form.endpoint.path == TEST and content.get(NEXT)):
        note = Note("problem", refused.sentence)
        return _go_on(form, request, following.removesuffix(COURSE), [note])
    return await form.show(entered, await _problems(form, refused, entered), refused.status)


async def _problems(
    form: FilledForm, refused: ApiRefused, entered: Mapping[str, str]
) -> dict[str, str]:
    """Return what is wrong, by the names of fields; of a file, by its lines."""
    cells = problems_of_rows(refused.document, entered)
    if cells:
        return {name: form.told(words) for name, words in cells.items()}
    lines = refused.document.get("lines", ())
    if not lines:
        return await form.problem_of(refused, entered)
    problems = {"": refused.words}
    for line in lines[:MOST_LINES]:
        problems[f"{LINE}{line['line']}, {line['field']}"] = form.told(line["detail"])
    return problems


async def _after(form: FilledForm, request: Request, content: FormData, reply: Reply) -> Response:
    """Return what follows a request that was done: its answer, if it must be seen, else the page
    before."""
    if "json" not in reply.headers.get("content-type", "json"):
        return Response(reply.body, reply.status, reply.headers)
    answer = answered(reply)
    members = answer if isinstance(answer, dict) else {}
    following = next_of(content, form.home)

    # What is shown only once has a page of its own.
    invitation = await _invitation(form, answer)
    if invitation is not None:
        return await _hand_out(form, invitation, onward(following, answer))
    if form.endpoint.path in TOPICS_OF_PUSH and answer is not None:
        return await form.page("topic.html", {"made": answer, "next": following})
    has_secret = any(members.get(name) for name in SECRETS)
    if has_secret or isinstance(form.endpoint.body, StreamedBody):
        result = {"form": form, "answer": answer, "next": following}
        template = "result.html" if form.task is None else form.task.result
        return await form.page(template, result)

    # The course of a command says it all, what the charger answered, too.
    if following.endswith(COURSE) and isinstance(members.get("id"), int):
        course = following.removesuffix(COURSE) + COURSE.format(**members)
        return _go_on(form, request, course, [])
    if form.endpoint.path == f"{BACKEND}/test":
        notes = [_tested(**one) for one in answer]
    elif members.get("kept"):
        notes = [Note("warning", sentence(said(members["words"])))]
    else:
        notes = [await _done(form, reply)]
    warnings = members.get("warnings", [])
    notes += [Note("warning", sentence(said(warning))) for warning in warnings]
    return _go_on(form, request, onward(following, answer), notes)


def _go_on(form: FilledForm, request: Request, path: str, notes: Sequence[Note]) -> Response:
    """Return what leads to another page, which shows notes."""
    if notes:
        form.renderer.leave_notes(request, notes)
    return RedirectResponse(form.renderer.base + path, HTTPStatus.SEE_OTHER)


def _tested(charger: str, problem: str | None, **_others: object) -> Note:
    """Return what came of the test of a charger's connection to a backend."""
    if problem is None:
        return Note("done", _("%(charger)s is connected", charger=charger))
    return Note("problem", f"{charger}: {said(problem)}")


async def _done(form: FilledForm, reply: Reply) -> Note:
    """Return what came of a request. What a charger is asked waits while that is away."""
    title = form.title
    if reply.status != HTTPStatus.ACCEPTED:
        values = {**form.view.path, **(reply.content or {})}
        if "has_push" in values and not (values["mail"] or values["has_push"]):
            words = _("Saved, but no message arrives yet: give an address, or make a code for push")
            return Note("warning", words)
        if form.endpoint.path == TEST:
            return Note("done", sentence(said(values["words"])))
        done = done_of(form.endpoint.method, form.endpoint.path, values)
        return Note("done", done or _("Done: %(title)s", title=title))
    if form.view.caller.role is Role.DRIVER:
        return Note("done", _("Sent: %(title)s", title=title))

    command = reply.content
    charger = await form.view.get(f"/api/admin/chargers/{command['charger']}")
    name = charger["name"] or charger["id"]
    if charger["is_connected"] or command["state"] != "queued":
        words = N_("Sent to %(name)s: %(title)s. Its course stands below")
        return Note("done", _(words, name=name, title=title))
    words = _("Waits for %(name)s, which is away: %(title)s", name=name, title=title)
    if command["deadline_at"]:
        deadline = moment(command["deadline_at"])
        time = minute(deadline, form.renderer.api.now(), form.renderer.zone)
        words = _("%(words)s, until %(time)s", words=words, time=time)
    return Note("warning", words)


def next_of(content: FormData, home: str = "") -> str:
    """Return where to go next: where the form says, else home, else to the start."""
    return path_of_ours(str(content.get(NEXT) or "")) or home or "/"


def path_of_ours(wanted: str) -> str:
    """Return a path below this dashboard, "" for one that would lead to another site."""
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_ours and wanted.isprintable() else ""


# Files


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
        # With these, it ends when its client leaves.
        question = replace(self._question, receive=receive, asgi=scope["asgi"])
        problem = Reply()

        async def pass_on(message: Message) -> None:
            is_problem = bool(problem.status)
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                is_problem = headers.get("content-type") == PROBLEM
            if is_problem:
                await problem.take(message)
            else:
                await send(message)

        await hand_on(self._view.api.app, self._view.caller, question, pass_on)
        if problem.status:
            refused = ApiRefused(problem.status, orjson.loads(problem.body))
            page = await self._renderer.refused(self._view, refused)
            await page(scope, receive, send)


# What the API refuses


NEEDS_FORCE, CHANGED, NOT_CONNECTED = "needs_force", "changed", "not_connected"
EXPLAINED: Final = frozenset({NEEDS_FORCE, CHANGED, NOT_CONNECTED})
"""Codes of problems whose words say all."""
AWAY: Final = N_(
    "the charger is not connected, so nothing was sent: say how long this may wait for it"
)
LOOK_AGAIN: Final = N_("this session has changed since you looked: look again")
OF_SESSIONS: Final = ("/api/admin/transactions/", "/api/admin/reviews/", "/api/admin/set-aside/")


async def explained(view: PageView, endpoint: Endpoint, refused: ApiRefused) -> ApiRefused:
    """Return a refused request to an endpoint as a person understands it."""
    if refused.code == NEEDS_FORCE and "id" in view.path:
        words = await _interrupts(view, refused)
    elif refused.code == CHANGED and endpoint.path.startswith(OF_SESSIONS):
        words = _(LOOK_AGAIN)
    elif refused.code == NOT_CONNECTED and endpoint.group == OPERATIONS:
        words = _(AWAY)
    else:
        return refused
    return ApiRefused(refused.status, {**refused.document, "detail": words})


async def _interrupts(view: PageView, refused: ApiRefused) -> str:
    """Return whose sessions are in the way, and what to do about it."""
    ids = refused.document.get("transactions", ())
    sessions = await view.look(open_sessions, view.path["id"])
    names = [session.who or "" for session in sessions if session.id in ids]
    if not names:
        words = _("a session is open here: stop it first")
    elif len(names) == 1:
        words = _("%(who)s is charging here: stop that session first", who=names[0])
    else:
        several = N_("%(others)s and %(last)s are charging here: stop those sessions first")
        words = _(several, others=", ".join(names[:-1]), last=names[-1])
    if view.caller.role < Role.ADMIN:
        return words
    return _("%(words)s, or tick “%(force)s”", words=words, force=label_of("force"))


# Invitations of drivers


DRIVER: Final = "driver"
WELCOME: Final = "/welcome"
"""The page that takes codes."""


async def _invitation(form: FilledForm, answer: Any) -> Mapping[str, Any] | None:
    """Return what the page of a new code shows, None unless it is a driver's."""
    if form.endpoint.status != HTTPStatus.CREATED:
        return None
    if form.endpoint.path in (USERS, MOVE_INS):
        made = answer["invitation"]
    elif form.endpoint.path == f"{USER}/invitations":
        made = answer
    else:
        return None
    address = drivers_address(form.renderer.api.config)
    if made is None or address is None:
        return None
    user = await form.view.get(f"{USERS}/{made['user']}")
    if user["role"] != DRIVER:
        return None

    welcome = f"{address}{WELCOME}"
    url = rows = None
    if made["kind"] in (LINK, LETTER) and not made["is_local"]:
        # The library of codes takes memory, and is needed only here.
        from levity_trio.documents.qr import text_code  # noqa: PLC0415

        url = f"{welcome}#{made['code']}"
        rows = text_code(url)
    return {"user": user, "invitation": made, "url": url, "rows": rows, "welcome": welcome}


async def _hand_out(form: FilledForm, made: Mapping[str, Any], following: str) -> Response:
    """Return the page with a code, which is shown once; a letter is in the language of its
    household."""
    shown = {**made, "next": following}
    if made["invitation"]["kind"] != LETTER or not made["rows"]:
        return await form.page("invited.html", shown)
    account = await form.view.get(f"/api/admin/accounts/{made['user']['account']}")
    with speaking(account["language"] or language()):
        shown |= {"household": account["name"], "address": account["address"] or ""}
        return await form.page("letter.html", shown)
