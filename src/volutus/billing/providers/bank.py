"""Bank transfers: the payer is told where to send the money, and an operator notes that it came."""

from collections.abc import Mapping

from volutus.billing.providers import OPEN, ForgedEvent, Seen, Wanted


class BankTransfer:
    """`instructions` name the bank account; the payment's id is what the payer writes on the transfer."""

    name = "bank"

    def __init__(self, instructions: str) -> None:
        self._instructions = instructions

    def begin(self, wanted: Wanted) -> Seen:
        """Nothing happens but that somebody now expects it."""
        return self.look(wanted.id, wanted)

    def look(self, reference: str, wanted: Wanted) -> Seen:
        """A bank does not answer: what arrived is noted by `payments.pay_in`."""
        told = f"{self._instructions}\n{wanted.amount:f} {wanted.currency}, reference {wanted.id}".strip()
        return Seen(reference, OPEN, wanted.amount, wanted.currency, instructions=told)

    def read_event(self, _body: bytes, _headers: Mapping[str, str], _now_s: float) -> Seen | None:
        """Banks send no events."""
        raise ForgedEvent("Banks send no events.")
