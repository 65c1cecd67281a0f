"""Users and the log-ins of their browsers. Operators manage drivers, to whom they hand out one-time
codes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from levity_trio.documents.paper import DocumentForm, LogInLetter, file_name
from levity_trio.documents.template import ENGLISH
from levity_trio.locale import language, speaking
from levity_trio.locale.formats import short_day
from levity_trio.nouns import User
from levity_trio.records import Personal, copied
from levity_trio.store.billing.biller import newest_biller
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.people import households as stored
from levity_trio.store.reads.people.households import LoginRow, UserRow
from levity_trio.store.writes.people import users as writes
from levity_trio.store.writes.people.users import Manager, NewInvitation
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    TypedRequest,
    changes_of,
)
from levity_trio.web.api.engine.lists import Limit
from levity_trio.web.api.engine.papers import MEDIA_TYPES, DocumentResponse, document
from levity_trio.web.api.engine.problems import conflict, not_found
from levity_trio.web.api.engine.serving import check_first
from levity_trio.web.api.people.accounts import Id, Language, find_account
from levity_trio.web.drivers_address import SAY_WHERE, is_local, welcome_page
from levity_trio.web.logins.invitations import (
    LASTS,
    LINK,
    PIN,
    Kind,
    make_secret,
    stored_link,
    written,
)
from levity_trio.wire.times import in_zone, stamp

TAG: Final = "access"
ENDPOINTS: Final = Endpoints(TAG)
USERS: Final = "/api/admin/users"
USER: Final = f"{USERS}/{{id}}"
LOGINS: Final = "/api/admin/logins"
REFUSED: Final = ("not_found", "in_use", "conflict", "forbidden")
Password = Annotated[Personal[str], Meta(min_length=10, max_length=200)]
RoleName = Literal["driver", "viewer", "operator", "admin"]


class NewUserBody(User, ClientInput):
    """A user to be added. One without a password is invited: by a link, unless `invite` says
    something else.

    - password: With which the user logs in.
    - invite: How the user is invited who has no password.
    """

    role: RoleName
    account: Id | None = None
    language: Language | None = None
    password: Password | None = None
    invite: Kind | None = None


@changes_of(NewUserBody, "name", "invite")
class UserChangeBody(ClientInput):
    """What becomes of a user; what is left out stays. A new password, also null, ends the log-ins
    made before.

    - password: With which the user logs in from now on.
    """


class InvitationBody(ClientInput):
    """A link is valid for a day, and for 14 days in a letter; a PIN, which can be dictated, for 15
    minutes, 5 tries.

    - kind: A link, a letter or a PIN.
    """

    kind: Kind = "link"


class LetterBody(ClientInput):
    """The code of a link or a letter that still works.

    - code: The code that the letter prints.
    """

    code: Annotated[Personal[str], Meta(max_length=100)]


class Invitation(msgspec.Struct):
    """A one-time code, which is shown only now. It replaces the one before. `page` is the URL where
    it is typed.

    `is_local` is whether only programs on this machine reach that.
    """

    user: int
    kind: str
    code: str
    expires_at: str
    page: str | None
    is_local: bool


class AddedUser(msgspec.Struct):
    """A new user, and the invitation of one who has no password or for whom it was asked."""

    id: int
    name: str
    role: str
    account: int | None
    invitation: Invitation | None


class LoginsQuery(ClientInput):
    """What is asked for.

    + ended (--ended): Also those that were ended.
    """

    ended: bool = False
    limit: Limit = 100


class CallerIdentity(msgspec.Struct):
    """Who asks: the name and the role of the token or user. `login` is that of a browser.

    A driver's are `account`, and `household`, what that is called.
    """

    name: str
    role: str
    login: int | None
    account: int | None
    household: str | None


class NewPasswordBody(ClientInput, kw_only=True):
    """A new password, and the old one if there is one.

    - old_password: The password so far.
    - new_password: The new one.
    """

    old_password: Annotated[Personal[str], Meta(max_length=200)] | None = None
    new_password: Password


class New(NamedTuple):
    """A new invitation: its secret, and what is stored of it."""

    kind: Kind
    secret: str
    new: NewInvitation


def manager(request: Request) -> Manager:
    """Return who manages users."""
    caller = request.caller
    return Manager(caller.name, caller.role >= Role.ADMIN, request.api.stamp())


@ENDPOINTS.get("/api/me", Role.DRIVER)
async def get_me(request: Request) -> CallerIdentity:
    """Who asks, and with which role"""
    caller = request.caller
    login = None if caller.login is None else request.api.logins.get(caller.login)
    household = None
    if caller.account is not None:
        household = await request.read(stored.household, number=caller.account)
    # The caller of a driver is named by a number, and the log-in by the name.
    return CallerIdentity(
        name=caller.name if login is None else login.name,
        role=caller.role.word,
        login=caller.login,
        account=caller.account,
        household=None if household is None else household.name,
    )


@ENDPOINTS.post(
    "/api/me/password",
    *(
        Role.DRIVER,
        "conflict",
        "changed",
        "wrong_password",
        "too_many_failures",
        "too_many_log_ins",
    ),
)
async def change_my_password(request: TypedRequest[None, NewPasswordBody]) -> None:
    """Change your own password; your other log-ins end"""
    body, logins = request.body, request.api.logins
    login = None if request.caller.login is None else logins.get(request.caller.login)
    if login is None or login.user is None:
        raise conflict(Told("you did not log in as a user, so you have no password"))
    await logins.change_password(login, body.old_password, body.new_password)


@ENDPOINTS.get(USERS, Role.OPERATOR)
async def list_users(request: Request) -> list[UserRow]:
    """List the users, the newest first"""
    return await request.read(stored.users)


@ENDPOINTS.post(USERS, Role.OPERATOR, *REFUSED, status=CREATED)
async def add_user(request: TypedRequest[None, NewUserBody]) -> AddedUser:
    """Add a user, with a password or an invitation; an operator only drivers"""
    body = request.body
    check_first(request.caller, body.role, has_password=body.password is not None)
    logins = request.api.logins
    password = None if body.password is None else await logins.stretch(body.password)
    kind: Kind | None = body.invite or (LINK if password is None else None)
    made = None if kind is None else await make_invitation(request, kind)
    data = copied(User, body)
    number, code = await logins.change(
        writes.add, data, password, made and made.new, manager(request)
    )
    invitation = None
    if made is not None and code is not None:
        invitation = shown_invitation(request, number, body.role, code, made)
    return AddedUser(number, body.name, body.role, body.account, invitation)


@ENDPOINTS.get(USER, Role.OPERATOR, "not_found")
async def get_user(request: Request) -> UserRow:
    """Show a user"""
    number = request.number()
    return await request.find(stored.user, Told("user {1}", number), number=number)


@ENDPOINTS.patch(USER, Role.OPERATOR, *REFUSED)
async def change_user(request: TypedRequest[None, UserChangeBody]) -> UserRow:
    """Change role, account, language or password of a user"""
    fields = request.body.given()
    logins = request.api.logins
    # This takes long, and other writes would wait for it within a write.
    if fields.get("password") is not None:
        fields["password"] = await logins.stretch(fields["password"])
    await logins.change(writes.change, request.number(), fields, manager(request))
    return await get_user(request)


async def make_invitation(request: Request, kind: Kind) -> New:
    """Make the secret of an invitation, before it is stored."""
    secret = make_secret(kind)
    until = stamp(request.api.now() + LASTS[kind])
    # A PIN has few digits, and is stored as slowly as a password.
    if kind == PIN:
        salt, digest = await request.api.logins.stretch(secret)
        return New(kind, secret, NewInvitation(PIN, salt, digest, until))
    of_link = stored_link(secret)
    return New(kind, secret, NewInvitation(LINK, of_link.salt, of_link.digest, until))


def shown_invitation(
    request: Request, user: int, role: str, invitation: int, made: New
) -> Invitation:
    """Return an invitation that was stored as it is shown once."""
    config = request.api.config
    page = welcome_page(config, role)
    return Invitation(
        user=user,
        kind=made.kind,
        code=written(made.kind, invitation, made.secret),
        expires_at=made.new.expires_at,
        page=page,
        is_local=is_local(page or "", config.public_url, config.drivers_url),
    )


@ENDPOINTS.delete(USER, Role.OPERATOR, *REFUSED)
async def remove_user(request: Request) -> None:
    """Remove a user; the user's log-ins end"""
    await request.api.logins.change(writes.remove, request.number(), manager(request))


