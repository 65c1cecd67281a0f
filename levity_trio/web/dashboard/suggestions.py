"""What a form can know beforehand: values to choose from, defaults that make sense, and whose
session it would end, and what it is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from levity_trio.billing.statement import YEAR
from levity_trio.locale import N_, _
from levity_trio.records import record
from levity_trio.store.reads.transactions.costs import BilledTransaction
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.dashboard import shapes
from levity_trio.web.dashboard.fields import (
    CHOICE,
    GROUP,
    MONEY,
    NUMBER,
    QUERY,
    ROWS,
    TIME,
    FormField,
    Suggestion,
    last_name,
    leaves,
)
from levity_trio.web.dashboard.money import money, month
from levity_trio.web.dashboard.operations import CHARGER
from levity_trio.web.dashboard.page import (
    ApiRefused,
    PageView,
    Values,
    currency_of_site,
    open_sessions,
)
from levity_trio.web.dashboard.renderer import Renderer
from levity_trio.wire.times import in_zone

MOST: Final = 200
OWNED_TAGS: Final = "/api/admin/owned-id-tags"
OPERATIONS: Final = "operations"
"""The tag of the endpoints that send a CALL to a charger."""
FORCE, DEADLINE = "?force", "?deadline"
WAITING_SECONDS: Final = "3600"
KEY_OF: Final = "key"
MASKED: Final = "***"
SOLE: Final = frozenset({"connectorId", "transactionId", "reservationId"})
"""Fields of which the only possible value is meant."""
ENDING: Final = ("remote-stop",)
LISTED: Final = frozenset({"account", "station", "tariff", "statement"})
"""Fields whose values are numbers that nobody knows by heart: they are chosen by name."""
OF_SOME: Final = frozenset({"station"})
"""Fields that are left out where there is nothing to choose: most sites do without."""
CURRENCY: Final = "currency"
REASONS: Final[Mapping[str, str]] = N_(
    {
        "payment": N_("paid"),
        "top-up": "paid in advance",
        "refund": "paid out",
        "chargeback": "taken back by the bank",
    }
)
"""Why money mostly moves, by the last part of the path."""
LOCAL_TIME: Final = "%Y-%m-%dT%H:%M:%S"


@record(kw_only=False)
class Circumstances:
    """What is known of what a form is about. `sessions` are the open ones that it would end."""

    charger: Values | None = None
    sessions: Sequence[BilledTransaction] = ()


@record(kw_only=False)
class Suggestions:
    """What a form for one request offers its reader."""

    view: PageView
    endpoint: Endpoint
    renderer: Renderer

    @property
    def _api(self) -> str:
        return f"/api/admin/chargers/{self.view.path['id']}"

    async def circumstances(self) -> Circumstances:
        """Return the charger that the form is about, if any, and whom it would interrupt."""
        if not self.endpoint.path.startswith(CHARGER):
            return Circumstances()
        try:
            charger = await self.view.get(self._api)
            sessions: Sequence[BilledTransaction] = ()
            if self._needs_force or self.endpoint.path.endswith(ENDING):
                sessions = await self.view.look(open_sessions, charger["id"])
        except ApiRefused:
            return Circumstances()
        return Circumstances(charger, sessions)

    @property
    def _needs_force(self) -> bool:
        """Whether the API refuses it while a session is open, unless it is forced."""
        return "needs_force" in self.endpoint.problems

    async def fill(
        self, fields: tuple[FormField, ...], entered: Mapping[str, str], around: Circumstances
    ) -> tuple[FormField, ...]:
        """Return the fields that this reader is shown, with what is offered, and with defaults."""
        offered: dict[str, tuple[Suggestion, ...]] = {}
        for field in leaves(fields):
            name = last_name(field.name)
            if name not in offered:
                offered[name] = ()
                with suppress(ApiRefused):
                    read = _READERS.get(name, _nothing)
                    offered[name] = tuple(await read(self, around))
        values = await self._defaults(fields, entered, around)

        # `force` is an admin's, and of operations only where it changes anything.
        can_force = self.view.caller.role >= Role.ADMIN
        if self.endpoint.group == OPERATIONS:
            can_force = can_force and self._needs_force and bool(around.sessions)
        shown: list[FormField] = []
        for field in fields:
            if field.name in OF_SOME and not offered[field.name]:
                continue
            if field.name == FORCE and not can_force:
                continue
            filled = self._filled(field, offered, values)
            if field.kind == MONEY and CURRENCY not in offered:
                words = _("In %(currency)s.", currency=values.get(CURRENCY, ""))
                filled = replace(filled, help=words)
            shown.append(filled)
        return tuple(shown)

    async def _defaults(
        self, fields: tuple[FormField, ...], entered: Mapping[str, str], around: Circumstances
    ) -> Mapping[str, str]:
        """Return what fields hold at first, by their names."""
        now = in_zone(self.renderer.api.now(), self.renderer.zone)
        in_an_hour = now + timedelta(hours=1)
        defaults = {
            "retrieveDate": now.strftime(LOCAL_TIME),
            "firmware.retrieveDateTime": now.strftime(LOCAL_TIME),
            "expiryDate": in_an_hour.strftime(LOCAL_TIME),
        }
        if around.charger is not None and not around.charger["is_connected"]:
            defaults[DEADLINE] = WAITING_SECONDS
        key = entered.get(KEY_OF)
        if key and self.endpoint.path.endswith("change-configuration"):
            present = {setting.value: setting.words for setting in await self._keys()}
            defaults["value"] = present.get(key, "").replace(MASKED, "")
        if any(field.kind == MONEY for field in leaves(fields)):
            request = self.endpoint.path.rpartition("/")[2]
            defaults["reason"] = _(REASONS.get(request, ""))
            defaults["paid_on"] = now.date().isoformat()
            defaults[CURRENCY] = await currency_of_site(self.view)
        return defaults

    def _filled(
        self,
        field: FormField,
        offered: Mapping[str, tuple[Suggestion, ...]],
        values: Mapping[str, str],
    ) -> FormField:
        if field.kind in (GROUP, ROWS):
            inner = [self._filled(part, offered, values) for part in field.inner]
            return replace(field, inner=tuple(inner))
        if field.kind == TIME:
            of_site = _("In the time of %(zone)s.", zone=self.renderer.zone)
            field = replace(field, help=f"{field.help} {of_site}".lstrip())
        name = last_name(field.name)
        offers = offered[name]
        value = field.value or values.get(field.name, "") or self._usual(field, offers)
        is_listed = name in LISTED and 0 < len(offers) < MOST
        return replace(field, offered=offers, value=value, is_listed=is_listed)

    def _usual(self, field: FormField, offers: Sequence[Suggestion]) -> str:
        """Return the value that is mostly meant: the only one there is, or the example of an
        operation."""
        name = last_name(field.name)
        is_start = self.endpoint.path.endswith("remote-start")
        if name == "idTag" and is_start and not offers:
            # Where no card is known, a start has that of sessions without one.
            return self.renderer.api.config.auto_start_id_tag
        if self.endpoint.group != OPERATIONS or field.name.startswith(QUERY):
            return ""
        if name in SOLE:
            is_meant = field.is_enforced or is_start or name == "transactionId"
            is_sole = len(offers) == 1 and "." not in field.name
            return offers[0].value if is_meant and is_sole else ""
        return field.example if field.is_enforced and field.kind in (CHOICE, NUMBER) else ""

    # Each of these reads the suggestions for some fields.

    async def _rows(self, path: str, **query: object) -> Sequence[Values]:
        page = await self.view.get(path, limit=MOST, **query)
        rows: list[Values] = page["data"]
        return rows

    async def _connectors(self, around: Circumstances) -> list[Suggestion]:
        connectors = around.charger["connectors"] if around.charger else ()
        return [Suggestion(str(each["connector"]), each["status"] or "") for each in connectors]

    async def _open_sessions(self, around: Circumstances) -> list[Suggestion]:
        if around.charger is None:
            return []
        sessions = around.sessions or await self.view.look(open_sessions, around.charger["id"])
        words = N_("%(who)s, connector %(connector)s")
        suggestions: list[Suggestion] = []
        for session in sessions:
            where = _(words, who=session.who, connector=session.connector)
            suggestions.append(Suggestion(str(session.id), where))
        return suggestions

    async def _tags(self, _around: Circumstances) -> list[Suggestion]:
        tags = await self._rows("/api/admin/id-tags")
        suggestions = [Suggestion(tag["id_tag"], tag["name"] or "") for tag in tags]
        if self.view.may("GET", OWNED_TAGS):
            owned = (await self.view.get(OWNED_TAGS))["data"]
            suggestions += [Suggestion(tag["id_tag"], tag["account_name"]) for tag in owned]
        return suggestions

    async def _keys(self, _around: Circumstances | None = None) -> list[Suggestion]:
        if not self.endpoint.path.startswith(CHARGER):
            return []
        settings = (await self.view.get(f"{self._api}/configuration"))["data"]
        return [
            Suggestion(setting["key"], setting["value"] or "")
            for setting in settings
            if setting["is_known"] and not setting["readonly"]
        ]

    async def _reservations(self, around: Circumstances) -> list[Suggestion]:
        if around.charger is None or not self.endpoint.path.endswith("cancel-reservation"):
            return []
        words = N_("connector %(connector)s, card %(id_tag)s")
        reservations = await self._rows(f"{self._api}/reservations")
        return [
            Suggestion(str(reservation["reservation"]), _(words, **reservation))
            for reservation in reservations
            if reservation["state"] == "active"
        ]

    async def _firmware(self, _around: Circumstances) -> list[Suggestion]:
        files = await self._rows("/api/admin/files")
        return [
            Suggestion(file["title"], shapes.size(file["size_bytes"]))
            for file in files
            if file["kind"] == "firmware" and file["deleted_at"] is None
        ]

    async def _statements(self, _around: Circumstances) -> list[Suggestion]:
        """Return the statements that money of a household can be for: what came in settles open
        ones, what went out is about any."""
        if not self.endpoint.path.startswith(WALLET):
            return []
        query: dict[str, object] = {"account": self.view.path["id"]}
        if self.endpoint.path.endswith("/payment"):
            query["state"] = "unpaid"
        words = N_("Statement %(number)s, %(month)s: %(amount)s, %(open)s open")
        suggestions: list[Suggestion] = []
        for one in await self._rows("/api/admin/statements", **query):
            amount, left = (money(one[name], one["currency"]) for name in ("total", "open"))
            names = {"number": one["printed_number"], "month": month(one["month"])}
            said = _(words, **names, amount=amount, open=left)
            suggestions.append(Suggestion(str(one["number"]), said))
        return suggestions

    async def _places(self, _around: Circumstances) -> list[Suggestion]:
        suggestions: list[Suggestion] = []
        for charger in await self._rows("/api/admin/chargers"):
            name, number = charger["name"], charger["id"]
            suggestions.append(Suggestion(name, number) if name else Suggestion(number))
        return suggestions


async def _nothing(_suggestions: Suggestions, _around: Circumstances) -> Sequence[Suggestion]:
    return ()


async def _years(_suggestions: Suggestions, _around: Circumstances) -> Sequence[Suggestion]:
    return (Suggestion(f"{YEAR}-", _("Begins anew each year")),)


def _named(path: str) -> Callable[[Suggestions, Circumstances], Awaitable[Sequence[Suggestion]]]:
    """Return what suggests the numbers of a list of the API, with their names."""

    async def read(suggestions: Suggestions, _around: Circumstances) -> list[Suggestion]:
        rows = await suggestions._rows(path)
        return [Suggestion(str(row["id"]), row["name"] or "") for row in rows]

    return read


_READERS: Final[
    Mapping[str, Callable[[Suggestions, Circumstances], Awaitable[Sequence[Suggestion]]]]
] = {
    "connectorId": Suggestions._connectors,
    "transactionId": Suggestions._open_sessions,
    **dict.fromkeys(("idTag", "parentIdTag", "tag", "id_tag", "parent_id_tag"), Suggestions._tags),
    "key": Suggestions._keys,
    "reservationId": Suggestions._reservations,
    "location": Suggestions._firmware,
    "charger": _named("/api/admin/chargers"),
    "account": _named("/api/admin/accounts"),
    "tariff": _named("/api/admin/tariffs"),
    "space": Suggestions._places,
    "station": _named("/api/admin/stations"),
    "statement": Suggestions._statements,
    "number_prefix": _years,
}
"""What reads the suggestions of a field, by the last part of its name."""


SESSION: Final = "/api/admin/transactions/{id}"
WALLET: Final = "/api/admin/wallets/{id}"
TAG: Final = "/api/admin/id-tags/{tag}"
SOURCES: Final[Mapping[str, tuple[str, str]]] = {
    SESSION: ("session", SESSION),
    WALLET: ("wallet", WALLET),
    "/api/admin/accounts/{id}": ("wallet", WALLET),
    TAG: ("tag", TAG),
}
"""The subjects of forms by the beginning of an endpoint's path: which subject it names, and where
the API shows that."""


class FormSubject(NamedTuple):
    """What a form is about, as the API shows it; None for what the path does not name."""

    session: Values | None = None
    wallet: Values | None = None
    """The wallet of a household."""
    tag: Values | None = None


async def subject_of(view: PageView, endpoint: Endpoint) -> FormSubject | None:
    """Return what a request is about, None if that is nothing of these, or if there is none."""
    for begin, (name, path) in SOURCES.items():
        if f"{endpoint.path}/".startswith(f"{begin}/"):
            try:
                subject = await view.get(path.format(**view.path))
            except ApiRefused:
                return None
            return FormSubject(**{name: subject})
    return None
