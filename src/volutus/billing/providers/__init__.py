"""Payment providers: what the cloud asks of one, whichever it is.

A provider is given a payment to begin and answers where the payer goes; it tells later how the payment went,
by an event that it signs or when it is asked. Nothing here touches the database: that is `checkouts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from volutus.errors import Forbidden, Unavailable

OPEN, PAID, FAILED, EXPIRED = "open", "paid", "failed", "expired"


class ForgedEvent(Forbidden):
    code = "billing.event.forged"


class ProviderAway(Unavailable):
    code = "billing.provider.away"


@dataclass(frozen=True)
class Saved:
    """What the provider keeps of a payer: its own names for him and for his means of payment."""

    customer: str
    method: str


@dataclass(frozen=True)
class Wanted:
    """A payment to begin. `id` is ours and makes a second attempt harmless; the payer comes back to
    `return_url`. With `saved` nobody is there to be asked: the payment is made at once or fails."""

    id: str
    amount: Decimal
    currency: str
    description: str
    return_url: str
    saved: Saved | None = None


@dataclass(frozen=True)
class Seen:
    """How a payment stands at the provider. `reference` finds it there again, `receipt` is the id of the
    money itself: credited once. `url` is where the payer goes, `instructions` what he is told instead."""

    reference: str
    status: str
    amount: Decimal
    currency: str
    receipt: str = ""
    url: str = ""
    instructions: str = ""
    why: str = ""
    saved: Saved | None = None


class Provider(Protocol):
    """Raises ProviderAway where it cannot be reached, ForgedEvent for what it did not sign."""

    name: str

    def begin(self, wanted: Wanted) -> Seen: ...

    def look(self, reference: str, wanted: Wanted) -> Seen: ...

    def read_event(self, body: bytes, headers: Mapping[str, str], now_s: float) -> Seen | None: ...