@ENDPOINTS.post(f"{USER}/invitations", Role.OPERATOR, *REFUSED, status=CREATED)
async def invite_user(request: TypedRequest[None, InvitationBody]) -> Invitation:
    """Make a one-time code with which a user logs in; it is shown only in this answer"""
    number = request.number()
    made = await make_invitation(request, request.body.kind)
    code = await request.api.logins.change(writes.invite, number, made.new, manager(request))
    user = await get_user(request)
    return shown_invitation(request, number, user.role, code, made)


@ENDPOINTS.post(
    f"{USER}/letter",
    *(Role.OPERATOR, "not_found", "conflict", "not_made", "busy"),
    media_type=MEDIA_TYPES[DocumentForm.PDF],
)
async def print_letter(request: TypedRequest[None, LetterBody]) -> DocumentResponse:
    """Print a letter for a driver, with a code that was made before, as a PDF in the language of
    the household"""
    api, number, code = request.api, request.number(), request.body.code
    user = await get_user(request)
    presented = api.logins.invitations.find(code, api.stamp())
    # A PIN would be too old before its letter is read.
    is_letter = presented is not None and not presented.is_pin
    is_of_user = presented is not None and presented.invitation.user == number
    if not (is_letter and is_of_user) or user.invited_until is None:
        raise conflict(Told("this is not a code of user {1} that works; make a new one", number))
    page = welcome_page(api.config, user.role)
    urls = api.config.drivers_url, api.config.public_url
    if user.account is None or page is None or is_local(page, *urls):
        raise conflict(Told("a letter would not lead a driver anywhere; {1}", SAY_WHERE))

    household = await find_account(request, user.account)
    biller = await request.read(lambda db: newest_biller(rows_of(db)))
    until = datetime.fromisoformat(user.invited_until)
    spoken = household.language or user.language or language()
    with speaking(spoken):
        day = short_day(in_zone(until, request.zone), has_weekday=True, has_year=True)

    async def read() -> LogInLetter:
        return LogInLetter(
            household=household.name,
            address=household.address or "",
            site=api.config.server_name,
            user=user.name,
            code=code,
            page=page,
            url=f"{page}#{code}",
            until=day,
            language=spoken,
            sender=ENGLISH.in_one_line(biller.owner.party) if biller else "",
        )

    name = file_name("", household.name, "letter")
    return document(api, read, DocumentForm.PDF, name, is_shown=False)


@ENDPOINTS.get(LOGINS, Role.ADMIN)
async def list_logins(request: TypedRequest[LoginsQuery, None]) -> list[LoginRow]:
    """List the log-ins of browsers, the newest first"""
    query = request.query
    return await request.read(stored.logins, limit=query.limit, is_ended=query.ended)


@ENDPOINTS.delete(f"{LOGINS}/{{id}}", Role.ADMIN, "not_found")
async def end_login(request: Request) -> None:
    """End a log-in; its event streams end too"""
    if not await request.api.logins.end(request.number(), request.caller.name):
        raise not_found(Told("log-in {1} that is open", request.number()))
