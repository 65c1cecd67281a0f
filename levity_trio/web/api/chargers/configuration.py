"""The configuration of chargers: as it was reported, what changed in it, and readings of the
whole."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from levity_trio.access import offline
from levity_trio.access.offline import KEYS, OfflineTags, Switch, explain, switch
from levity_trio.operations import OPERATIONS
from levity_trio.operations.answers import status_of
from levity_trio.operations.configuration import (
    USUAL_PART,
    ComparedKey,
    Has,
    KeysReading,
    KeyStanding,
    is_standard,
    unknown_in,
    values_in,
)
from levity_trio.operations.operation import role_for
from levity_trio.records import record
from levity_trio.store.reads.chargers import configuration
from levity_trio.store.reads.chargers import configuration as stored
from levity_trio.store.reads.chargers.configuration import (
    ALWAYS,
    Change,
    ChargerStanding,
    ConfigurationReading,
    Entry,
    LeftOutTag,
    LocalListStatus,
    Template,
)
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.writes.chargers.configuration import (
    NewReading,
    NewTemplate,
    UnknownTemplate,
    add_reading,
    remove_template,
    set_template,
)
from levity_trio.store.writes.chargers.local_lists import resume
from levity_trio.told import Told
from levity_trio.web.api.chargers.chargers import (
    CHARGER,
    PagedWhose,
    Whose,
    both,
    known_charger,
    whose,
)
from levity_trio.web.api.chargers.operations import (
    Count,
    PreparedOperation,
    Sender,
    WaitQuery,
    check_role,
    checked,
    of_each,
    prepare,
    submit,
)
from levity_trio.web.api.engine.endpoints import (
    ABSENT,
    IDENTITIES,
    NAME_PATTERN,
    ClientInput,
    Endpoints,
    Fields,
    Request,
    Role,
    StructBody,
    TypedRequest,
)
from levity_trio.web.api.engine.lists import (
    Before,
    OfCharger,
    Paged,
    moment,
    page,
    time_field,
    wanted,
    whole,
)
from levity_trio.web.api.engine.problems import Problem, conflict, invalid, not_found
from levity_trio.wire.secrets import MASK, is_secret_key, masked_value

ENDPOINTS: Final = Endpoints("chargers")
TEMPLATE_ENDPOINTS: Final = Endpoints("configuration", ENDPOINTS)

READ: Final = "GetConfiguration"
OF_TWO: Final = "The earlier of two times; without it, between the last two readings."
LAST_TWO: Final = WantedPage(limit=2)


class ConfigurationQuery(Whose):
    at: Annotated[str, time_field("As known at this time.")] | None = None


class ChangesQuery(ClientInput, rename={"since": "from", "until": "to"}):
    since: Annotated[str, time_field(OF_TWO)] | None = None
    until: Before = None


class KeyHistoryQuery(ClientInput):
    """What is asked for.

    - key: The key of the configuration.
    """

    key: str


class DifferencesQuery(ClientInput):
    """What is asked for.

    + other: Another charger.
    """

    other: str


@record
class Difference:
    """A key for which two chargers have different values; None: it was never read there."""

    key: str
    one: Entry | None
    other: Entry | None


# As it was reported


def seen(request: Request, key: str, value: str | None) -> str | None:
    """Return the value of a key as the caller may see it: a viewer sees no values of a charger's
    own keys.

    A secret is masked at every caller, because it may have been stored before its name was known
    for one.
    """
    if value is None:
        return None
    is_shown = is_standard(key) or request.sees_all
    return value if is_shown and not is_secret_key(key) else MASK


def _seen(request: Request, entry: Entry) -> Entry:
    return replace(entry, value=seen(request, entry.key, entry.value))


@both(ENDPOINTS, "configuration", "the configuration")
async def list_configuration(request: TypedRequest[ConfigurationQuery, None]) -> ListPage[Entry]:
    charger, at = await whose(request), moment(request.query.at, "at") or ALWAYS
    entries = await request.read(lambda db: stored.of_all(db, charger, at))
    return whole([_seen(request, entry) for entry in entries])


@both(ENDPOINTS, "configuration/readings", "the readings, newest first,")
async def list_readings(request: TypedRequest[PagedWhose, None]) -> ListPage[ConfigurationReading]:
    charger, query = await whose(request), request.query
    return await page(request, stored.readings, charger=charger, wanted=wanted(query))


@ENDPOINTS.get(f"{CHARGER}/configuration/changes", Role.VIEWER, "not_found", "invalid")
async def list_changes(request: TypedRequest[ChangesQuery, None]) -> ListPage[Change]:
    """List what changed between two readings."""
    charger, query = await known_charger(request), request.query
    since, until = moment(query.since, "from"), moment(query.until, "to") or ALWAYS
    if since is None:
        readings = await request.read(lambda db: stored.readings(db, charger, LAST_TWO).data)
        if len(readings) < LAST_TWO.limit:
            words = Told(
                "{1} was not read twice yet as a whole, which a GetConfiguration alone is not; "
                "read it again (levity-trio configuration {2} --read), or give the time since when "
                "(--since)",
                *(charger, shlex.quote(charger)),
            )
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", words, field="from")
        later, earlier = readings
        since, until = earlier.ended_at, later.ended_at
    changes = await request.read(lambda db: stored.setting_changes(db, charger, since, until))
    shown: list[Change] = []
    for change in changes:
        before = change.before and _seen(request, change.before)
        after = change.after and _seen(request, change.after)
        shown.append(replace(change, before=before, after=after))
    return whole(shown)


@ENDPOINTS.get(f"{CHARGER}/configuration/history", Role.VIEWER, "not_found", "invalid")
async def list_history(request: TypedRequest[KeyHistoryQuery, None]) -> ListPage[Entry]:
    """List the values of one key, newest first."""
    charger = await known_charger(request)
    key = request.query.key
    entries = await request.read(lambda db: stored.history(db, charger, key))
    return whole([_seen(request, entry) for entry in entries])


@ENDPOINTS.get(f"{CHARGER}/configuration/differences", Role.VIEWER, "not_found", "invalid")
async def list_differences(request: TypedRequest[DifferencesQuery, None]) -> ListPage[Difference]:
    """Compare with another charger."""
    charger, other = await known_charger(request), request.query.other
    rows = await request.read(lambda db: stored.differences(db, charger, other))
    differences: list[Difference] = []
    for key, own, others in rows:
        own_entry = own and _seen(request, own)
        others_entry = others and _seen(request, others)
        differences.append(Difference(key=key, one=own_entry, other=others_entry))
    return whole(differences)


# Readings


@ENDPOINTS.post(
    f"{CHARGER}/configuration/read",
    *(
        Role.OPERATOR,
        "not_found",
        "not_connected",
        "not_registered",
        "queue_full",
        "too_many_waiting",
    ),
)
async def read_all(request: TypedRequest[WaitQuery, None]) -> ConfigurationReading:
    """Read the whole configuration, in parts if the charger does not tell it at once."""
    api, charger = request.api, await known_charger(request)
    reading = KeysReading(await request.read(stored.before_reading, charger=charger))
    began_at = api.stamp()
    async with api.places.wait():
        commands = await _ask_all(request, charger, reading)
    new = NewReading(
        charger=charger,
        asked_by=request.caller.name,
        began_at=began_at,
        ended_at=api.stamp(),
        keys=len(reading.known),
        unknown_keys=len(reading.unknown),
        unanswered=sorted(reading.unanswered.values()),
        commands=commands,
    )
    number = await api.writer.run(add_reading, new)
    return await request.find(stored.reading, Told("reading {1}", number), number=number)


async def _ask_all(request: Sender, charger: str, reading: KeysReading) -> list[int]:
    """Ask for the keys that a reading needs; return the commands. Raises Problem if nothing could
    be sent."""
    commands: list[int] = []
    while (keys := reading.next_keys()) is not None:
        try:
            command = await ask_for(request, charger, keys)
        except Problem:
            if not commands:
                raise
            reading.stop()
            continue
        commands.append(command)
        result = await request.api.chargers.wait(command)
        if result.state == "timed out":
            reading.miss()
        elif result.state in ("accepted", "rejected", "error"):
            reading.take(result.answer)
        else:
            reading.stop()
    return commands


async def ask_for(request: Sender, charger: str, keys: Sequence[str]) -> int:
    """Ask a charger for some keys, for all if none are given; return the command. Raises
    Problem."""
    payload = {"key": list(keys)} if keys else {}
    return await submit(request, PreparedOperation(charger, READ, payload, payload))


# Changes of keys, one after the other, and what the charger says of them afterwards

CHANGE: Final = OPERATIONS["ChangeConfiguration"]
WORDS: Final = {"RebootRequired": "reboot required", "NotSupported": "not supported"}
"""The statuses of ChangeConfiguration that say more than the state of its command (§5.3)."""
CHANGED: Final = ("accepted", "reboot required")


@record
class KeyResult:
    """What came of one key: the charger's answer, or why nothing was sent. `has` is its value
    afterwards, as read."""

    key: str
    result: str
    wanted: str
    had: str | None
    has: str | None = None
    command: int | None = None
    detail: str | None = None


async def change_key(request: Sender, charger: str, key: KeyResult) -> KeyResult:
    """Send one key and return what came of it."""
    try:
        payload = {"key": key.key, "value": key.wanted}
        order = await prepare(request, charger, CHANGE, payload)
        command = await submit(request, order)
    except Problem as problem:
        words = problem.code.replace("_", " ")
        return replace(key, result=words, detail=problem.detail)
    done = await request.api.chargers.wait(command)
    words = WORDS.get(status_of(done.answer) or "", done.state)
    return replace(key, result=words, command=command, detail=done.error_description)


async def read_back(request: Sender, charger: str, results: Sequence[KeyResult]) -> list[KeyResult]:
    """Ask for the keys that the charger accepted; return the results with the values that it then
    tells."""
    changed = [
        result.key for result in results if result.command is not None and result.result in CHANGED
    ]
    if not changed:
        return list(results)
    # If the charger has left, what it has stays as it was last read.
    with suppress(Problem):
        await read_keys(request, charger, changed)
    now = await request.read(stored.has, charger=charger)
    read_results: list[KeyResult] = []
    for result in results:
        known = now.get(result.key.casefold())
        read_results.append(result if known is None else replace(result, has=known.value))
    return read_results


async def read_keys(request: Sender, charger: str, keys: Sequence[str]) -> None:
    """Ask for some keys, as many at a time as the charger answers for. Raises Problem."""
    before = await request.read(stored.before_reading, charger=charger)
    most = before.most or USUAL_PART
    left = {key.casefold(): key for key in keys}
    while left:
        part = list(left.values())[:most]
        command = await ask_for(request, charger, part)
        answer = (await request.api.chargers.wait(command)).answer
        named = [*(value.key for value in values_in(answer)), *unknown_in(answer)]
        answered = left.keys() & {key.casefold() for key in named}
        # A charger that says nothing of the part is not asked for it again.
        for key in answered or {key.casefold() for key in part}:
            del left[key]


TEMPLATES: Final = "/api/admin/configuration-templates"
MOST_KEYS: Final = 200


class TemplateBody(ClientInput):
    """The values that keys must have, at the chargers in a list or at all of a model: exactly one
    of them is given.

    - model (--model MODEL): For all chargers of a model.
    - chargers: For these chargers.
    + entries: Each setting with its value.
    """

    entries: Annotated[
        dict[str, str],
        Meta(min_length=1, max_length=MOST_KEYS, examples=[{"MeterValueSampleInterval": "60"}]),
    ]
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    chargers: Annotated[list[str], Meta(min_length=1, max_length=10_000)] | None = None


class ReportQuery(ClientInput):
    charger: OfCharger = None


class ApplyBody(ClientInput):
    """The chargers that are brought into line: those in a list, or all of the template.

    - chargers: These chargers.
    - all (--all): All chargers of the template.
    + at_once: How many chargers are asked at the same time.
    """

    chargers: Annotated[list[str], Meta(min_length=1, max_length=10_000)] | None = None
    all: bool = False
    at_once: Count = 5


_MODEL: Final = {"type": "string", "minLength": 1, "maxLength": 200}
TEMPLATE_WAYS: Final[Sequence[Fields]] = (
    {"chargers": IDENTITIES, "model": ABSENT},
    {"chargers": ABSENT, "model": _MODEL},
)
APPLY_WAYS: Final[Sequence[Fields]] = (
    {"chargers": IDENTITIES, "all": {"const": False}},
    {"chargers": ABSENT, "all": {"const": True}},
)


@record
class TemplateReport:
    """The chargers of a template, and how many are the same, differ, or are not known."""

    template: str
    counts: dict[str, int]
    chargers: list[ChargerStanding]


@record
class ChargerResult:
    """What came of each key of the template at one charger."""

    charger: str
    keys: list[KeyResult]


@record
class ApplyReport:
    """What came of the template at each charger, and how many keys had each result."""

    template: str
    counts: dict[str, int]
    chargers: list[ChargerResult]


@TEMPLATE_ENDPOINTS.get(TEMPLATES, Role.VIEWER)
async def list_templates(request: Request) -> ListPage[Template]:
    """List the templates of configurations, by name."""
    templates = await request.read(stored.templates)
    return whole([_template_seen(request, template) for template in templates])


@TEMPLATE_ENDPOINTS.get(f"{TEMPLATES}/{{name}}", Role.VIEWER, "not_found")
async def get_template(request: Request) -> Template:
    """Show a template."""
    return _template_seen(request, await _named(request))


def _template_seen(request: Request, template: Template) -> Template:
    entries = {key: seen(request, key, value) for key, value in template.entries.items()}
    return replace(template, entries=entries)


@TEMPLATE_ENDPOINTS.put(
    f"{TEMPLATES}/{{name}}", Role.OPERATOR, body=StructBody(TemplateBody, lambda: TEMPLATE_WAYS)
)
async def put_template(request: TypedRequest[None, TemplateBody]) -> Template:
    """Add a template, or replace it. Security keys need an admin; secrets are not stored."""
    name, body = request.path["name"], request.body
    if re.fullmatch(NAME_PATTERN, name) is None:
        words = Told("give at most 64 letters, digits, dots, hyphens and underscores")
        raise invalid("name", words)
    if (body.model is None) == (body.chargers is None):
        raise invalid("chargers", Told("choose one: some chargers or a model"))
    _check_entries(request, body.entries)
    chargers = None if body.chargers is None else list(dict.fromkeys(body.chargers))
    template = NewTemplate(name=name, model=body.model, chargers=chargers, entries=body.entries)
    await request.write(set_template, template)
    return await _named(request)


@TEMPLATE_ENDPOINTS.delete(f"{TEMPLATES}/{{name}}", Role.ADMIN, "not_found")
async def delete_template(request: Request) -> None:
    """Remove a template. Its row stays, ended."""
    name = request.path["name"]
    try:
        await request.write(remove_template, name)
    except UnknownTemplate:
        raise not_found(Told("template {1}", name)) from None


def _check_entries(request: Request, entries: dict[str, str]) -> None:
    """Raise Problem for what cannot be sent, must not be stored, or is an admin's."""
    # Chargers do not tell keys apart by case.
    counts = Counter(key.casefold() for key in entries)
    twice = [key for key, count in counts.items() if count > 1]
    if twice:
        raise invalid(f"entries.{twice[0]}", Told("give it once; case makes no difference"))
    for key, value in entries.items():
        field = f"entries.{key}"
        payload = checked(CHANGE, {"key": key, "value": value})
        if masked_value(payload) != payload:
            raise invalid(field, Told("a secret is not stored; send it with ChangeConfiguration"))
        check_role(request, role_for(CHANGE, payload))


