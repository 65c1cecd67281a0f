"""What the operator's commands share: the API and its token, what a response says to people, and
the exit status."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from levity_trio.cli import terminal
from levity_trio.cli.declaring import (
    EXISTING_FILE,
    JSON,
    Callback,
    Group,
    Known,
    Named,
    database_options,
    examples_of,
    help_of,
    name_of,
    option,
    present,
    together,
)
from levity_trio.cli.terminal import Output, local_words, say
from levity_trio.client import UNIX, Api, Refusal, Sought, is_open
from levity_trio.config import ConfigError, EnvironmentProblem, socket_path
from levity_trio.config.sources import load

ADMIN: Final = "admin"
PAGE_ROWS: Final = 500
DEFAULT_URL: Final = "http://127.0.0.1:9001"
SERVER: Final = Sought("central system", "start `levity-trio serve`, or give --api")
STATUSES: Final = """\
Exit status: 0 accepted, 1 no API or refused for now, 2 wrong usage, 3 rejected by the charger, 4
the charger answered with an error, 5 no answer, 6 the charger is not connected, 7 forbidden.
"""
FAILED, USAGE, REJECTED, ERROR, NO_ANSWER, NOT_CONNECTED, FORBIDDEN = range(1, 8)
OF_STATE: Final[Mapping[str, int]] = {
    "accepted": 0,
    "rejected": REJECTED,
    "error": ERROR,
    **dict.fromkeys(("timed out", "gone", "expired", "cancelled"), NO_ANSWER),
}
"""The exit status for the final state of a command; a command that is not finished yet counts as
accepted."""
_OF_CODE: Final[Mapping[str, int]] = {"not_connected": NOT_CONNECTED, "not_registered": FAILED}
_OF_HTTP: Final[Mapping[int, int]] = {401: FORBIDDEN, 403: FORBIDDEN, 429: FAILED}
_FIRST_SERVER_ERROR: Final = 500
FIELDS: Final = "levity_trio.fields"
"""Says in the context of a command from which parameters the fields of its request come."""
NAMES: Final[Mapping[str, str]] = {"accounts": "household", "series": "series", "vehicles": "car"}
"""What people call a resource of the API, and the command for it."""
LISTED: Final = ("backends", "users")
"""Resources that are a list without pages."""
NEEDED: Final = "this is needed"
"""What the API says of a field that was left out."""
NO_CHARGER: Final = "there is no charger "
_NOUNS: Final = "backend card car household meter series tariff user webhook"
LISTS: Final[Mapping[str, str]] = {
    **{f"there is no {noun} ": f"levity-trio {noun} list" for noun in _NOUNS.split()},
    "there is no price series ": "levity-trio series list",
    "there is no session ": "levity-trio sessions",
    "there is no statement ": "levity-trio bill list",
}


class RefusedByApi(EnvironmentProblem):
    """A refusal in the words of the command line, with the exit status that its help tells."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(in_words(refusal))
        self.code, self.document = refusal.code, refusal.document
        other = FAILED if refusal.status >= _FIRST_SERVER_ERROR else USAGE
        self.exit_status = _OF_CODE.get(refusal.code, _OF_HTTP.get(refusal.status, other))


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise RefusedByApi(refusal) from None


