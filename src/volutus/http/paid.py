"""The gate before everything that costs: what a request ordered is found out from what it changed, in the
same transaction, and if the account cannot pay for it nothing was ordered.

Neither dialects nor domains know of money: growth is read from the project's quota counters, and what starts
again from the server itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from volutus import compute, network, quota
from volutus.billing import accounts, admission, money, notices, quotes
from volutus.billing.meters import ordered
from volutus.billing.quotes import QuoteItem, QuoteOrder
from volutus.compute import ServerFilter
from volutus.db import Tx
from volutus.identity import Caller
from volutus.identity.caller import CLOUD

# Acts that may make a project use more than before.
ORDERS = frozenset(
    {
        "compute:servers:create",
        "compute:servers:resize",
        "image:create",
        "network:floatingips:create",
        "network:routers:create",
        "volume:backups:create",
        "volume:snapshots:create",
        "volume:volumes:act",
        "volume:volumes:create",
    }
)
# Acts after which a server runs that did not before.
STARTS = frozenset({f"compute:servers:{act}" for act in ("reboot", "rebuild", "start", "unshelve")})
CREATES = "compute:servers:create"
# A quota's name to the meter that is charged by it; what has none is still looked at by itself.
METERS = {
    "mhz": "cpu_mhz",
    "ram": "memory_mib",
    "gigabytes": "storage_gib",
    "backup_gigabytes": "backup_gib",
    "floatingip": "address",
    "router": "router",
}
WATCHED = (*METERS, "instances", "volumes", "snapshots", "images")


class PaidGate:
    """Lets pass what the project's account can pay for. Raises NotEnoughFunds and its kin."""

    @contextmanager
    def passing(self, tx: Tx, caller: Caller, permission: str, params: Mapping[str, str]) -> Iterator[None]:
        """Around a handler."""
        if permission in STARTS:
            yield
            _admit_start(tx, params["id"])
        elif permission in ORDERS and caller.project_id and admission.pays(tx, caller.project_id):
            before = quota.usage(tx, caller.project_id)
            yield
            _admit_growth(tx, caller.project_id, before)
            if permission == CREATES:
                _confirm(tx, caller)
        else:
            yield


def _admit_growth(tx: Tx, project_id: str, before: Mapping[str, int]) -> None:
    after = quota.usage(tx, project_id)
    grown = {name: after[name] - before[name] for name in WATCHED if after[name] > before[name]}
    if grown:
        more = {METERS[name]: Decimal(amount) for name, amount in grown.items() if name in METERS}
        admission.admit(tx, project_id, more)


def _admit_start(tx: Tx, server_id: str) -> None:
    """A server that runs already is in what the account uses."""
    server = compute.servers.get(tx, CLOUD, server_id)
    if admission.pays(tx, server.project_id):
        runs = server.guest is not None and server.guest.state in ("running", "paused")
        more = {} if runs else {"cpu_mhz": Decimal(server.mhz), "memory_mib": Decimal(server.memory_mib)}
        admission.admit(tx, server.project_id, more)


def _confirm(tx: Tx, caller: Caller) -> None:
    """Tell the account what was just ordered, and what it will cost."""
    account = accounts.mine(tx, caller)
    made = compute.servers.ids_of(tx, caller, ServerFilter(created_at=tx.now))
    found = [compute.servers.get(tx, caller, server_id) for server_id in made]
    reserved = network.addresses(tx, made)
    for server in found:
        sizes = {
            "cpu_mhz": server.mhz,
            "memory_mib": server.memory_mib,
            "storage_gib": server.root_volume_gib,
        }
        items = tuple(QuoteItem(meter, Decimal(size)) for meter, size in sizes.items() if size)
        quoted = quotes.quote(tx, account, QuoteOrder(quotes.POSTPAID, items))
        detail = {
            "id": server.id,
            "name": server.name,
            "shape": ", ".join(ordered(item.meter, item.amount) for item in items),
            "addresses": ", ".join(one.ip for one in reserved.get(server.id, [])),
            "price": money.shown(quoted.total, quoted.currency),
        }
        notices.tell(tx, account.id, "server_ordered", f"server/{server.id}", detail)