async def _named(request: Request) -> Template:
    name = request.path["name"]
    return await request.find(stored.template, Told("template {1}", name), name=name)


# The report


@TEMPLATE_ENDPOINTS.get(f"{TEMPLATES}/{{name}}/report", Role.VIEWER, "not_found", "conflict")
async def report(request: TypedRequest[ReportQuery, None]) -> TemplateReport:
    """Compare the chargers of a template with it, as they were last read."""
    template, charger = await _named(request), request.query.charger
    only = None if charger is None else await _among(request, template, [charger])
    standings = await request.read(lambda db: stored.standings(db, template, only))
    counts = Counter(str(standing.standing) for standing in standings)

    chargers: list[ChargerStanding] = []
    for standing in standings:
        keys: list[ComparedKey] = []
        for key in standing.keys:
            wanted = seen(request, key.key, key.wanted) or ""
            has = seen(request, key.key, key.has)
            keys.append(replace(key, wanted=wanted, has=has))
        chargers.append(replace(standing, keys=keys))
    return TemplateReport(template=template.name, counts=dict(counts), chargers=chargers)


async def _among(request: Request, template: Template, chargers: Iterable[str]) -> list[str]:
    """Return the chargers, each once. Raises Problem for one that the template is not for."""
    its_own = await request.read(stored.chargers_of, template=template)
    wanted = list(dict.fromkeys(chargers))
    others = [charger for charger in wanted if charger not in its_own]
    if others:
        words = Told("template {1} is not for {2}", template.name, ", ".join(others))
        raise conflict(words, field="chargers")
    return wanted


