"""`levity-trio load`: who may draw what under the feeder, why, and what another feeder would have
done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from levity_trio.cli.bill import write_into
from levity_trio.cli.commands import group_of
from levity_trio.cli.declaring import ANY_FILE, EXISTING_FILE, argument, flag, option, present
from levity_trio.cli.operator import Operator
from levity_trio.cli.terminal import CountProgress, counted, figure, fill, local_minute, say
from levity_trio.config import ConfigError, EnvironmentProblem

WIDTH: Final = 32
"""Characters of a bar that is as long as the limit."""
PATIENCE: Final = 120.0
LOOK_SECONDS: Final = 1.0
NO_WAY: Final = 5
"""Of a charger that takes no limits."""
NO_SITE: Final = (
    "nothing is managed: levity-trio load site --help, or the page Feeder, enters a feeder"
)

load = group_of("load")


_CHARGER: Final = argument("CHARGER")


@load.api_command
def show(operator: Operator) -> None:
    """Show what is drawn at each phase, and what each car may draw."""
    found = operator.ask("GET", "load")
    if operator.is_told(found):
        return
    for line in found["lines"]:
        house, cars, limit = line["house_a"], line["cars_a"], max(line["limit_a"], 0.1)
        filled = [round(WIDTH * min(amperes / limit, 1.5)) for amperes in (house, house + cars)]
        bar = ("#" * filled[0]).ljust(filled[1], "=").ljust(WIDTH, ".")
        figures = f"house {house:.0f}, cars {cars:.0f} of {line['limit_a']:.0f} A"
        say(f"{line['circuit'][:8]:<8} {line['phase']} {bar} {figures}")
    say(fill(found["grid_says"]))
    if found["sun"]:
        names = ("grid", "panels", "battery", "house", "cars")
        powers = [(name, found["sun"][f"{name}_w"]) for name in names]
        told = [f"{name} {watts / 1000:.1f} kW" for name, watts in powers if watts is not None]
        say(f"{'sun':<11} {', '.join(told) or 'nothing is known'}")
    for car in found["cars"]:
        say(f"{_place(car):<16} {car['says']}")
    _say_kept(found["kept"])
    for meter in found["meters"]:
        if meter["says"]:
            say(
                fill(
                    f"{meter['says']} (since "
                    f"{local_minute(meter['since']) if meter['since'] else 'ever'})"
                )
            )
    if found["preparing"]:
        say(f"{counted(found['preparing'], 'charger')} being prepared for limits")
    if found["is_shadow"]:
        say("nothing is sent to a charger: levity-trio load on begins that")


def _say_kept(kept: Sequence[Mapping[str, Any]]) -> None:
    for one in kept:
        since = f" since {local_minute(one['since'])}" if one["since"] else ""
        out = f"; gone for good: levity-trio load off {one['charger']}" if one["is_managed"] else ""
        say(fill(f"{one['amperes']} A are kept for {one['charger']}, which is away{since}{out}"))


def _place(car: Mapping[str, Any]) -> str:
    return str(car["charger"]) if car["connector"] == 1 else f"{car['charger']}, {car['connector']}"


@load.api_command
@_CHARGER
def why(operator: Operator, charger: str) -> None:
    """Explain what the cars at a charger may draw."""
    found = operator.ask("GET", "load", "why", charger)
    if operator.is_told(found):
        return
    for one in found["data"]:
        for words in one["words"]:
            say(fill(words))
        _say_kept(one["kept"])


def _amperes_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@load.api_command
@argument("[FILE]", type=EXISTING_FILE)
@option("--amperes", "One feeder with this limit per phase, all chargers at it.", type=float)
@option(
    "--house", "On it, too: none, its highest A, or the model of its meter.", type=_amperes_or_text
)
@option("--address", "Of that meter.")
@option("--most", "A per phase that one charger can draw: 16 for 11 kW.", type=int)
@flag("--check", "Say whether it fits; enter nothing.", "is_check")
@flag("--fit", "If it does not fit, enter the first way in which it would.")
@flag("--off", "End load management.")
def site(
    operator: Operator, file: Path | None, *, is_check: bool, fit: bool, off: bool, **asked: Any
) -> None:
    """Print the circuits as TOML, or enter them from a file.

    Examples:
      levity-trio load site
      levity-trio load site --amperes 63 --house none --most 32 --check
      levity-trio load site --amperes 63 --house 12 --most 16
      levity-trio load site feeder.toml
      levity-trio load site > feeder.toml
      levity-trio load site --off
    """
    feeder = present(asked)
    if feeder and not feeder.keys() >= {"amperes", "house", "most"}:
        raise ConfigError(
            "give --amperes, --house (what else hangs on it) and --most (of one charger) together"
        )
    if [file is not None, bool(feeder), off].count(True) > 1:
        raise ConfigError("give a file, --amperes or --off")
    body = {"toml": ""} if off else {"feeder": feeder} if file is None else {"toml": _read(file)}
    if file is None and not feeder and not off:
        found = operator.get("load", "site")
        if not operator.is_told(found):
            say(found["toml"] or NO_SITE, ends_line=not found["toml"])
        return
    _enter(
        operator, body, "load management is off" if off else "entered", is_check=is_check, fit=fit
    )


def _enter(
    operator: Operator,
    body: Mapping[str, Any],
    done: str,
    *,
    is_check: bool = False,
    fit: bool = False,
) -> None:
    """Enter a site if it fits, or say why it does not."""
    found = operator.post("load", "site", "preview", body=body)
    if fit and found["offers"]:
        body = {"toml": found["offers"][0]["toml"]}
        found = operator.post("load", "site", "preview", body=body)
    if is_check or found["problems"]:
        if not operator.is_told(found):
            _say_checked(found)
        if found["problems"]:
            raise ConfigError("nothing was entered: this could not last without the server")
        return
    operator.tell(operator.put("load", "site", body=body), done)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise EnvironmentProblem(f"cannot read {file}: {error}") from None


def _say_checked(found: Mapping[str, Any]) -> None:
    for problem in found["problems"]:
        say(fill(" ".join([problem["text"], *problem["advice"]])))
    if not found["problems"]:
        without = [one["charger"] for one in found["chargers"] if not one["safe"]]
        say(fill(f"it fits; in an outage these give nothing: {', '.join(without) or 'none'}"))
    for number, offer in enumerate(found["offers"]):
        how = " (--fit enters this)" if not number else ""
        say(
            fill(
                f"{offer['words']}: "
                f"{', '.join(offer['without']) or 'every charger keeps its limit'}{how}."
            )
        )


_OF_CHARGERS: Final = argument("[CHARGER]")


@load.api_command
def chargers(operator: Operator) -> None:
    """List the chargers that are limited, and whether they obey."""
    found = operator.ask("GET", "load", "chargers")
    if operator.is_told(found):
        return
    if not found["data"]:
        say("no charger is limited: levity-trio load on begins that")
    for one in found["data"]:
        way = "cannot be limited" if one["way"] == NO_WAY else f"limited by {one['way_words']}"
        say(f"{one['charger']:<16} {_obeys(one)}; {way}")
        for lease in one["leases"]:
            until = (
                f" until {local_minute(lease['ends_at'])}, then {lease['safe_a']} A"
                if lease["ends_at"]
                else ""
            )
            reasons = ", ".join(f"{why} {times}" for why, times in lease["reasons"].items())
            say(
                f"{'':16} connector {lease['connector']}: {lease['amperes']} A{until}; sent "
                f"{lease['writes']} today{f' ({reasons})' if reasons else ''}"
            )


def _obeys(one: Mapping[str, Any]) -> str:
    if one["state"] == "limited":
        return (
            f"away, still limited by us; by hand: levity-trio call {one['charger']} "
            "ClearChargingProfile"
        )
    if one["state"] == "leaving":
        return "is being let go"
    if one["disobeys_since"] is not None:
        return (
            f"does not obey since {local_minute(one['disobeys_since'])}, has obeyed "
            f"{one['obeyed']} of 3 since"
        )
    if one["has_passed"]:
        return "has passed its trial"
    return (
        f"trusted by {one['trusted_by']}"
        if one["trusted_by"]
        else "has passed no trial: its maximum is kept while it is away"
    )


@load.api_command
@_OF_CHARGERS
@option("--circuit NAME", "All chargers at this circuit.")
def forget(operator: Operator, charger: str | None, circuit: str | None) -> None:
    """Show what is remembered, or forget what a charger has shown, or the highest load of a house.

    That of seven days is kept free in case of an outage: forget it if the meter was wrong. What a
    charger has shown is believed of all with its firmware, so these must pass their trial again.
    """
    if charger or circuit:
        found = operator.post("load", "forget", body={"charger": charger, "circuit": circuit})
        operator.tell(found, f"what was remembered of {charger or circuit} is forgotten")
        return
    found = operator.ask("GET", "load", "memory")
    if operator.is_told(found):
        return
    for one in found["data"]:
        at = f", {local_minute(one['at'])}" if one["at"] else ""
        say(f"{one['circuit'] or one['charger']:<16} {'; '.join(one['words'])}{at}")
    if not found["data"]:
        say("nothing is remembered yet")


@load.api_command
@_CHARGER
@option("--connector", "Which of its connectors.", type=int, default=1)
@flag("--cancel", "Cancel the trial that runs.")
def try_(operator: Operator, charger: str, connector: int, *, cancel: bool) -> None:
    """Try for fifteen minutes, with a car that charges, whether a charger obeys."""
    if cancel:
        operator.tell(
            operator.delete("load", "trials", charger), f"the trial of {charger} is cancelled"
        )
        return
    operator.post("load", "trials", body={"charger": charger, "connector": connector})
    told = 0
    while True:
        found = operator.ask("GET", "load", "trials", charger)
        told = told if operator.is_json else _say_steps(found["steps"], told)
        if found["result"] is not None:
            break
        time.sleep(LOOK_SECONDS)
    operator.tell(found, f"{charger}: {found['result']}")
    if found["result"] != "passed":
        raise EnvironmentProblem("until it has passed, its maximum is kept for it while it is away")


@load.api_command
@_CHARGER
@option("-o --output FILE", "A .pdf or .html; by default CHARGER.pdf.", type=ANY_FILE)
def sheet(operator: Operator, charger: str, output: Path | None) -> None:
    """Print the sheet for the commissioning of a charger, after its trial."""
    target = output or Path(f"{charger}.pdf")
    query = {"format": target.suffix.removeprefix(".")}
    content = operator.send("GET", "load", "sheets", charger, query=query, patience=PATIENCE)
    write_into(target.parent, target.name, content, replaces=True)
    operator.tell({"path": str(target)}, f"the sheet of {charger} is now in {target}")


def _say_steps(steps: Sequence[Mapping[str, Any]], told: int) -> int:
    """Say the steps that are news; each is said when it begins and when it has ended. Return how
    many were said."""
    from levity_trio.store.reads.load.leases import TRIED  # noqa: PLC0415 - so that --help answers at once

    news = [
        (one, is_end)
        for one in steps
        for is_end in (False, True)
        if not is_end or one["is_passed"] is not None
    ]
    for one, is_end in news[told:]:
        if not is_end:
            say(TRIED[one["step"]])
        else:
            say(f"  {'yes' if one['is_passed'] else 'no'}: {one['words']}")
    return len(news)


@load.api_command
def meters(operator: Operator) -> None:
    """Show what the meters of circuits show."""
    found = operator.get("load", "site")["meters"]
    operator.table(
        ("name", "circuit", "amperes", "at", "is_stale"), found, empty="there is no meter"
    )


@load.api_command
@argument("ALLOWED")
@option("--source", "Whence it came.", default="CLI")
def order(operator: Operator, allowed: str, source: str) -> None:
    """Hand on an order of the grid operator: amperes on each phase, kilowatts on all together, or
    `none`.

    Examples:
      levity-trio load order 16
      levity-trio load order 8.4kW --source relay
      levity-trio load order none
    """
    number = allowed.removesuffix("kW")
    try:
        body = {
            "amperes" if number == allowed else "kilowatts": None
            if allowed == "none"
            else float(number)
        }
    except ValueError:
        words = f"{allowed}: give amperes such as 16, kilowatts such as 8.4kW, or none"
        raise click.BadParameter(words, param_hint="ALLOWED") from None
    found = operator.put("load", "grid-limit", body={**body, "source": source})
    operator.tell(found, "it holds from now on: levity-trio load orders")


@load.api_command
@option("--limit", "Of the feeder, in A per phase.", "amperes", type=float)
@option(
    "--chargers",
    "How many more, such as +5; each is used as one that is there.",
    default="0",
    show_default=False,
)
@option("--since DAY", "Default: a year ago.")
@option("--until DAY", "Default: today.")
def what_if(
    operator: Operator, amperes: float | None, chargers: str, since: str | None, until: str | None
) -> None:
    """Charge the site's own past again, under another feeder."""
    if not chargers.removeprefix("+").isdecimal():
        raise click.BadParameter(f"{chargers}: give a number such as +5", param_hint="--chargers")
    last = _day(until, "--until") or datetime.now(UTC).date()
    begin = first = _day(since, "--since") or last - timedelta(days=365)
    more = int(chargers.removeprefix("+"))
    sums = ("sessions", "wanted_wh", "given_wh", "waited_seconds")
    whole: dict[str, Any] = {**dict.fromkeys(sums, 0), "peak_a": [0.0, 0.0, 0.0], "short": {}}
    with CountProgress("days", is_json=operator.is_json) as progress:
        while begin < last:
            end = min(begin + timedelta(days=31), last)
            body = {"since": str(begin), "until": str(end), "amperes": amperes, "chargers": more}
            part = operator.post("load", "what-if", body=body, patience=PATIENCE)
            for name in sums:
                whole[name] += part[name]
            peaks = zip(whole["peak_a"], part["peak_a"], strict=True)
            whole["peak_a"] = [max(both) for both in peaks]
            for one in part["short"]:
                none_yet = {"who": one["who"], "sessions": 0, "missing_wh": 0}
                together = whole["short"].setdefault(one["who"], none_yet)
                together["sessions"] += one["sessions"]
                together["missing_wh"] += one["missing_wh"]
            begin = end
            progress((begin - first).days, (last - first).days)
    whole["short"] = sorted(whole["short"].values(), key=lambda one: -one["missing_wh"])
    if not operator.is_told(whole):
        _say_what_if(whole, first, last)


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text}: give a day such as 2026-03-01", param_hint=option
        ) from None


