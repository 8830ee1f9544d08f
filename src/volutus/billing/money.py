"""Exact arithmetic of amounts: decimals of 20 places, rounded half away from zero, as PostgreSQL's are.

Cents appear only where people read or pay; what is added up has all its places.
"""

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal

PLACES = Decimal(1).scaleb(-20)
# Room for the largest amount, its 20 places, and as many again while multiplying.
_CONTEXT = Context(prec=80, rounding=ROUND_HALF_UP)
# Currencies are shown with two decimals but for these.
_WHOLE = frozenset({"JPY", "KRW", "VND", "CLP", "ISK"})
SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£"}


def charge(quantity: Decimal, price: Decimal, per: Decimal) -> Decimal:
    """What a quantity costs."""
    return ratio(_CONTEXT.multiply(quantity, price), per)


def ratio(amount: Decimal, divisor: Decimal, factor: Decimal = Decimal(1)) -> Decimal:
    """`amount` times `factor` by `divisor`, to 20 places."""
    exact = _CONTEXT.divide(_CONTEXT.multiply(amount, factor), divisor)
    return exact.quantize(PLACES, context=_CONTEXT)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Their sum, with all its places: Python's own would keep 28 digits, of which a rich account's balance
    has more."""
    found = Decimal(0)
    for amount in amounts:
        found = _CONTEXT.add(found, amount)
    return found


def cents(amount: Decimal, currency: str) -> Decimal:
    """The amount as people pay it."""
    return amount.quantize(_smallest(currency), context=_CONTEXT)


def to_pay(amount: Decimal, currency: str) -> Decimal:
    """The least that can be paid and covers the amount."""
    return amount.quantize(_smallest(currency), ROUND_CEILING, _CONTEXT)


def shown(amount: Decimal, currency: str) -> str:
    """`¥45.00`, `45.00 SEK`."""
    rounded = cents(amount, currency)
    symbol = SYMBOLS.get(currency)
    return f"{symbol}{rounded}" if symbol else f"{rounded} {currency}"


def minor_units(amount: Decimal, currency: str) -> int:
    """How many cents (or of what the currency's smallest unit is) an amount is."""
    places = 0 if currency in _WHOLE else 2
    return int(cents(amount, currency).scaleb(places))


def from_minor_units(units: int, currency: str) -> Decimal:
    """The amount of so many cents."""
    return Decimal(units) if currency in _WHOLE else Decimal(units).scaleb(-2)


def _smallest(currency: str) -> Decimal:
    return Decimal(1) if currency in _WHOLE else Decimal("0.01")
