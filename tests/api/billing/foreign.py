"""Objects of another project, for the test that walks all routes."""

from decimal import Decimal

from tests.api.foreign import Foreign
from tests.api.network import objects as network
from tests.billing.conftest import open_billing
from tests.conftest import make_caller
from volutus.billing import accounts, budgets, checkouts, packages, subscriptions
from volutus.billing.budgets import BudgetOrder
from volutus.billing.packages import Item, PackageOrder
from volutus.billing.subscriptions import SubscriptionOrder

OTHER = make_caller("project-b", "member", user="user-b")


def _account(tx, _plane):
    if accounts.region(tx) is None:
        open_billing(tx, mode="showback")
    return accounts.for_project(tx, "project-b").id


def _subscription(tx, plane):
    account = accounts.fetch(tx, _account(tx, plane))
    order = SubscriptionOrder("cpu_mhz", Decimal(1000), 1)
    return subscriptions.buy(tx, OTHER, account, [order])[0].id


def _package(tx, plane):
    _account(tx, plane)
    item = Item("server", "s", "cpu_mhz", Decimal(1000))
    return packages.buy(tx, OTHER, PackageOrder("server", tx.ids.uuid(), (item,), 1)).id


def _budget(tx, plane):
    account = accounts.fetch(tx, _account(tx, plane))
    return budgets.create(tx, OTHER, account, BudgetOrder("b", Decimal(1))).id


def _payment(tx, plane):
    _account(tx, plane)
    return checkouts.order(tx, OTHER, "bank", Decimal(10)).id


def _port(tx, plane):
    _account(tx, plane)
    return network.port(tx, plane, OTHER)


FOREIGN = Foreign(
    {
        "account_id": _account,
        "subscription_id": _subscription,
        "package_id": _package,
        "budget_id": _budget,
        "payment_id": _payment,
        "port_id": _port,
        "number": lambda tx, plane: "1" if _account(tx, plane) else "",
    },
    # What a thing cost is asked of the caller's own charges: another's thing cost as little as one that never
    # was.
    frozenset({"list_id", "project_id", "cycle", "provider", "resource_kind", "resource_id"}),
    {
        ("PATCH", "/v1/subscriptions/{subscription_id}"): {"subscription": {"auto_renew": True}},
        ("POST", "/v1/subscriptions/{subscription_id}/extend"): {"extend": {"months": 1}},
        ("PUT", "/v1/traffic/ports/{port_id}"): {"traffic": {"method": "rate", "mbit": "1"}},
        ("PATCH", "/v1/accounts/{account_id}"): {"account": {"name": "x"}},
    },
    # What operators alone may do is refused before anything is looked for.
    statuses=frozenset({404, 403}),
)