def _say_what_if(whole: Mapping[str, Any], since: date, until: date) -> None:
    if not whole["sessions"]:
        say(f"nobody charged from {since} to {until}")
        return
    met = 100 * whole["given_wh"] / whole["wanted_wh"]
    say(f"{since} to {until}, {whole['sessions']} sessions")
    say(f"energy    {figure(met, 1)} % of {figure(whole['wanted_wh'] / 1000, 0)} kWh")
    say(f"waiting   {figure(whole['waited_seconds'] / 3600, 0)} hours in all")
    peaks = [f"L{line} {figure(peak, 1)} A" for line, peak in enumerate(whole["peak_a"], 1)]
    say(f"peak      {', '.join(peaks)}")
    for one in whole["short"]:
        missing, sessions = figure(one["missing_wh"] / 1000, 1), counted(one["sessions"], "session")
        say(f"short     {one['who']}: {missing} kWh in {sessions}")
    if not whole["short"]:
        say("nobody would have been short")


@load.api_command
@argument("[DAY]")
def day(operator: Operator, day: str | None) -> None:
    """Show who waited or was bound on a day, today by default."""
    found = operator.ask("GET", "load", "day", query={"day": day} if day else {})
    if operator.is_told(found):
        return
    for line in found["lines"]:
        is_metered = any(house is not None for house in line["house_a"])
        both = zip(line["house_a"], line["cars_a"], strict=True)
        known = [
            (house, cars)
            for house, cars in both
            if cars is not None and (house is not None or not is_metered)
        ]
        drawn = [(house or 0) + cars for house, cars in known]
        highest = max((one for one in line["limit_a"] if one is not None), default=0)
        say(
            f"{line['circuit'][:12]:<12} {line['phase']} mean "
            f"{figure(sum(drawn) / max(1, len(drawn)), 1)} A, highest quarter "
            f"{figure(max(drawn, default=0), 1)} of {highest:.0f} A, over it "
            f"{line['over_seconds']} s"
        )
    for one in found["sessions"]:
        bound = ", ".join(f"{each['circuit']} {each['seconds'] // 60} min" for each in one["bound"])
        say(
            f"{_place(one):<16} waited {one['waited_seconds'] // 60} "
            f"min{'; bound by ' + bound if bound else ''}"
        )
