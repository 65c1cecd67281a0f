"""Templates to HTML: the environment, its filters, and what every page knows.

The anti-CSRF value of a form differs by reader, and a page's parts are rendered once for all
readers with the same rights. So forms are rendered with a placeholder, and `personal` puts the
reader's own value in its place when the page or the part is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import cache
from secrets import token_hex
from threading import Lock
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from levity_trio.locale import N_, _, _n, _p, formats, language, languages
from levity_trio.locale.texts import Reader, said
from levity_trio.records import record
from levity_trio.told import Moment, joined
from levity_trio.web.dashboard import charts, money, pictures, progress, shapes, words
from levity_trio.web.dashboard.fields import CHOICES
from levity_trio.web.dashboard.operations import words_of
from levity_trio.web.dashboard.page import LivePart, PageView, Values
from levity_trio.web.dashboard.words import method, sentence, state_of
from levity_trio.wire.times import in_zone
from levity_trio.wire.times import stamp as stamp_of

GIVE_WAY_SECONDS: Final = 0.001
"""Between two parts that are rendered, and two readers that are sent them: chargers are answered
meanwhile."""
PLACEHOLDER: Final = token_hex(16)
"""Stands for the anti-CSRF value. It is random, so that no charger can send it."""


SHARED: Final = ("now", "zone", "base", "form_value", "view")
"""What every template knows: the time, the site's zone, the path of a proxy, the placeholder, and
who looks."""


def personal(html: bytes, form_value: str) -> bytes:
    """Return HTML as it is sent to one reader."""
    return html.replace(PLACEHOLDER.encode(), form_value.encode())


def _quoted(value: object) -> str:
    """Return a text as one segment of a path or one value of a query, or a query. Jinja's own
    filter keeps slashes."""
    return urlencode(value) if isinstance(value, Mapping) else quote(str(value), safe="")


def _dash(value: object) -> object:
    return shapes.UNKNOWN if value is None or value == "" else value


def _element(
    words: Callable[[datetime, datetime, tzinfo], str], mark: str = ""
) -> Callable[..., str | Markup]:
    """Return a filter that shows a time in these words, as an element with the full one beneath."""
    made = Markup('<time datetime="{}" title="{}"%s>{}</time>' % mark)  # noqa: S704, UP031 - a mark of ours

    @pass_context
    def shown(context: Context, stamp: str | None) -> str | Markup:
        if stamp is None:
            return shapes.UNKNOWN
        at = shapes.moment(stamp)
        zone = context["zone"]
        whole = shapes.whole_time(at, zone)
        return made.format(f"{at:%Y-%m-%dT%H:%M:%SZ}", whole, words(at, context["now"], zone))

    return shown


def _age(at: datetime, now: datetime, _zone: tzinfo) -> str:
    """Return how long ago something was. The page counts on by itself."""
    return shapes.span((now - at).total_seconds())


@pass_context
def _duration(context: Context, since: str | None, until: str | None = None) -> str:
    """Return the time between two moments, the second of which is now if it is unknown."""
    if since is None:
        return shapes.UNKNOWN
    end = context["now"] if until is None else shapes.moment(until)
    return shapes.duration((end - shapes.moment(since)).total_seconds())


@pass_context
def _period(context: Context, since: str, until: str | None = None) -> str:
    """Return from when to when something was, or that it lasts."""
    end = None if until is None else shapes.moment(until)
    return shapes.period(shapes.moment(since), end, context["now"], context["zone"])


@pass_context
def _on_day(context: Context, stamp: str) -> str:
    zone = context["zone"]
    local = in_zone(shapes.moment(stamp), zone)
    return shapes.day(local, in_zone(context["now"], zone))


@pass_context
def _last_day(context: Context, stamp: str) -> str:
    """Return the last day of a stretch that ends at a time, which is not part of it."""
    return _on_day(context, stamp_of(shapes.moment(stamp) - datetime.resolution))


@pass_context
def _second(context: Context, stamp: str) -> str:
    """Return the time of day to the second."""
    return f"{in_zone(shapes.moment(stamp), context['zone']):%H:%M:%S}"


@pass_context
def _exactly(context: Context, stamp: str) -> str:
    """Return a time to the second, with its day."""
    return shapes.whole_time(shapes.moment(stamp), context["zone"])


@pass_context
def _said(context: Context, words: str) -> str:
    """Return a text with its figures and times as people write them."""
    return said(words, Reader(context["zone"], context["now"]))


@pass_context
def _charger_time(context: Context, stamp: str) -> str:
    """Return a time from a charger's message in the zone of the site; a text that is no time stays
    as it is."""
    return _said(context, joined("", [Moment(stamp)]))


@pass_context
def _sentence(context: Context, words: str) -> str:
    return sentence(_said(context, words))


def _decimal(figure: str) -> str:
    return formats.typed(Decimal(figure))


def _known_words(name: str) -> str:
    """Return the words for an identifier: its translation, else its own parts, translated."""
    # `_` returns what it does not know.
    words = _(name)
    return words if words != name else _(shapes.words(name))


def _choice(word: str) -> str:
    """Return what may be chosen in words; of languages their own name."""
    if word in languages():
        return formats.format_of(word).name
    return _(CHOICES.get(word, word))


def _words_of_script() -> dict[str, str]:
    """Return what assets/base.js says, in the language of the request. `{}` is what it fills in."""
    return {
        "live": _("live"),
        "lost": _("no connection"),
        "unread": _("the page cannot be read now"),
        "for": _("%(what)s for %(age)s", what="{}", age="{}"),
        "read": _("Got it"),
        "sending": _("Sending…"),
        "copied": _("Copied"),
        "zone": _("; yours is %(zone)s", zone="{}"),
        "now": _("now"),
        "min": _("%(count)s min", count="{}"),
        "h": _("%(count)s h", count="{}"),
        "d": _("%(count)s d", count="{}"),
    }


_PART: Final = Markup('<div class="part" id="{}">{}</div>')


@pass_context
def _part(context: Context, part: LivePart) -> Markup:
    shared: dict[str, Any] = {name: context[name] for name in SHARED}
    content = _content(context.environment, part, shared)
    return _PART.format(part.id, Markup(content))  # noqa: S704 - rendered with autoescape


MOST_KEPT: Final = 16
"""Contents of parts that are kept: a picture is the same for a quarter of an hour."""
_kept: Final[dict[tuple[object, ...], str]] = {}
_KEEPING: Final = Lock()


def _content(environment: Environment, part: LivePart, shared: Mapping[str, Any]) -> str:
    """Return the content of a part. With a key it is rendered once for everybody (see
    `LivePart.key`), so `now` and `view` are no part of what is kept."""
    key = (part.template, part.key, language(), str(shared["zone"]), shared["base"])
    content = _kept.get(key) if part.key else None
    if content is not None:
        return content
    content = environment.get_template(part.template).render({**shared, **part.values})
    if part.key:
        # Threads render at once. A dict must not change while another one looks for its oldest key.
        with _KEEPING:
            while len(_kept) >= MOST_KEPT:
                _kept.pop(next(iter(_kept)))
            _kept[key] = content
    return content


OF_MONEY: Final = (
    *("metered", "by_quarter", "money", "amount", "price", "percent"),
    *("typed", "month", "day", "line", "times"),
)
"""Filters of these names are functions of money.py."""
PICTURES: Final = vars(charts) | vars(pictures)
OF_PICTURES: Final = (
    *("compared", "stack", "steps", "day_values", "month_values", "phase_values"),
    *("price_pictures", "quarter_values", "sun_values"),
)
"""What templates call by these names are functions of charts.py and pictures.py."""


@cache
def shared_environment() -> Environment:
    """Return the environment of all sites, so that each template is compiled once."""
    made = Environment(
        loader=PackageLoader("levity_trio.web.dashboard", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    made.filters |= {
        "number": formats.number,
        "decimal": _decimal,
        "kwh": shapes.kwh,
        "typed_kwh": shapes.typed_kwh,
        "kw": shapes.kilowatts,
        "measured": words.measured,
        "size": shapes.size,
        "fingerprint": shapes.fingerprint,
        "length_of": shapes.length,
    }
    made.filters |= {name: vars(money)[name] for name in OF_MONEY}

    # Times: as elements with the full time beneath, or as text alone.
    made.filters |= {
        "time": _element(shapes.when),
        "dated": _element(shapes.dated),
        "age": _element(_age, " data-age"),
        "clock": _element(shapes.clock),
        "hour": _element(lambda at, _now, zone: f"{in_zone(at, zone):%H:%M}"),
    }
    made.filters |= {
        "duration": _duration,
        "period": _period,
        "exactly": _exactly,
        "on_day": _on_day,
        "last_day": _last_day,
        "second": _second,
        "as_sent": _charger_time,
    }
    made.filters |= {
        "said": _said,
        "sentence": _sentence,
        "word": _,
        "words": _known_words,
        "choice": _choice,
        "state_of": state_of,
        "method": method,
        "course": progress.steps,
        "operation": words_of,
        "person": words.person,
        "owner": words.owner,
        "dash": _dash,
    }
    made.filters |= {"json": shapes.json_text, "modules": charts.modules, "urlencode": _quoted}
    made.globals |= {"_": _, "gettext": _, "_n": _n, "_p": _p, "N_": N_, "language": language}
    made.globals |= {"words_of_script": _words_of_script, "part": _part, "chart": charts.curve}
    made.globals |= {"hours_of_week": charts.week, **{name: PICTURES[name] for name in OF_PICTURES}}
    return made


@record
class Templates:
    """Renders templates of one site. `base` is the path below which a proxy serves the dashboard,
    mostly ""."""

    base: str
    zone: tzinfo
    environment: Environment = field(default_factory=shared_environment)

    def render(self, template: str, view: PageView, now: datetime, values: Values) -> str:
        """Return a page, or the content of a part."""
        shown = {**self._shared(view, now), **values}
        return self.environment.get_template(template).render(shown)

    def _shared(self, view: PageView, now: datetime) -> Values:
        return {
            "now": now,
            "zone": self.zone,
            "base": self.base,
            "form_value": PLACEHOLDER,
            "view": view,
        }

    def render_parts(
        self, parts: Sequence[LivePart], view: PageView, now: datetime
    ) -> Mapping[str, str]:
        """Return the content of each part by its id. This pauses, so it belongs into a thread."""
        made = {}
        shared = self._shared(view, now)
        for part in parts:
            made[part.id] = _content(self.environment, part, shared)
            time.sleep(GIVE_WAY_SECONDS)
        return made