# Bringing into line


@TEMPLATE_ENDPOINTS.post(
    f"{TEMPLATES}/{{name}}/apply",
    *(Role.OPERATOR, "not_found", "conflict", "too_many_waiting"),
    body=StructBody(ApplyBody, lambda: APPLY_WAYS),
)
async def apply(request: TypedRequest[WaitQuery, ApplyBody]) -> ApplyReport:
    """Bring chargers into line: change exactly the keys that differ, and report each."""
    template, body = await _named(request), request.body
    if (body.chargers is None) != body.all:
        raise invalid("chargers", Told("choose one: some chargers or all"))
    # Whoever may read a template may not set every key in it.
    _check_entries(request, template.entries)
    chargers = None if body.chargers is None else await _among(request, template, body.chargers)
    standings = await request.read(lambda db: stored.standings(db, template, chargers))
    keys_of = {standing.charger: standing.keys for standing in standings}

    async def bring_into_line(charger: str) -> ChargerResult:
        """Change the keys that differ, one after the other, and read back once what the charger
        accepted."""
        results: list[KeyResult] = []
        for key in keys_of[charger]:
            result = KeyResult(key=key.key, result=key.standing, wanted=key.wanted, had=key.has)
            if key.standing == KeyStanding.DIFFERS:
                result = await change_key(request, charger, result)
            results.append(result)
        return ChargerResult(charger=charger, keys=await read_back(request, charger, results))

    results_of = await of_each(request, [*keys_of], body.at_once, bring_into_line)
    counts: Counter[str] = Counter()
    for result in results_of:
        counts.update(key.result for key in result.keys)
    return ApplyReport(template=template.name, counts=dict(counts), chargers=results_of)


