"""The networks that every cloud has from the start: `public`, `private` behind a router for demo, and the
pools that other projects' first networks are cut from."""

import ipaddress
from dataclasses import dataclass
from hashlib import blake2b

from volutus.db import Tx
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.network import (
    networks,
    router_interfaces,
    routers,
    security_group_rules,
    security_groups,
    subnet_pools,
    subnets,
)
from volutus.network.listing import Query
from volutus.network.networks import NetworkOrder
from volutus.network.router_gateways import GatewayOrder
from volutus.network.routers import RouterOrder
from volutus.network.security_group_rules import RuleOrder
from volutus.network.subnet_pools import SubnetPoolOrder
from volutus.network.subnets import SubnetOrder

PUBLIC = "public"
PRIVATE = "private"
ROUTER = "router"
# Which bridge this is on a host is written in its `ovn-bridge-mappings`.
PHYSICAL_NETWORK = "physnet1"
PRIVATE_CIDR = "10.0.0.0/24"
# Apart from what people take for networks of their own. 65,536 first networks of 61 servers each.
POOL_CIDR = "10.64.0.0/10"
POOL_LENGTHS = {4: 26, 6: 64}


@dataclass(frozen=True)
class FirstNetworks:
    """`external_cidr` are the addresses by which the outside reaches the cloud; its first is the way out."""

    admin_project_id: str
    demo_project_id: str
    external_cidr: str


def bootstrap(tx: Tx, order: FirstNetworks) -> None:
    """Make what is missing. What has one of these names already is left as it is."""
    public_id = _named(tx, order.admin_project_id, PUBLIC) or _make_public(tx, order)
    if _named(tx, order.demo_project_id, PRIVATE) is None:
        _make_private(tx, order.demo_project_id, public_id)
    for version, cidr in ((4, POOL_CIDR), (6, unique_local_prefix(public_id, 48))):
        if subnet_pools.default_of(tx, version) is None:
            _make_pool(tx, order.admin_project_id, version, cidr)


def unique_local_prefix(network_id: str, length: int = 64) -> str:
    """A prefix that nobody else is likely to have (RFC 4193: fd, and 40 bits that are as good as random)."""
    digest = blake2b(network_id.encode(), digest_size=5).digest()
    return str(ipaddress.IPv6Network((b"\xfd" + digest + bytes(10), length)))


def _named(tx: Tx, project_id: str, name: str) -> str | None:
    found = networks.list_(tx, CLOUD, Query({"project_id": [project_id], "name": [name]}))
    return found[0].id if found else None


def _make_public(tx: Tx, order: FirstNetworks) -> str:
    public = networks.create(
        tx,
        CLOUD,
        NetworkOrder(
            project_id=order.admin_project_id,
            name=PUBLIC,
            external=True,
            is_default=True,
            network_type="flat",
            physical_network=PHYSICAL_NETWORK,
        ),
    )
    subnets.create(
        tx,
        CLOUD,
        SubnetOrder(
            project_id=order.admin_project_id,
            network_id=public.id,
            cidr=order.external_cidr,
            name=f"{PUBLIC}-subnet",
            enable_dhcp=False,
        ),
    )
    return public.id


def _make_private(tx: Tx, project_id: str, public_id: str) -> None:
    demo = Caller(user_id=None, user_name="cloud", project_id=project_id, roles=CLOUD.roles)
    private = networks.create(tx, demo, NetworkOrder(project_id=project_id, name=PRIVATE))
    first = SubnetOrder(project_id, private.id, PRIVATE_CIDR, name=f"{PRIVATE}-subnet")
    second = SubnetOrder(
        project_id=project_id,
        network_id=private.id,
        cidr=unique_local_prefix(private.id),
        name=f"{PRIVATE}-subnet-v6",
        address_mode="slaac",
        ra_mode="slaac",
    )
    router = routers.create(tx, demo, RouterOrder(project_id, name=ROUTER, gateway=GatewayOrder(public_id)))
    for order in (first, second):
        subnet = subnets.create(tx, demo, order)
        router_interfaces.add_by_subnet(tx, demo, router.id, subnet.id)
    _admit_log_in(tx, demo, project_id)


def _make_pool(tx: Tx, project_id: str, version: int, cidr: str) -> None:
    """An operator who wants none makes this one no default: it is not made again while its name is there."""
    name = f"default-pool-v{version}"
    if subnet_pools.list_(tx, CLOUD, Query({"project_id": [project_id], "name": [name]})):
        return
    length = POOL_LENGTHS[version]
    pool = SubnetPoolOrder(
        project_id, name, (cidr,), default_prefix_length=length, shared=True, is_default=True
    )
    subnet_pools.create(tx, CLOUD, pool)


def _admit_log_in(tx: Tx, demo: Caller, project_id: str) -> None:
    """Let SSH and ping in to servers of the first project, so that a newcomer reaches the first server at
    once. Groups of other projects begin as everywhere: nothing comes in."""
    group_id = security_groups.ensure_default(tx, demo, project_id)
    for ip_version, icmp in ((4, "icmp"), (6, "ipv6-icmp")):
        ssh = RuleOrder(project_id, group_id, "ingress", ip_version, "tcp", 22, 22)
        ping = RuleOrder(project_id, group_id, "ingress", ip_version, icmp)
        for order in (ssh, ping):
            security_group_rules.create(tx, demo, order)
