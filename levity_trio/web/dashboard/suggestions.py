"""What a form can know beforehand: values to choose from, defaults that make sense, and whose
session it would end, and what it is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from levity_trio.locale import N_, _
from levity_trio.records import record
from levity_trio.store.reads.transactions.billed import BilledTransaction
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
from levity_trio.web.dashboard.operations import CHARGER
from levity_trio.web.dashboard.page import PageView, Values, currency_of_site, open_sessions
from levity_trio.web.dashboard.refusals import ApiRefused
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
LISTED: Final = frozenset({"account", "station", "tariff"})
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
            ends_sessions = "needs_force" in self.endpoint.problems or self.endpoint.path.endswith(
                ENDING
            )
            return Circumstances(
                charger, await self.view.look(open_sessions, charger["id"]) if ends_sessions else ()
            )
        except ApiRefused:
            return Circumstances()

    async def fill(
        self, fields: tuple[FormField, ...], entered: Mapping[str, str], around: Circumstances
    ) -> tuple[FormField, ...]:
        """Return the fields that this reader is shown, with what is offered, and with defaults."""
        offered = {
            name: await self._offered(name, around)
            for name in {last_name(one.name) for one in leaves(fields)}
        }
        values = {**await self._defaults(entered, around), **await self._of_money(fields)}
        wanted = (one for one in fields if one.name not in OF_SOME or offered[one.name])
        shown = tuple(
            self._filled(one, offered, values) for one in wanted if self._is_shown(one, around)
        )
        if CURRENCY in offered:
            return shown
        typed_in = _("In %(currency)s.", currency=values.get(CURRENCY, ""))
        return tuple(replace(one, help=typed_in) if one.kind == MONEY else one for one in shown)

    def _is_shown(self, one: FormField, around: Circumstances) -> bool:
        """`force` is an admin's, and of operations only where it changes anything."""
        if one.name == FORCE:
            is_useful = self.endpoint.group != OPERATIONS or (
                "needs_force" in self.endpoint.problems and around.sessions
            )
            return self.view.caller.role >= Role.ADMIN and bool(is_useful)
        return True

    def _filled(
        self,
        field: FormField,
        offered: Mapping[str, tuple[Suggestion, ...]],
        values: Mapping[str, str],
    ) -> FormField:
        if field.kind in (GROUP, ROWS):
            return replace(
                field, inner=tuple(self._filled(inner, offered, values) for inner in field.inner)
            )
        offers = offered[last_name(field.name)]
        if field.kind == TIME:
            in_zone_of_site = _("In the time of %(zone)s.", zone=self.renderer.zone)
            field = replace(field, help=f"{field.help} {in_zone_of_site}".lstrip())
        value = field.value or values.get(field.name, "") or self._usual(field, offers)
        is_listed = last_name(field.name) in LISTED and 0 < len(offers) < MOST
        return replace(field, offered=offers, value=value, is_listed=is_listed)

    def _usual(self, field: FormField, offers: Sequence[Suggestion]) -> str:
        """Return the value that is mostly meant: the only one there is, or the example of an
        operation.

        Where no tag is known, a start has that of sessions without one.
        """
        name = last_name(field.name)
        if name == "idTag" and not offers and self.endpoint.path.endswith("remote-start"):
            return self.renderer.api.config.auto_start_id_tag
        if self.endpoint.group != OPERATIONS or field.name.startswith(QUERY):
            return ""
        is_meant = (
            field.is_enforced
            or name == "transactionId"
            or self.endpoint.path.endswith("remote-start")
        )
        if name in SOLE:
            return (
                offers[0].value if len(offers) == 1 and is_meant and "." not in field.name else ""
            )
        return field.example if field.is_enforced and field.kind in (CHOICE, NUMBER) else ""

    async def _defaults(
        self, entered: Mapping[str, str], around: Circumstances
    ) -> Mapping[str, str]:
        now = in_zone(self.renderer.api.now(), self.renderer.zone)
        defaults = {
            "retrieveDate": now.strftime(LOCAL_TIME),
            "firmware.retrieveDateTime": now.strftime(LOCAL_TIME),
            "expiryDate": (now + timedelta(hours=1)).strftime(LOCAL_TIME),
        }
        if around.charger is not None and not around.charger["is_connected"]:
            defaults[DEADLINE] = WAITING_SECONDS
        if self.endpoint.path.endswith("change-configuration") and entered.get(KEY_OF):
            keys = {one.value: one.words for one in await self._keys()}
            defaults["value"] = keys.get(entered[KEY_OF], "").replace(MASKED, "")
        return defaults

    async def _of_money(self, fields: tuple[FormField, ...]) -> Mapping[str, str]:
        """Return the site's currency, and why money mostly moves, for a form with an amount."""
        if all(one.kind != MONEY for one in leaves(fields)):
            return {}
        reason = _(REASONS.get(self.endpoint.path.rpartition("/")[2], ""))
        return {CURRENCY: await currency_of_site(self.view), "reason": reason}

    async def _offered(self, name: str, around: Circumstances) -> tuple[Suggestion, ...]:
        read = _READERS.get(name)
        if read is None:
            return ()
        try:
            return tuple(await read(self, around))
        except ApiRefused:
            return ()

    async def _rows(self, path: str, **query: object) -> Sequence[Values]:
        found: list[Values] = (await self.view.get(path, limit=MOST, **query))["data"]
        return found

    async def _connectors(self, around: Circumstances) -> list[Suggestion]:
        known = around.charger["connectors"] if around.charger else ()
        return [Suggestion(str(one["connector"]), str(one["status"] or "")) for one in known]

    async def _open_sessions(self, around: Circumstances) -> list[Suggestion]:
        if around.charger is None:
            return []
        sessions = around.sessions or await self.view.look(open_sessions, around.charger["id"])
        words = N_("%(who)s, connector %(connector)s")
        return [
            Suggestion(str(one.id), _(words, who=one.who, connector=one.connector))
            for one in sessions
        ]

    async def _tags(self, _around: Circumstances) -> list[Suggestion]:
        listed = [
            Suggestion(one["id_tag"], one["name"] or "")
            for one in await self._rows("/api/admin/id-tags")
        ]
        if not self.view.may("GET", OWNED_TAGS):
            return listed
        owned = (await self.view.get(OWNED_TAGS))["data"]
        return [*listed, *(Suggestion(one["id_tag"], one["account_name"]) for one in owned)]

    async def _keys(self, _around: Circumstances | None = None) -> list[Suggestion]:
        if not self.endpoint.path.startswith(CHARGER):
            return []
        found = (await self.view.get(f"{self._api}/configuration"))["data"]
        return [
            Suggestion(one["key"], one["value"] or "")
            for one in found
            if one["is_known"] and not one["readonly"]
        ]

    async def _reservations(self, around: Circumstances) -> list[Suggestion]:
        if around.charger is None or not self.endpoint.path.endswith("cancel-reservation"):
            return []
        rows = await self._rows(f"{self._api}/reservations")
        words = N_("connector %(connector)s, card %(id_tag)s")
        return [
            Suggestion(str(one["reservation"]), _(words, **one))
            for one in rows
            if one["state"] == "active"
        ]

    async def _firmware(self, _around: Circumstances) -> list[Suggestion]:
        rows = await self._rows("/api/admin/files")
        of_ours = [one for one in rows if one["kind"] == "firmware" and one["deleted_at"] is None]
        return [Suggestion(one["title"], shapes.size(one["size_bytes"])) for one in of_ours]

    async def _places(self, _around: Circumstances) -> list[Suggestion]:
        chargers = await self._rows("/api/admin/chargers")
        return [
            Suggestion(one["name"] or one["id"], one["id"] if one["name"] else "")
            for one in chargers
        ]

    async def _named(self, path: str, _around: Circumstances) -> list[Suggestion]:
        return [Suggestion(str(one["id"]), one["name"] or "") for one in await self._rows(path)]


_READERS: Final[
    Mapping[str, Callable[[Suggestions, Circumstances], Awaitable[Sequence[Suggestion]]]]
] = {
    "connectorId": Suggestions._connectors,
    "transactionId": Suggestions._open_sessions,
    **dict.fromkeys(("idTag", "parentIdTag", "tag", "id_tag", "parent_id_tag"), Suggestions._tags),
    "key": Suggestions._keys,
    "reservationId": Suggestions._reservations,
    "location": Suggestions._firmware,
    "charger": lambda suggestions, around: suggestions._named("/api/admin/chargers", around),
    "account": lambda suggestions, around: suggestions._named("/api/admin/accounts", around),
    "tariff": lambda suggestions, around: suggestions._named("/api/admin/tariffs", around),
    "space": Suggestions._places,
    "station": lambda suggestions, around: suggestions._named("/api/admin/stations", around),
}
"""What reads the suggestions of a field, by the last part of its name."""


SESSION, WALLET, TAG = (
    "/api/admin/transactions/{id}",
    "/api/admin/wallets/{id}",
    "/api/admin/id-tags/{tag}",
)
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
                return FormSubject(**{name: await view.get(path.format(**view.path))})
            except ApiRefused:
                return None
    return None