PATH: Final = f"{CHARGER}/offline-policy"


class ChangeQuery(WaitQuery):
    """What is asked for.

    + read: Ask the charger for all six keys first.
    """

    read: bool = False


class PolicyBody(
    ClientInput,
    rename={
        "offline": offline.OFFLINE,
        "pre_authorize": offline.PRE_AUTHORIZE,
        "unknown_tags": offline.UNKNOWN_TAGS,
        "stop_invalid": offline.STOP_INVALID,
        "cache": offline.CACHE,
        "local_list": offline.LIST,
    },
):
    """The keys that are to be changed.

    - offline: LocalAuthorizeOffline: cards of its list and cache charge while it is away.
    - pre_authorize: LocalPreAuthorize: known cards charge at once, before we are asked.
    - unknown_tags: AllowOfflineTxForUnknownId: unknown cards charge while it is away.
    - stop_invalid: StopTransactionOnInvalidId: a session of a card that we refuse is stopped.
    - cache: AuthorizationCacheEnabled: the charger remembers the cards that we accepted.
    - local_list: LocalAuthListEnabled: the charger keeps the list of cards that we send.
    """

    offline: bool | None = None
    pre_authorize: bool | None = None
    unknown_tags: bool | None = None
    stop_invalid: bool | None = None
    cache: bool | None = None
    local_list: bool | None = None

    def values(self) -> dict[str, str]:
        """Return the values on the wire, by key."""
        switches: Mapping[str, bool | None] = msgspec.to_builtins(self)
        return {key: str(value).lower() for key, value in switches.items() if value is not None}


