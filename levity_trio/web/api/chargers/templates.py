"""Templates of the configuration of several chargers: which of them differ, and bringing these into
line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Final

from msgspec import Meta

from levity_trio.operations.operation import role_for
from levity_trio.operations.templates import ComparedKey, KeyStanding
from levity_trio.records import record
from levity_trio.store.reads.chargers import configuration as templates
from levity_trio.store.reads.chargers.configuration import ChargerStanding, Template
from levity_trio.store.reads.pages import ListPage
from levity_trio.store.writes.chargers.configuration import (
    NewTemplate,
    UnknownTemplate,
    remove_template,
    set_template,
)
from levity_trio.told import Told
from levity_trio.web.api.chargers.configuration import (
    CHANGE,
    KeyResult,
    change_key,
    read_back,
    seen,
)
from levity_trio.web.api.chargers.operations import (
    Count,
    WaitQuery,
    check_role,
    checked,
    of_each,
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
from levity_trio.web.api.engine.lists import OfCharger, whole
from levity_trio.web.api.engine.problems import conflict, invalid, not_found
from levity_trio.wire.secrets import masked_value

TAG: Final = "configuration"
ENDPOINTS: Final = Endpoints(TAG)
TEMPLATES: Final = "/api/admin/configuration-templates"
MOST_KEYS: Final = 200


class TemplateBody(ClientInput):
    """The values that keys must have, at the chargers in a list or at all of a model: exactly one
    of them is given."""

    entries: Annotated[
        dict[str, str],
        Meta(
            min_length=1,
            max_length=MOST_KEYS,
            description="Each setting with its value.",
            examples=[{"MeterValueSampleInterval": "60"}],
        ),
    ]
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    chargers: Annotated[list[str], Meta(min_length=1, max_length=10_000)] | None = None


class ReportQuery(ClientInput):
    charger: OfCharger = None


class ApplyBody(ClientInput):
    """The chargers that are brought into line: those in a list, or all of the template."""

    chargers: Annotated[list[str], Meta(min_length=1, max_length=10_000)] | None = None
    all: bool = False
    at_once: Annotated[Count, Meta(description="How many chargers are asked at the same time.")] = 5


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


@ENDPOINTS.get(TEMPLATES, Role.VIEWER)
async def list_templates(request: Request) -> ListPage[Template]:
    """List the templates of configurations, by name."""
    stored = await request.read(templates.templates)
    return whole([_seen(request, template) for template in stored])


@ENDPOINTS.get(f"{TEMPLATES}/{{name}}", Role.VIEWER, "not_found")
async def get_template(request: Request) -> Template:
    """Show a template."""
    return _seen(request, await _named(request))


def _seen(request: Request, template: Template) -> Template:
    entries = {key: seen(request, key, value) for key, value in template.entries.items()}
    return replace(template, entries=entries)


@ENDPOINTS.put(
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


@ENDPOINTS.delete(f"{TEMPLATES}/{{name}}", Role.ADMIN, "not_found")
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
    return await request.find(templates.template, Told("template {1}", name), name=name)


# The report


@ENDPOINTS.get(f"{TEMPLATES}/{{name}}/report", Role.VIEWER, "not_found", "conflict")
async def report(request: TypedRequest[ReportQuery, None]) -> TemplateReport:
    """Compare the chargers of a template with it, as they were last read."""
    template, charger = await _named(request), request.query.charger
    only = None if charger is None else await _among(request, template, [charger])
    standings = await request.read(lambda db: templates.standings(db, template, only))
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
    its_own = await request.read(templates.chargers_of, template=template)
    wanted = list(dict.fromkeys(chargers))
    others = [charger for charger in wanted if charger not in its_own]
    if others:
        words = Told("template {1} is not for {2}", template.name, ", ".join(others))
        raise conflict(words, field="chargers")
    return wanted


# Bringing into line


@ENDPOINTS.post(
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
    standings = await request.read(lambda db: templates.standings(db, template, chargers))
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
