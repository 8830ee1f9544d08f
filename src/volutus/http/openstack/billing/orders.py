"""What can be ordered: quotes, subscriptions, prepaid servers, and how traffic is paid for."""

from typing import Any

from starlette.responses import Response

from volutus.billing import accounts, money, quotes, traffic, uplink
from volutus.billing import packages as packages_
from volutus.billing import subscriptions as subscriptions_
from volutus.billing.packages import Item, Package, PackageOrder
from volutus.billing.quotes import QuoteItem, QuoteOrder
from volutus.billing.subscriptions import Subscription, SubscriptionOrder
from volutus.billing.traffic import RateOrder
from volutus.errors import Invalid
from volutus.http.kernel import Request, created, document, no_content
from volutus.http.openstack.billing import schemas, views
from volutus.http.openstack.billing.paging import listed, page


def quote(request: Request) -> Response:
    """What an order would cost, by what will charge it."""
    body = request.read(schemas.QuoteBody).quote
    items = tuple(QuoteItem(item.meter, item.amount) for item in body.items)
    account = accounts.mine(request.tx, request.caller)
    order = QuoteOrder(body.method, items, body.months, body.traffic_cap_mbit)
    return document({"quote": views.shown(quotes.quote(request.tx, account, order))})


def calculate(request: Request) -> Response:
    """What subscriptions would cost, without buying them."""
    account = accounts.mine(request.tx, request.caller)
    orders = _orders(request)
    found = subscriptions_.calculate(request.tx, account, orders)
    lines = [
        {
            "meter": order.meter,
            "amount": views.shown(order.amount),
            "months": order.months,
            "unit": price.unit,
            "price": views.shown(price.price),
            "discount_percent": views.shown(cost.discount_percent),
            "discount": views.shown(cost.discount),
            "total": views.shown(cost.total),
        }
        for order, (price, cost) in zip(orders, found, strict=True)
    ]
    total = views.shown(money.total(cost.total for _, cost in found))
    return document({"calculation": {"currency": account.currency, "total": total, "lines": lines}})


def subscriptions(request: Request) -> Response:
    """Those of the caller's account."""
    account = accounts.mine(request.tx, request.caller)
    asked, active_only = page(request), request.query.get("status") == "active"
    found = subscriptions_.list_(request.tx, account.id, asked, active_only=active_only)
    lines = [_subscription(request, one) for one in found]
    return document(listed(request, "subscriptions", lines, asked))


def subscribe(request: Request) -> Response:
    """Buy subscriptions: all of them or none."""
    account = accounts.mine(request.tx, request.caller)
    bought = subscriptions_.buy(request.tx, request.caller, account, _orders(request))
    return created({"subscriptions": [_subscription(request, one) for one in bought]})


def subscription(request: Request) -> Response:
    """One subscription."""
    return document({"subscription": _subscription(request, _found(request))})


def change_subscription(request: Request) -> Response:
    """Whether it renews itself."""
    body = request.read(schemas.SubscriptionChangeBody).subscription
    found = _found(request)
    subscriptions_.set_auto_renew(request.tx, request.caller, found, body.auto_renew)
    return document({"subscription": _subscription(request, _found(request))})


def extend(request: Request) -> Response:
    """Another term at the same price."""
    body = request.read(schemas.ExtensionBody).extend
    longer = subscriptions_.extend(request.tx, request.caller, _found(request), body.months)
    return created({"subscription": _subscription(request, longer)})


def packages(request: Request) -> Response:
    """The account's prepaid servers."""
    account = accounts.mine(request.tx, request.caller)
    asked = page(request)
    lines = [_package(request, one) for one in packages_.list_(request.tx, account.id, asked)]
    return document(listed(request, "packages", lines, asked))


def buy_package(request: Request) -> Response:
    """Pay a server for a term ahead."""
    body = request.read(schemas.PackageBody).package
    items = tuple(Item(item.resource_kind, item.resource_id, item.meter, item.amount) for item in body.items)
    order = PackageOrder(body.resource_kind, body.resource_id, items, body.months, body.auto_renew)
    return created({"package": _package(request, packages_.buy(request.tx, request.caller, order))})


def package(request: Request) -> Response:
    """One prepaid server."""
    found = packages_.get(request.tx, request.caller, request.params["package_id"])
    return document({"package": _package(request, found)})


def end_package(request: Request) -> Response:
    """Change to paying by use; the rest of the term comes back."""
    found = packages_.get(request.tx, request.caller, request.params["package_id"])
    refund = packages_.end(request.tx, request.caller, found)
    return document({"refund": views.shown(refund)})


def traffic_rates(request: Request) -> Response:
    """The ports of the caller's project that have a committed rate or a cap."""
    found = traffic.of_projects(request.tx, [request.caller.own_project()])
    return document({"traffic": views.shown(found)})


def traffic_mode(request: Request) -> Response:
    """Pay for a committed rate, or for the bytes; then `mbit` is a cap."""
    body = request.read(schemas.TrafficBody).traffic
    port_id = request.params["port_id"]
    if body.method == traffic.BY_RATE and body.mbit is not None:
        uplink.by_rate(request.tx, request.caller, RateOrder(port_id, body.mbit))
    elif body.method == traffic.BY_VOLUME:
        uplink.by_volume(request.tx, request.caller, port_id, body.mbit)
    else:
        known = f"{traffic.BY_VOLUME}, or {traffic.BY_RATE} with mbit"
        raise Invalid(f"The method is {known}.", field="traffic.method")
    return no_content()


def _orders(request: Request) -> list[SubscriptionOrder]:
    body = request.read(schemas.SubscriptionsBody)
    return [
        SubscriptionOrder(one.meter, one.amount, one.months, one.starts_at, one.auto_renew)
        for one in body.subscriptions
    ]


def _found(request: Request) -> Subscription:
    return subscriptions_.get(request.tx, request.caller, request.params["subscription_id"])


def _subscription(request: Request, one: Subscription) -> dict[str, Any]:
    return {**views.shown(one), "status": one.status(request.tx.now)}


def _package(request: Request, one: Package) -> dict[str, Any]:
    end = one.ended_at or one.ends_at
    return {**views.shown(one), "status": "active" if request.tx.now < end else "ended"}