@record
class PolicyKey:
    """A key as the charger last told it: `value` is true, false, not supported or not known."""

    key: str
    value: str
    readonly: bool
    read_at: str | None


@record
class OfflinePolicy:
    """Who can charge at a charger without us (`who`), by its keys; `notes` say what else follows.

    `changes` are the results of the keys that were to be changed.
    """

    charger: str
    keys: list[PolicyKey]
    who: list[OfflineTags]
    notes: list[str]
    changes: list[KeyResult]


@ENDPOINTS.get(PATH, Role.VIEWER, "not_found")
async def get_policy(request: Request) -> OfflinePolicy:
    """Show who can charge at a charger while it has no connection to us, by its configuration."""
    await known_charger(request)
    return await _policy(request, [])


@ENDPOINTS.post(PATH, Role.OPERATOR, "not_found", "not_connected", "queue_full")
async def change_policy(request: TypedRequest[ChangeQuery, PolicyBody]) -> OfflinePolicy:
    """Change who can charge without us: send the keys that are given, and read them back."""
    charger, wanted = await known_charger(request), request.body.values()
    if request.query.read:
        await read_keys(request, charger, KEYS)
    has = await _has(request)
    results: list[KeyResult] = []
    for key, value in wanted.items():
        known = has.get(key.casefold())
        had = None if known is None else known.value
        result = KeyResult(key=key, result="", wanted=value, had=had)
        results.append(await change_key(request, charger, result))
    return await _policy(request, await read_back(request, charger, results))


