"""The nouns of a site: each with its fields, their bounds and their marks. From these come the
bodies of the API, the rows that are stored and read, the columns of files, the options of commands,
and what goes with personal data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta

from levity_trio.records import ForOperators, Personal, noun, whole_text
from levity_trio.told import Told

ONE_LINE: Final = Told("give one line without control characters")
NOT_ONLY_DIGITS: Final = {"pattern": r"[^\d\s]"}
Name = Annotated[
    Personal[str],
    Meta(
        min_length=1,
        max_length=200,
        description="Unlike all others, and not just a number.",
        extra_json_schema=NOT_ONLY_DIGITS | {"examples": ["Flat 3"]},
    ),
]
UserName = Annotated[
    Personal[str],
    whole_text(
        min_length=1,
        max_length=64,
        pattern=r"^[^\W\d_](.*\S)?$",
        words=Told("begin with a letter, and end without a space"),
    ),
]
"""It begins with a letter, so that it is not taken for an id."""
Text = Annotated[Personal[str], Meta(max_length=2000)] | None
Plate = Annotated[Personal[str], Meta(max_length=20)] | None
Line = (
    Annotated[
        Personal[str], whole_text(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", words=ONE_LINE)
    ]
    | None
)
Lines = (
    Annotated[
        Personal[str],
        whole_text(
            max_length=1000,
            pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$",
            words=Told("it has a control character"),
        ),
    ]
    | None
)


@noun
class Household:
    """A household. `language` is that of its pages and papers.

    - name: What it is called.
    - address: Where statements go.
    - mail: Where its statements are mailed.
    - contact: Telephone, anything.
    - notes: Anything else.
    """

    name: Name
    address: Text = None
    mail: Personal[str] | None = None
    contact: Text = None
    notes: Text = None
    language: str | None = None


@noun
class Car:
    """A car.

    - name: What it is called.
    - plate: Its number plate.
    """

    name: Name
    plate: Plate = None


@noun
class Card:
    """A card: the same for its bodies, its rows and its files. Those of one parent may stop each
    other's sessions.

    - id_tag (--card CARD): The card.
    - name: Whose it is.
    - status: Whether it may charge: Accepted, or Blocked.
    - expires_at (--expires TIME)
    - parent_id_tag (--parent CARD): Its group, whose members may stop each other's sessions.
    - max_transactions (--most NUMBER)
    - notes: Anything else.
    """

    id_tag: str
    name: ForOperators[Annotated[Personal[str], Meta(max_length=200)] | None] = None
    status: str = "Accepted"
    expires_at: str | None = None
    parent_id_tag: str | None = None
    max_transactions: int | None = None
    notes: ForOperators[Text] = None


@noun
class Station:
    """A station; its position in degrees (WGS 84).

    - name: What the place is called, such as Garage.
    - address: Where it is.
    - latitude: In degrees, positive north of the equator.
    - longitude: In degrees, positive east of Greenwich.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200, examples=["Garage"])]
    address: ForOperators[Annotated[str, Meta(max_length=500)] | None] = None
    latitude: ForOperators[Annotated[float, Meta(ge=-90, le=90)] | None] = None
    longitude: ForOperators[Annotated[float, Meta(ge=-180, le=180)] | None] = None


@noun
class User:
    """Who logs in with a name. `account` is a driver's.

    - name: By which the user logs in; it begins with a letter.
    - role (--role ROLE): What the user may do.
    - account (--household HOUSEHOLD): The household of a driver.
    """

    name: UserName
    role: str
    account: int | None = None
    language: str | None = None


@noun
class Recipient:
    """Whom messages go to, and which. A charger is away for them after `away_minutes`. Quiet hours
    are local times, HH:MM; both or none.

    - name: Who that is.
    - mail: The address to which mails go.
    - kinds: Of what they are told, by the names of kinds of messages.
    + away_minutes: A charger is away after so many minutes.
    + with_names: Whether messages name households; a driver's never do.
    + gets_statements: Whether each closed statement is mailed to a household.
    """

    name: Annotated[Personal[str], Meta(max_length=100)] | None = None
    language: str | None = None
    mail: Personal[str] | None = None
    kinds: Sequence[str] = ()
    away_minutes: Annotated[int, Meta(ge=1, le=10080)] = 10
    quiet_from: str | None = None
    quiet_until: str | None = None
    with_names: bool = False
    gets_statements: bool = False


TaxKind = Literal["taxed", "exempt", "small business", "no business"]
"""How who bills is taxed. Exempt is by § 4 UStG, a small business by § 19, and so on elsewhere. No
business: neighbours who share costs."""


@noun
class Biller:
    """Who bills, as it stands on statements. `payment_days` are counted from the closing.

    - name: The house, or whoever bills.
    - address: The address; several lines are allowed.
    - bank_account (--bank-account ACCOUNT): Where to pay to; an IBAN is checked.
    - bank_name (--bank-name NAME): The bank.
    - tax_number (--tax-number NUMBER): As it must stand on a bill.
    - vat_number (--vat-number NUMBER): Such as DE123456789.
    - tax_kind: How you are taxed: taxed, exempt, small business, no business.
    - reminder_en: What reminders say in English, instead of the usual words.
    - reminder_de: What reminders say in German, instead of the usual words.
    + contact: Whom to ask about a line.
    + tax_note (--tax-note SENTENCE): Why there is no tax, as it stands on each statement. Exempt:
      needed.
    + number_prefix (--number-prefix TEXT): What stands before the numbers of statements, such as
      2026-. With YYYY- they begin anew each year.
    + payment_days: After closing.
    + reminder_after: After the last day to pay, the page Now tells of it.
    - language: That of new households.
    """

    name: Annotated[
        Personal[str],
        whole_text(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", words=ONE_LINE),
    ]
    address: Lines = None
    contact: Line = None
    bank_account: Line = None
    bank_name: Line = None
    tax_number: Line = None
    vat_number: (
        Annotated[
            Personal[str],
            whole_text(
                max_length=30,
                pattern=r"^([A-Za-z]{2}[0-9A-Za-z .+*\-]+)?$",
                words=Told("begin with the letters of its country, such as DE123456789"),
            ),
        ]
        | None
    ) = None
    tax_kind: TaxKind | None = None
    tax_note: Line = None
    number_prefix: (
        Annotated[
            str,
            whole_text(
                max_length=12,
                pattern="^([A-Za-z0-9\\/.\\-]*[A-Za-z\\/.\\-])?$",
                words=Told("give letters, digits, - / or ., with no digit at the end: 2026-"),
            ),
        ]
        | None
    ) = None
    payment_days: Annotated[int, Meta(ge=0, le=365)] = 14
    reminder_after: Annotated[int, Meta(ge=0, le=365)] = 7
    reminder_en: Lines = None
    reminder_de: Lines = None
    language: str | None = None
