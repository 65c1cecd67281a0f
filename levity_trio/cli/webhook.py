"""`levity-trio webhook`: receivers outside that get the facts, signed."""

from __future__ import annotations

from typing import Final

from levity_trio.cli.declaring import ID, WIDE, argument, option, present
from levity_trio.cli.operator import FAILED, Operator, api_group

COLUMNS: Final = (
    "id",
    "name",
    "url",
    "failing",
    "problem",
    "removed_at",
    "given_up",
    "delivered_at",
    "kinds",
    "charger",
)
NO_WEBHOOK: Final = "no webhook yet: levity-trio webhook add NAME URL"
GIVEN_UP_COLUMNS: Final = (
    "at",
    "charger",
    "first_event",
    "last_event",
    "facts",
    "failing_since",
    "problem",
)


@api_group
def webhook() -> None:
    """Send the facts to receivers outside, signed.

    Examples:
      levity-trio webhook add home https://home.example/levity
      levity-trio webhook list
      levity-trio webhook test 1
      levity-trio webhook given-up 1
      levity-trio webhook remove 1

    A webhook is named by the number that `webhook add` and `webhook list` show.
    """


@webhook.api_command
@argument("NAME")
@argument("URL")
@option("--kind KIND", "Only facts of this kind; repeat it for several.", "kinds", multiple=True)
@option("--charger ID", "Only facts of this charger.")
def add(
    operator: Operator, name: str, url: str, kinds: tuple[str, ...], charger: str | None
) -> None:
    """Add a webhook, which gets the facts from now on.

    Examples:
      levity-trio webhook add home https://home.example/levity
      levity-trio webhook add alarm https://alarm.example/in \\
          --kind ErrorOpened --kind ChargerDisconnected

    The secret is shown once. It checks the signatures, which follow Standard Webhooks.
    """
    body = present({"name": name, "url": url, "kinds": list(kinds) or None, "charger": charger})
    added = operator.post("webhooks", body=body)
    words = f"This is the secret of webhook {added['id']}, {added['name']}. It is not shown again."
    operator.tell(added, f"{added['secret']}\n{words}")


@webhook.api_command
@WIDE
def list_(operator: Operator) -> None:
    """List the webhooks, and whether their deliveries fail."""
    operator.table(COLUMNS, operator.get("webhooks"), empty=NO_WEBHOOK)


@webhook.api_command
@ID
def test(operator: Operator, number: int) -> int:
    """Send a test message, once. The exit status is 1 if it was not delivered."""
    done = operator.post("webhooks", number, "test")
    words = (
        f"delivered, status {done['status']}"
        if done["is_delivered"]
        else f"not delivered: {done['problem']}"
    )
    operator.tell(done, words)
    return 0 if done["is_delivered"] else FAILED


@webhook.api_command
@ID
@WIDE
def given_up(operator: Operator, number: int) -> None:
    """List the facts that were never delivered, the newest first."""
    operator.table(
        GIVEN_UP_COLUMNS,
        operator.get("webhooks", number, "given-up"),
        empty="every fact was delivered, or still waits",
    )


@webhook.api_command
@ID
def remove(operator: Operator, number: int) -> None:
    """Remove a webhook; what waits for it is not delivered."""
    operator.delete("webhooks", number)
    operator.tell({"removed": number}, f"webhook {number} is removed")
