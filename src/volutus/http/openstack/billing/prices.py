"""Prices: what is in force, what comes next, and what was. Public."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from volutus.billing import accounts, burst, price_history, prices
from volutus.billing.burst import HISTORY_MAX, Levels
from volutus.billing.cycles import cycle_of, end_of
from volutus.billing.meters import base_of, meter_of
from volutus.billing.prices import AHEAD, Quoted
from volutus.errors import NotFound
from volutus.http.kernel import Request, document
from volutus.http.openstack.billing import queries, views

# Without a span a history is that of a day: what is asked for most.
_DAY = timedelta(days=1)


def index(request: Request) -> Response:
    """Each meter's price ahead, in use now, and in use in the next cycle, of a public list; and of each class
    that has a price or a level of its own."""
    chosen = _chosen(request)
    known = {(price.meter, price.level): price for price in prices.in_force(request.tx, chosen.id)}
    levels = burst.levels(request.tx)
    priced = {meter for meter, _ in known}
    shown = priced | {meter for meter in levels if base_of(meter) in priced}
    lines = [_line(known, meter, burst.level_of(levels, meter)) for meter in sorted(shown)]
    if views.wants_csv(request):
        return views.table(lines, "prices")
    changes = end_of(cycle_of(request.tx.now))
    head = {"id": chosen.id, "region": chosen.region, "currency": chosen.currency}
    return document({"price_list": head, "next_at": views.moment(changes), "prices": lines})


def history(request: Request) -> Response:
    """The levels and prices of a span of time with the loads they came from, newest first; the next one is
    among them."""
    until = queries.moment(request, "until") or end_of(cycle_of(request.tx.now))
    since = queries.moment(request, "since") or until - _DAY
    limit = queries.number(request, "limit", HISTORY_MAX, HISTORY_MAX)
    chosen, meter = _chosen(request), request.query.get("meter")
    found = price_history.price_history(request.tx, chosen.id, (since, until), meter, limit)
    current = cycle_of(request.tx.now)
    lines = [
        {
            "meter": moved.level.meter,
            "billing_cycle": moved.level.cycle,
            "time": views.moment(moved.level.at),
            "level": moved.level.level,
            "price": None if moved.price is None else f"{moved.price:f}",
            "currency": chosen.currency,
            "unit": moved.unit,
            "load": f"{moved.level.load:f}",
            "smoothed": f"{moved.level.smoothed:f}",
            "is_next": moved.level.cycle > current,
        }
        for moved in found
    ]
    if views.wants_csv(request):
        return views.table(lines, "price-history")
    return document({"history": lines})


def lists(request: Request) -> Response:
    """The public lists."""
    region, currency = request.query.get("region"), request.query.get("currency")
    found = prices.lists(request.tx, region=region, currency=currency)
    return document({"price_lists": views.shown(found)})


def show_list(request: Request) -> Response:
    """All prices of a public list, at every level."""
    list_id = request.params["list_id"]
    chosen = next((one for one in prices.lists(request.tx) if one.id == list_id), None)
    if chosen is None:
        raise NotFound(f"Price list {list_id} could not be found.")
    found = prices.in_force(request.tx, list_id)
    return document({"price_list": {**views.shown(chosen), "prices": views.shown(found)}})


def _chosen(request: Request) -> prices.ListInfo:
    home = accounts.needed_region(request.tx)
    region = request.query.get("region", home.region)
    currency = request.query.get("currency", home.currency if region == home.region else None)
    found = [one for one in prices.lists(request.tx, region=region, currency=currency) if one.is_default]
    if not found:
        raise NotFound(f"There are no prices for region {region} in {currency or 'any currency'}.")
    return found[0]


def _line(known: Mapping[tuple[str, int], Quoted], meter: str, level: Levels) -> dict[str, Any]:
    own = {number for name, number in known if name == meter}
    base = {number for name, number in known if name == base_of(meter)}

    def at(number: int) -> str:
        return f"{prices.at_level(known, meter, number).price:f}"

    in_use = any(number >= prices.USE for number in own | base)
    return {
        "meter": meter,
        "unit": meter_of(meter).unit,
        "multiplier": f"{meter_of(meter).per:f}",
        "ahead": at(AHEAD) if AHEAD in (own or base) else None,
        "level": level.current,
        "current": at(level.current) if in_use else None,
        "next_level": level.next,
        "next": at(level.next) if in_use else None,
    }
