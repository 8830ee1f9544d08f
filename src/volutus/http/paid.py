"""The gate before everything that costs: what a request ordered is found out from what it changed, in the
same transaction, and if the account cannot pay for it nothing was ordered.

Neither dialects nor domains know of money: growth is read from the project's quota counters, and what starts
again from the server itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from volutus import compute, metering, network, quota, volume
from volutus.billing import accounts, admission, money, notices, quotes
from volutus.billing.meters import ordered
from volutus.billing.quotes import QuoteItem, QuoteOrder
from volutus.compute import ServerFilter
from volutus.db import Page, Tx
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.network import public_addresses

# Acts that may make a project use more than before.
ORDERS = frozenset(
    {
        "compute:servers:create",
        "compute:servers:act:resize",
        "image:create",
        "loadbalancer:load_balancers:create",
        "network:floatingips:create",
        "network:routers:create",
        "network:vpn_gateways:create",
        "volume:backups:create",
        "volume:snapshots:create",
        "volume:volumes:act",
        "volume:volumes:create",
    }
)
# Acts after which a server runs that did not before.
STARTS = frozenset(
    f"compute:servers:act:{act}"
    for act in (
        "os-start",
        "reboot",
        "rebuild",
        "rescue",
        "restore",
        "resume",
        "unpause",
        "unrescue",
        "unshelve",
    )
)
# Acts that may give a router an address outside, which no quota counts.
CONNECTS = "network:routers:update"
CREATES = "compute:servers:create"
RESIZES = "compute:servers:act:resize"
# A quota's name to the meter that will be charged by it, once it is there.
METERS = {"backup_gigabytes": "backup_gib"}
# Disks count in all and within their type, which is what they will be charged as.
STORAGE = "gigabytes"
SIZES = {"mhz": "cpu_mhz", "ram": "memory_mib"}
# What is in use from its order on is among what the account uses by then.
WATCHED = (
    *(*METERS, *SIZES, STORAGE, "instances", "volumes", "snapshots", "images"),
    *("floatingip", "router", "load_balancer"),
)


class PaidGate:
    """Lets pass what the project's account can pay for. Raises NotEnoughFunds and its kin."""

    @contextmanager
    def passing(self, tx: Tx, caller: Caller, permission: str, params: Mapping[str, str]) -> Iterator[None]:
        """Around a handler."""
        if permission in STARTS:
            yield
            _admit_start(tx, compute.servers.get(tx, CLOUD, params["id"]).project_id)
        elif permission == CONNECTS and caller.project_id and admission.pays(tx, caller.project_id):
            had = metering.in_use(tx, caller.project_id, public_addresses.METER)
            yield
            if metering.in_use(tx, caller.project_id, public_addresses.METER) > had:
                admission.admit(tx, caller.project_id, compute.projects.pending(tx, caller.project_id))
        elif permission in ORDERS and caller.project_id and admission.pays(tx, caller.project_id):
            before = quota.usage(tx, caller.project_id)
            yield
            _admit_growth(tx, caller.project_id, before, resizes=permission == RESIZES)
            if permission == CREATES:
                _confirm(tx, caller)
        else:
            yield


def _admit_growth(tx: Tx, project_id: str, before: Mapping[str, int], *, resizes: bool) -> None:
    after = quota.usage(tx, project_id)
    grown = {name: after[name] - before[name] for name in WATCHED if after[name] > before[name]}
    if grown:
        charged = METERS | SIZES if resizes else METERS
        more = {meter: Decimal(grown[name]) for name, meter in charged.items() if name in grown}
        if STORAGE in grown:
            more |= _storage(tx, before, after)
        admission.admit(tx, project_id, _sum(more, compute.projects.pending(tx, project_id)))


def _storage(tx: Tx, before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Decimal]:
    prefix = f"{STORAGE}_"
    by_type = {
        name.removeprefix(prefix): more
        for name, used in after.items()
        if name.startswith(prefix) and (more := used - before.get(name, 0)) > 0
    }
    return {meter: Decimal(gib) for meter, gib in volume.classes.by_meter(tx, by_type).items()}


def _admit_start(tx: Tx, project_id: str) -> None:
    """Servers that run are in what the account uses; those on their way to run come on top."""
    if admission.pays(tx, project_id):
        admission.admit(tx, project_id, compute.projects.pending(tx, project_id))


def _sum(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> dict[str, Decimal]:
    none = Decimal(0)
    return {meter: one.get(meter, none) + other.get(meter, none) for meter in {*one, *other}}


def _confirm(tx: Tx, caller: Caller) -> None:
    """Tell the account what was just ordered, and what it will cost. All servers of a request have one shape:
    it is quoted once, however many they are."""
    made = compute.servers.list_(tx, caller, ServerFilter(created_at=tx.now), Page())
    if not made:
        return
    account = accounts.mine(tx, caller)
    sizes = {
        "cpu_mhz": made[0].mhz,
        "memory_mib": made[0].memory_mib,
        "storage_gib": made[0].root_volume_gib + compute.local_disks.present(tx, made[0].id).gib,
    }
    items = tuple(QuoteItem(meter, Decimal(size)) for meter, size in sizes.items() if size)
    quoted = quotes.quote(tx, account, QuoteOrder(quotes.POSTPAID, items))
    reserved = network.addresses(tx, [server.id for server in made])
    details = {
        f"server/{server.id}": {
            "id": server.id,
            "name": server.name,
            "shape": ", ".join(ordered(item.meter, item.amount) for item in items),
            "addresses": ", ".join(one.ip for one in reserved[server.id]),
            "price": money.shown(quoted.total, quoted.currency),
        }
        for server in made
    }
    notices.tell_all(tx, account.id, "server_ordered", details)
