"""Prices as dated data: lists for a region and currency, published in editions that are never edited.

A list may stand on another one (`base_id`): what it does not price itself costs what the base asks, times its
edition's factor; that is how a reseller or a customer has other prices. A price is found for an account in
the list it was given, else in its region's default list for its currency, else in the default list of the
region's own currency, converted by the exchange rate in force.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from volutus import audit
from volutus.billing.meters import base_of, meter_of
from volutus.billing.price_sql import PRICES_IN_FORCE
from volutus.db import Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import Caller

# Level 0 is what is bought ahead; use is charged by the level in force, 1 where a meter has none.
AHEAD, USE = 0, 1
LEVEL_MAX = 20
PRICES_MAX = 2000
LISTS_MAX = 500
# One pair a day for five years, or five pairs for one.
RATES_MAX = 2000


class PriceListNotFound(NotFound):
    code = "billing.price_list.not_found"


class PriceMissing(NotFound):
    code = "billing.price.missing"


@dataclass(frozen=True)
class Price:
    """What one unit of a meter costs at a level. `meter` may carry a class: `storage_gib:nvme`."""

    meter: str
    level: int
    price: Decimal


@dataclass(frozen=True)
class Edition:
    """What a list says from a moment on: all its prices, and the factor on those of its base."""

    list_id: str
    region: str
    currency: str
    valid_from: datetime | None
    prices: tuple[Price, ...]
    base_id: str | None = None
    factor: Decimal = Decimal(1)
    is_default: bool = False
    is_public: bool = True


@dataclass(frozen=True)
class Quoted:
    """A price as it stands for an account (or a list): already multiplied and converted."""

    meter: str
    level: int
    price: Decimal
    per: Decimal
    unit: str
    price_id: int
    currency: str
    list_id: str


@dataclass(frozen=True)
class ListInfo:
    """A list without its prices."""

    id: str
    region: str
    currency: str
    base_id: str | None
    is_default: bool
    is_public: bool
    valid_from: datetime | None


@dataclass(frozen=True)
class Rate:
    """One of `base` costs `rate` of `quote` from a moment on."""

    base: str
    quote: str
    rate: Decimal
    valid_from: datetime | None = None


_MAKE_LIST = text(
    """
    INSERT INTO billing_price_list (id, region, currency, base_id, is_default, is_public, created_at)
    VALUES (:id, :region, :currency, :base_id, :is_default, :is_public, :now) ON CONFLICT (id) DO NOTHING
    """
)
_LIST = text(
    "SELECT region, currency, base_id, is_default, is_public FROM billing_price_list WHERE id = :id LIMIT 1"
)
_EDITION = text(
    """
    INSERT INTO billing_price_edition (list_id, valid_from, published_at, published_by, factor)
    VALUES (:list_id, :valid_from, :now, :user_id, :factor)
    """
)
_PRICE = text(
    """
    INSERT INTO billing_price (list_id, valid_from, meter, level, price, per, unit)
    VALUES (:list_id, :valid_from, :meter, :level, :price, :per, :unit)
    """
)
_LISTS = text(
    """
    SELECT l.id, l.region, l.currency, l.base_id, l.is_default, l.is_public, e.valid_from
    FROM billing_price_list l LEFT JOIN LATERAL (
        SELECT valid_from FROM billing_price_edition WHERE list_id = l.id AND valid_from <= :now
        ORDER BY valid_from DESC LIMIT 1) e ON true
    WHERE (CAST(:region AS text) IS NULL OR l.region = :region)
        AND (CAST(:currency AS text) IS NULL OR l.currency = :currency)
        AND (l.is_public OR NOT :public_only)
    ORDER BY l.id LIMIT :limit
    """
)
_EDITIONS = text(
    """
    SELECT valid_from, factor FROM billing_price_edition WHERE list_id = :list_id
    ORDER BY valid_from DESC LIMIT :limit
    """
)
_OWN = text(
    """
    SELECT meter, level, price FROM billing_price WHERE list_id = :list_id AND valid_from = :valid_from
    ORDER BY meter, level LIMIT :limit
    """
)
_OF_LIST = text(
    PRICES_IN_FORCE  # noqa: S608
    + """
    SELECT p.meter, p.level, p.price, p.per, p.unit, p.price_id, p.currency, p.list_id FROM list_price p
    WHERE p.list_id = :list_id ORDER BY p.meter, p.level LIMIT :limit
    """
)
_OF_ACCOUNT = text(
    PRICES_IN_FORCE  # noqa: S608
    + """
    SELECT p.meter, p.level, p.price, p.per, p.unit, p.price_id, p.currency, p.list_id
    FROM account_list a JOIN priced p ON p.list_id = a.list_id AND p.currency = a.currency
    WHERE a.account_id = :account_id AND p.meter = ANY(CAST(:meters AS text[]))
    ORDER BY p.meter, p.level LIMIT :limit
    """
)
_FX_LIST = text(
    "SELECT base, quote, rate, valid_from FROM billing_fx ORDER BY base, quote, valid_from DESC LIMIT :limit"
)
_FX = text(
    """
    INSERT INTO billing_fx (base, quote, valid_from, published_at, rate)
    VALUES (:base, :quote, :valid_from, :now, :rate)
    """
)


def publish(tx: Tx, caller: Caller, edition: Edition) -> datetime:
    """A new edition of a list, made where it is new; from when on it is in force.

    An edition cannot begin in the past: that would change what was charged already."""
    valid_from = edition.valid_from or tx.now
    if valid_from < tx.now:
        raise Invalid("Prices cannot be changed for a time that is over.", field="valid_from")
    _check_prices(edition)
    _make_list(tx, edition)
    keys = {"list_id": edition.list_id, "valid_from": valid_from}
    try:
        with tx.savepoint():
            tx.execute(_EDITION, {**keys, "now": tx.now, "user_id": caller.user_id, "factor": edition.factor})
    except IntegrityError as error:
        raise Conflict(
            f"The list {edition.list_id} has an edition from {valid_from.isoformat()} on.", detail=str(error)
        ) from error
    rows = [
        {
            **keys,
            "meter": price.meter,
            "level": price.level,
            "price": price.price,
            "per": meter_of(price.meter).per,
            "unit": meter_of(price.meter).unit,
        }
        for price in edition.prices
    ]
    if rows:
        tx.execute(_PRICE, rows)
    detail = {"valid_from": valid_from.isoformat(), "prices": len(rows)}
    audit.record(tx, caller, "publish", "billing.price_list", edition.list_id, detail)
    return valid_from


def publish_rate(tx: Tx, caller: Caller, rate: Rate) -> None:
    """An exchange rate from a moment on."""
    valid_from = rate.valid_from or tx.now
    if valid_from < tx.now:
        raise Invalid("A rate cannot be changed for a time that is over.", field="valid_from")
    values = {"base": rate.base, "quote": rate.quote, "rate": rate.rate}
    try:
        with tx.savepoint():
            tx.execute(_FX, {**values, "valid_from": valid_from, "now": tx.now})
    except IntegrityError as error:
        raise Conflict("There is a rate from that moment on already.", detail=str(error)) from error
    audit.record(tx, caller, "publish", "billing.fx", f"{rate.base}{rate.quote}", {"rate": str(rate.rate)})


def rates(tx: Tx) -> list[Rate]:
    """All exchange rates, of each pair the newest first."""
    return [Rate(**row._mapping) for row in tx.rows(_FX_LIST, {"limit": RATES_MAX})]


def lists(
    tx: Tx, *, region: str | None = None, currency: str | None = None, public_only: bool = True
) -> list[ListInfo]:
    """Price lists by region and currency."""
    keys = {"region": region, "currency": currency, "public_only": public_only, "now": tx.now}
    return [ListInfo(**row._mapping) for row in tx.rows(_LISTS, {**keys, "limit": LISTS_MAX})]


def edition(tx: Tx, list_id: str, at: datetime | None = None) -> Edition:
    """What a list itself said at a moment (now), as it would be imported. Raises PriceListNotFound."""
    head = tx.row(_LIST, {"id": list_id})
    moment = at or tx.now
    found = tx.rows(_EDITIONS, {"list_id": list_id, "limit": LISTS_MAX})
    chosen = next((row for row in found if row.valid_from <= moment), None)
    if head is None or chosen is None:
        raise PriceListNotFound(f"Price list {list_id} could not be found.")
    keys = {"list_id": list_id, "valid_from": chosen.valid_from, "limit": PRICES_MAX}
    own = tuple(Price(row.meter, row.level, row.price) for row in tx.rows(_OWN, keys))
    return Edition(
        list_id,
        head.region,
        head.currency,
        chosen.valid_from,
        own,
        head.base_id,
        chosen.factor,
        head.is_default,
        head.is_public,
    )


def continued(tx: Tx, table: Edition) -> Edition:
    """An edition that was read from a table, which has prices alone: the rest is as its list says already."""
    try:
        before = edition(tx, table.list_id)
    except PriceListNotFound:
        return table
    return replace(
        table,
        base_id=before.base_id,
        factor=before.factor,
        is_default=before.is_default,
        is_public=before.is_public,
    )


def in_force(tx: Tx, list_id: str, at: datetime | None = None) -> list[Quoted]:
    """All prices of a list at a moment, with those it has from its base."""
    keys = {"list_id": list_id, "starts": at or tx.now, "ends": at or tx.now, "limit": PRICES_MAX}
    return [Quoted(**row._mapping) for row in tx.rows(_OF_LIST, keys)]


def for_account(
    tx: Tx, account_id: str, meters: Sequence[str], at: datetime | None = None
) -> dict[tuple[str, int], Quoted]:
    """What these meters cost an account, by meter and level."""
    moment = at or tx.now
    wanted = [*meters, *(base_of(meter) for meter in meters)]
    keys = {"account_id": account_id, "meters": wanted, "starts": moment, "ends": moment}
    rows = tx.rows(_OF_ACCOUNT, {**keys, "limit": PRICES_MAX})
    return {(row.meter, row.level): Quoted(**row._mapping) for row in rows}


def at_level(known: Mapping[tuple[str, int], Quoted], meter: str, level: int) -> Quoted:
    """The price at a level: that of the highest level priced up to it. What is bought ahead has level 0, or
    where a list has none, the lowest price of use. A class that nobody priced costs what its meter costs.
    Raises PriceMissing."""
    wanted = range(level, USE - 1, -1) if level >= USE else (AHEAD, *range(USE, LEVEL_MAX + 1))
    for one in wanted:
        if (meter, one) in known:
            return known[meter, one]
    if base_of(meter) != meter:
        return at_level(known, base_of(meter), level)
    raise PriceMissing(f"There is no price for {meter}.")


def _check_prices(edition: Edition) -> None:
    seen: set[tuple[str, int]] = set()
    by_meter: dict[str, list[Price]] = {}
    for price in edition.prices:
        meter_of(price.meter)
        where = f"{price.meter} level {price.level}"
        if not AHEAD <= price.level <= LEVEL_MAX:
            raise Invalid(f"{where}: levels are 0 to {LEVEL_MAX}.", field="level")
        if not price.price.is_finite() or price.price < 0:
            raise Invalid(f"{where}: a price is not below zero.", field="price")
        if -int(price.price.as_tuple().exponent) > 20:
            raise Invalid(f"{where}: a price has 20 decimals at most.", field="price")
        if (price.meter, price.level) in seen:
            raise Invalid(f"{where} is priced twice.", field="price")
        seen.add((price.meter, price.level))
        by_meter.setdefault(price.meter, []).append(price)
    for meter, own in by_meter.items():
        own.sort(key=lambda price: price.level)
        if any(lower.price > higher.price for lower, higher in pairwise(own)):
            raise Invalid(f"{meter}: a higher level cannot cost less.", field="price")
        if own[-1].level >= USE and (meter, USE) not in seen:
            raise Invalid(f"{meter}: level {USE} is not priced.", field="price")
    if edition.factor <= 0:
        raise Invalid("The factor is above zero.", field="factor")


def _make_list(tx: Tx, edition: Edition) -> None:
    head = {
        "region": edition.region,
        "currency": edition.currency,
        "base_id": edition.base_id,
        "is_default": edition.is_default,
        "is_public": edition.is_public,
    }
    try:
        with tx.savepoint():
            tx.execute(_MAKE_LIST, {**head, "id": edition.list_id, "now": tx.now})
    except IntegrityError as error:
        raise Conflict(
            "The base is not a list, or the region has a default list of this currency already.",
            detail=str(error),
        ) from error
    row = tx.row(_LIST, {"id": edition.list_id})
    if row is None or dict(row._mapping) != head:
        raise Conflict(f"The list {edition.list_id} exists with another region, currency or base.")
