"""What the commands share: the client, tables of documents, and amounts of meters on the command line."""

import argparse
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from osc_lib.command import command

from volutusclient.api import Billing

# The flavors that are always valid: 4 GHz in 8 cores with 4,096 MiB.
_SHAPE = re.compile(r"(\d+)mhz-\d+c-(\d+)m")
Row = tuple[Any, ...]


class Lister(command.Lister):
    """A table."""

    @property
    def billing(self) -> Billing:
        found: Billing = self.app.client_manager.billing
        return found


class ShowOne(command.ShowOne):
    """One object."""

    @property
    def billing(self) -> Billing:
        found: Billing = self.app.client_manager.billing
        return found


class Command(command.Command):
    """An act without an answer."""

    @property
    def billing(self) -> Billing:
        found: Billing = self.app.client_manager.billing
        return found


def table(documents: Iterable[dict[str, Any]], fields: Sequence[str]) -> tuple[Row, Iterable[Row]]:
    """Headings and rows."""
    heads = tuple(field.replace("_", " ").capitalize() for field in fields)
    return heads, [tuple(plain(one.get(field)) for field in fields) for one in documents]


def shown(document: dict[str, Any]) -> tuple[Row, Row]:
    """One document's fields and values."""
    return tuple(document), tuple(plain(value) for value in document.values())


def plain(value: Any) -> Any:
    """An amount without the zeros at its end; everything else as it is."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+\.\d+", value):
        return value.rstrip("0").rstrip(".")
    return value


def amount(text: str) -> Decimal:
    """A decimal number."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount") from None


def item(text: str) -> dict[str, str]:
    """`cpu_mhz=2000` as the API has it."""
    meter, equals, given = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not METER=AMOUNT")
    return {"meter": meter, "amount": str(amount(given))}


def shape(text: str) -> list[dict[str, str]] | None:
    """What a flavor of the form `4000mhz-8c-4096m` consists of; None for another name."""
    found = _SHAPE.fullmatch(text)
    return sizes(*found.groups()) if found else None


def sizes(mhz: str, memory_mib: str | int) -> list[dict[str, str]]:
    """As items of a quote."""
    return [{"meter": "cpu_mhz", "amount": mhz}, {"meter": "memory_mib", "amount": str(memory_mib)}]


def add_page(parser: Any) -> None:
    """How much of a list."""
    parser.add_argument("--limit", type=int, default=100, help="How many lines, the newest (100)")


def add_span(parser: Any) -> Any:
    """Of which time."""
    parser.add_argument("--month", help="A month: 2026-11")
    parser.add_argument("--since", help="Or from this time on (30 days ago)")
    parser.add_argument("--until", help="Before this time (now)")
    return parser


def span(parsed: Any) -> dict[str, Any]:
    """The same, as a query."""
    return {"month": parsed.month, "since": parsed.since, "until": parsed.until}


def network_words(answer: Any) -> str:
    """Why the network service refused."""
    try:
        return str(answer.json()["NeutronError"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