class Operator(Output):
    """The API of a running server, and the output of its responses as text or JSON.

    Without an address it is the local socket beside the database of `serve`, if this user can open
    that and has no token: there everything is allowed without one. Each request raises
    RefusedByApi, EnvironmentProblem.
    """

    def __init__(self, url: str | None, ca: Path | None = None, *, is_json: bool) -> None:
        super().__init__(is_json=is_json)
        terminal.forget()
        token = read_token(os.environ)
        url = url or (None if token else open_socket()) or DEFAULT_URL
        self._api = Api(url, SERVER, token, terminal.hear, ca)

    def run(self, function: Callback, options: dict[str, Any]) -> int | None:
        """Run a command with its options, in which things that are named get their numbers."""
        for parameter in click.get_current_context().command.params:
            name = str(parameter.name)
            if isinstance(parameter.type, Named) and options[name] is not None:
                options[name] = self.number(parameter.type.resource, options[name])
        return function(self, **options)

    def ask(self, method: str, *path: object, **options: Any) -> Any:
        """Send a request; see Api.ask."""
        with _refusals():
            return self._api.ask(method, *map(str, path), **options)

    def get(self, *path: object, **query: object) -> Any:
        """Return what is below /api/admin; what is None in the query is left out."""
        return self.ask("GET", ADMIN, *path, query=present(query))

    def post(self, *path: object, body: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send a body to what is below /api/admin."""
        return self.ask("POST", ADMIN, *path, given=body, **options)

    def put(self, *path: object, body: Mapping[str, Any]) -> Any:
        return self.ask("PUT", ADMIN, *path, given=body)

    def patch(self, *path: object, body: Mapping[str, Any]) -> Any:
        return self.ask("PATCH", ADMIN, *path, given=body)

    def delete(self, *path: object, **options: Any) -> Any:
        return self.ask("DELETE", ADMIN, *path, **options)

    def rows(self, *path: object, **query: object) -> Iterator[Any]:
        """Yield all rows of a list below /api/admin, page by page."""
        page: Any = {"next_cursor": None}
        while "next_cursor" in page:
            page = self.get(*path, **query, cursor=page["next_cursor"] or None, limit=PAGE_ROWS)
            yield from page["data"]

    def some_rows(self, limit: int | None, *path: object, **query: object) -> Iterator[Any]:
        """Yield the rows of a list, at least so many if there are. A page may have fewer rows than
        its limit."""
        left, cursor = limit, None
        while left is None or left > 0:
            page = self.get(*path, **query, cursor=cursor, limit=min(left or PAGE_ROWS, PAGE_ROWS))
            yield from page["data"]
            if not (cursor := page.get("next_cursor")):
                return
            left = None if left is None else left - len(page["data"])

    def send(self, method: str, *path: object, **options: Any) -> bytes:
        """Send a request with any body to what is below /api/admin, and return that of the
        response; see Api.send."""
        with _refusals():
            return self._api.send(method, ADMIN, *map(str, path), **options)

    def fetch(self, *path: object, into: BinaryIO, patience: float) -> None:
        """Write what is below /api/admin to a file."""
        with _refusals():
            self._api.fetch(ADMIN, *map(str, path), into=into, patience=patience)

    def lines(self, *path: str, **options: Any) -> Iterator[str]:
        """Yield the lines of a long response; see Api.lines."""
        with _refusals():
            yield from self._api.lines(*path, **options)

    def number(self, resource: str, named: str) -> int:
        """Return the number of a household or a car by its name, or of a statement as it is
        printed; a number is one already. Raises ConfigError."""
        if named.isdecimal():
            return int(named)
        by, key = ("number", "number") if resource == "statements" else ("name", "id")
        if resource in LISTED:
            records = [
                row
                for row in self.get(resource)
                if row["name"].casefold() == named.casefold() and not row.get("removed_at")
            ]
        else:
            records = self.get(resource, **{by: named})["data"]
        if not records:
            what = NAMES.get(resource, resource[:-1])
            missing = f"there is no {what} "
            raise ConfigError(f"{missing}{named!r}; {LISTS[missing]} shows all")
        return int(records[0][key])

    def household(self, number: int) -> str:
        """Return what people call the household with a number."""
        return str(self.get("accounts", number)["name"])

    def check_charger(self, charger: str | None) -> None:
        """Refuse a charger that is not known, which a list would only show nothing of."""
        if charger is not None:
            self.get("chargers", charger)

    def instant(self, text: str, option: str) -> str:
        """Return a time that somebody typed with its offset; one without, or a day, is in the time
        zone of the site.

        Raises click.BadParameter too.
        """
        if terminal.zone() is None:
            self.ask("GET", "version")  # each response says the time zone of the site
        try:
            return terminal.instant(text).isoformat()
        except ValueError:
            words = f"{text}: give a time such as 2026-03-01T12:00 or a day such as 2026-03-01"
            raise click.BadParameter(words, param_hint=option) from None

    def show_page(
        self,
        columns: Sequence[str],
        page: Mapping[str, Any],
        row: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
        narrower: str | None = None,
        empty: str = "none",
    ) -> None:
        """Show a page of a list as a table, each record by its row. `narrower` says how to see less
        of a long list, and `empty` what to do where there is nothing yet."""
        self.table(columns, list(map(row, page["data"])), page, terminal.none_yet(empty))
        if narrower is not None and not self.is_json and page.get("next_cursor"):
            say(f"… there are more; narrow the list{narrower}")


def known(context: click.Context, resource: str) -> list[str]:
    """Return the names of what the API has of a resource; none while no server answers."""
    try:
        operator = Operator(context.params.get("api") or os.environ.get("LEVITY_API"), is_json=True)
        found = operator.get(resource, **({} if resource in LISTED else {"limit": PAGE_ROWS}))
    except (ConfigError, EnvironmentProblem):
        return []
    rows = found if resource in LISTED else found["data"]
    return [str(row["id" if resource == "chargers" else "name"]) for row in rows]


Known.names = staticmethod(known)


def socket_address(database: str | None = None, config: str | None = None) -> str:
    """Return the address of the local socket beside the database of these settings. Raises
    ConfigError."""
    server, _ = load(present({"database": database, "config": config}), os.environ)
    return f"{UNIX}{socket_path(server.beside.resolve())}"


def open_socket() -> str | None:
    """Return the address of the local socket beside the database here; None if this user cannot
    open one."""
    try:
        address = socket_address()
    except ConfigError:  # of settings that are not for this command
        return None
    return address if is_open(Path(address.removeprefix(UNIX))) else None


def read_token(environment: Mapping[str, str]) -> str | None:
    """Return the token of LEVITY_TOKEN, else that of the token file; None if there is neither.

    Raises ConfigError if others may read the file.
    """
    if token := environment.get("LEVITY_TOKEN", "").strip():
        return token
    path = _token_file(environment)
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as problem:
        raise ConfigError(
            f"the token file {path} cannot be read ({problem}); set LEVITY_TOKEN"
        ) from None
    if stat.S_IMODE(mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"others may read the token file {path}; run chmod 600 {path}")
    return text.strip() or None


def _token_file(environment: Mapping[str, str]) -> Path:
    path = Path(environment.get("XDG_CONFIG_HOME") or "~/.config", "levity-trio", "token")
    with suppress(RuntimeError):  # a user without a home
        path = path.expanduser()
    return path


# Commands


CA: Final = option(
    "--ca FILE",
    "Root certificate of the server, if it has its own authority.",
    type=EXISTING_FILE,
    envvar="LEVITY_CA",
)
API: Final = together(
    option(
        "--api URL",
        "URL of the server's API, or unix:PATH  [default: the socket of the server here, "
        f"else {DEFAULT_URL}].",
        envvar="LEVITY_API",
    ),
    CA,
)


def command(
    name: str,
    *,
    group: click.Group | None = None,
    epilog: str | None = None,
    is_local: bool = False,
) -> Callable[[Callback], click.Command]:
    """Decorate `function(operator, …)` as a command with the options that all commands of an
    operator share.

    Its examples are in its docstring, or are those of its group that are of it. A local one goes
    over the socket beside the database that its options name: it needs no token, and works with
    --no-api. If --api is given, that is used; but a database that is named wins, so that LEVITY_API
    does not send this to another server.
    """

    def decorate(function: Callback) -> click.Command:
        @JSON
        @API
        @wraps(function)
        def run(
            api: str | None,
            ca: Path | None,
            database: str | None = None,
            config: str | None = None,
            *,
            is_json: bool,
            **options: Any,
        ) -> int | None:
            if is_local and (api is None or database is not None):
                api = socket_address(database, config)
            return Operator(api, ca, is_json=is_json).run(function, options)

        words, shown = help_of(function)
        shown = epilog or shown
        if group is not None and not shown:
            shown = examples_of(group.epilog, str(group.name), name)
        shown = f"{shown}\n{STATUSES}" if shown else STATUSES
        made = click.command(name, help=words, epilog=shown)(run)
        made.params.sort(key=lambda parameter: parameter.name in terminal.SHARED)
        if is_local:
            made.params += database_options()
        if group is not None:
            group.add_command(made)
        return made

    return decorate


class ApiGroup(Group):
    """A group of commands that ask the API of a running server. They are called as their
    functions."""

    def api_command(self, function: Callback) -> click.Command:
        """Decorate `function(operator, …)` as a command of this group."""
        return command(name_of(function), group=self)(function)


# Refusals


def in_words(refusal: Refusal) -> str:
    """Return what is wrong and what to do: with the options of this command, and the command that
    helps."""
    detail, field = str(refusal), str(refusal.document.get("field") or "")
    if field and detail.startswith(f"{field}: "):
        typed, words = _typed(field), detail.removeprefix(f"{field}: ")
        detail = f"give {typed} too" if words == NEEDED and typed != field else f"{typed}: {words}"
    detail = local_words(detail.removeprefix("body: ").replace(" with force", " with --force"))
    seconds = refusal.document.get("retry_after")
    hint = f"; try again in {seconds} s" if seconds else ""
    if refusal.status == 401:
        hint += (
            "; make one with levity-trio token create, then set LEVITY_TOKEN, or write it to "
            f"{_token_file(os.environ)}; on the server's machine, its user needs none in the "
            "folder of the database, and elsewhere with --api unix:PATH/levity.db.sock"
        )
    command = refusal.document.get("command") or {}
    if refusal.code == "no_answer" and command.get("state") == "timed out":
        # Nobody is to send a command twice that the charger carries out.
        hint += (
            "; a late one still counts, so do not repeat it before you looked: levity-trio "
            f"commands {command['id']}"
        )
    for missing, lists in LISTS.items():
        if missing in detail and ";" not in detail:
            hint += f"; {lists} shows all"
    if detail.startswith(NO_CHARGER):
        charger = shlex.quote(detail.removeprefix(NO_CHARGER))
        hint += (
            f"; it has not connected yet: levity-trio charger add {charger} registers it "
            "before it does, levity-trio chargers lists all"
        )
    return f"{detail}{hint}"


def _typed(field: str) -> str:
    """Return the option or the argument of this command from which a field comes; the field if
    there is none."""
    context = click.get_current_context(silent=True)
    wanted = field if context is None else context.meta.get(FIELDS, {}).get(field, field)
    for parameter in context.command.params if context else ():
        name = parameter.name or ""
        is_named = f"{field}s" == getattr(parameter.type, "resource", "")
        if is_named or name == wanted or wanted.startswith(f"{name}_"):
            is_option = isinstance(parameter, click.Option)
            return (
                parameter.opts[0] if is_option else (parameter.metavar or name.upper()).strip("[]")
            )
    return field
