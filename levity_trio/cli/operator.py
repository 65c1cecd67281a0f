"""What the operator's commands share: the API, the token, the output and the exit status."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from levity_trio.cli import site_times
from levity_trio.cli.examples import examples_of
from levity_trio.cli.refusing import in_words, token_file
from levity_trio.cli.tables import say, show_record, show_table
from levity_trio.client import Api, Refusal, Sought
from levity_trio.config import ConfigError, EnvironmentProblem

PAGE_ROWS: Final = 500
DEFAULT_URL: Final = "http://127.0.0.1:9001"
SERVER: Final = Sought("central system", "start `levity-trio serve`, or give --api")
STATUSES: Final = """\
Exit status: 0 accepted, 1 no API or refused for now, 2 wrong usage, 3 rejected by the charger, 4 the charger answered
with an error, 5 no answer, 6 the charger is not connected, 7 forbidden.
"""
FAILED, USAGE, REJECTED, ERROR, NO_ANSWER, NOT_CONNECTED, FORBIDDEN = range(1, 8)
OF_STATE: Final[Mapping[str, int]] = {
    "accepted": 0,
    "rejected": REJECTED,
    "error": ERROR,
    **dict.fromkeys(("timed out", "gone", "expired", "cancelled"), NO_ANSWER),
}
"""The exit status for the final state of a command; a command that is not finished yet counts as accepted."""
_OF_CODE: Final[Mapping[str, int]] = {"not_connected": NOT_CONNECTED, "not_registered": FAILED}
_OF_HTTP: Final[Mapping[int, int]] = {401: FORBIDDEN, 403: FORBIDDEN, 429: FAILED}
_FIRST_SERVER_ERROR: Final = 500


class RefusedByApi(EnvironmentProblem):
    """A refusal with the exit status that its help tells."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(in_words(refusal))
        self.code = refusal.code
        self.exit_status = exit_status(refusal)


def exit_status(refusal: Refusal) -> int:
    """Return the exit status for a refusal: by its code, else by its HTTP status; a wrong request is wrong usage."""
    other = FAILED if refusal.status >= _FIRST_SERVER_ERROR else USAGE
    return _OF_CODE.get(refusal.code, _OF_HTTP.get(refusal.status, other))


class Operator:
    """The API of a running server, and the output of its responses as text or JSON."""

    def __init__(self, url: str, *, is_json: bool) -> None:
        site_times.forget()
        self.api = Api(url, SERVER, read_token(os.environ), site_times.hear)
        self.is_json = is_json

    def ask(self, method: str, *path: str, **options: Any) -> Any:
        """Send a request; see Api.ask. Raises RefusedByApi, EnvironmentProblem."""
        try:
            return self.api.ask(method, *path, **options)
        except Refusal as refusal:
            raise RefusedByApi(refusal) from None

    def rows(self, *path: str, **query: object) -> Iterator[Any]:
        """Yield all rows of a list, page by page. Raises like `ask`."""
        page: Any = {"next_cursor": None}
        while "next_cursor" in page:
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
            page = self.ask("GET", *path, query={**query, **cursor, "limit": PAGE_ROWS})
            yield from page["data"]

    def send(self, method: str, *path: str, **options: Any) -> Any:
        """Send a request with any body and return its JSON response; see Api.send. Raises like `ask`."""
        try:
            return json.loads(self.api.send(method, *path, **options))
        except Refusal as refusal:
            raise RefusedByApi(refusal) from None

    def table(self, columns: Sequence[str], records: Sequence[Mapping[str, Any]], whole: object = None) -> None:
        """Show records as a table; with --json show them, or `whole` if given."""
        if self.is_json:
            say(json.dumps(records if whole is None else whole))
            return
        show_table(columns, records)
        if isinstance(whole, Mapping) and whole.get("next_cursor"):
            say(f"only the first {len(records)} are shown; --limit NUMBER shows more")

    def instant(self, text: str, option: str) -> str:
        """Return a time that somebody typed with its offset; one without, or a day, is in the time zone of the site.

        Raises click.BadParameter, and like `ask`.
        """
        if site_times.zone() is None:
            self.ask("GET", "version")  # each response says the time zone of the site
        try:
            return site_times.instant(text).isoformat()
        except ValueError:
            words = f"{text}: give a time such as 2026-03-01T12:00 or a day such as 2026-03-01"
            raise click.BadParameter(words, param_hint=option) from None

    def tell(self, record: object, words: str) -> None:
        """Output these words, or with --json the record."""
        say(json.dumps(record) if self.is_json else words)

    def record(self, record: Mapping[str, Any]) -> None:
        """Show one record field by field."""
        if self.is_json:
            say(json.dumps(record))
        else:
            show_record(record)


def read_token(environment: Mapping[str, str]) -> str | None:
    """Return the token of LEVITY_TOKEN, else that of the token file; None if there is neither.

    Raises ConfigError if others may read the file.
    """
    if token := environment.get("LEVITY_TOKEN", "").strip():
        return token
    path = token_file(environment)
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as problem:
        raise ConfigError(f"the token file {path} cannot be read ({problem}); set LEVITY_TOKEN") from None
    if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"others may read the token file {path}; run chmod 600 {path}")
    return text.strip() or None


Callback = Callable[..., int | None]
Parameter = Callable[[Callback], Callback]

_API = click.option(
    "--api",
    metavar="URL",
    default=DEFAULT_URL,
    envvar="LEVITY_API",
    show_default=True,
    help="URL of the server's API, or unix:PATH.",
)
_JSON = click.option("--json", "is_json", is_flag=True, help="Output JSON, for programs.")


def command(name: str, *, group: click.Group | None = None, epilog: str = "") -> Callable[[Callback], click.Command]:
    """Decorate `function(operator, …)` as a command with the options that all commands of an operator share."""

    def decorate(function: Callback) -> click.Command:
        def run(api: str, *, is_json: bool, **given: Any) -> int | None:
            return function(Operator(api, is_json=is_json), **given)

        run.__doc__ = function.__doc__
        run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]  # click's own way
        for option in (_API, _JSON):
            option(run)
        shown = epilog or (examples_of(group.epilog, str(group.name), name) if group else "")
        made = click.command(name, epilog=f"{shown}\n{STATUSES}" if shown else STATUSES)(run)
        if group is not None:
            group.add_command(made)
        return made

    return decorate