async def _policy(request: Request, changes: list[KeyResult]) -> OfflinePolicy:
    has = await _has(request)
    keys: list[PolicyKey] = []
    switches: dict[str, Switch] = {}
    for key in KEYS:
        known = has.get(key.casefold())
        value, readonly, read_at = Switch.NOT_KNOWN, False, None
        if known is not None:
            value = switch(known.value, is_known=known.is_known)
            readonly, read_at = known.readonly, known.read_at
        switches[key] = value
        keys.append(PolicyKey(key=key, value=value.value, readonly=readonly, read_at=read_at))
    explanation = explain(switches)
    return OfflinePolicy(
        charger=request.path["id"],
        keys=keys,
        who=list(explanation.who),
        notes=list(explanation.notes),
        changes=changes,
    )


async def _has(request: Request) -> Mapping[str, Has]:
    return await request.read(configuration.has, charger=request.path["id"])


# The local lists as they are kept at the chargers


@both(ENDPOINTS, "local-lists/status", "how the local list is kept")
async def list_statuses(request: TypedRequest[Whose, None]) -> ListPage[LocalListStatus]:
    return whole(await _statuses(request, await whose(request)))


async def _statuses(request: Request, charger: str | None) -> list[LocalListStatus]:
    api = request.api
    open_lines = [line for line in api.chargers.connected() if api.chargers.is_served(line)]
    read = partial(
        stored.statuses,
        charger=charger,
        policy=api.id_tags.policy,
        now=api.clock(),
        open_lines=open_lines,
        is_on=api.config.local_list == "on",
    )
    return await request.read(read)


@ENDPOINTS.get(f"{CHARGER}/local-lists/left-out", Role.VIEWER, "not_found", "invalid")
async def list_left_out(request: TypedRequest[Paged, None]) -> ListPage[LeftOutTag]:
    """List the tags for which the local list of a charger has no room."""
    query, charger = request.query, await known_charger(request)
    policy, now = request.policy, request.api.stamp()
    read = partial(stored.left_out, charger=charger, policy=policy, at=now)
    tags = await request.read(read)
    begin = (query.page - 1) * query.limit
    shown = tags[begin : begin + query.limit]
    return ListPage(shown, query.page, query.limit, total=len(tags))


@ENDPOINTS.post(f"{CHARGER}/local-lists/resume", Role.OPERATOR, "not_found")
async def resume_upkeep(request: Request) -> LocalListStatus:
    """Keep the local list of a charger again after one was sent by hand, or try again at once."""
    charger = await known_charger(request)
    if not await request.write(resume, charger):
        words = Told("local list that is kept at {1}; start `serve` with --local-list on", charger)
        raise not_found(words)
    (status,) = await _statuses(request, charger)
    return status
