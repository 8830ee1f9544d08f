"""Compute: servers, what they are made of, and the guests that carry them on hosts.

The way of a server: `orders.create` writes what is wanted; `reconciler` brings it about through placement,
network, volume and the host's document; `reports` stores what hosts observe; `status` says what that means.
"""

from volutus.compute import (
    actions,
    aggregates,
    annotations,
    attachments,
    console,
    details,
    flavors,
    floating_ips,
    groups,
    guest_commands,
    guest_passwords,
    history,
    images,
    interfaces,
    key_pairs,
    moves,
    orders,
    projects,
    rebuilds,
    remote_consoles,
    rescues,
    resizes,
    servers,
    shelving,
    usages,
)
from volutus.compute.orders import ServerOrder
from volutus.compute.reconciler import ServerReconciler
from volutus.compute.reports import end_usage_of_silent, report, unreachable
from volutus.compute.server_disks import BlockDevice
from volutus.compute.servers import Guest, Server, ServerChange, ServerFilter
from volutus.db import Tx

__all__ = [
    "BlockDevice",
    "Guest",
    "Server",
    "ServerChange",
    "ServerFilter",
    "ServerOrder",
    "ServerReconciler",
    "actions",
    "aggregates",
    "annotations",
    "attachments",
    "bootstrap",
    "console",
    "details",
    "end_usage_of_silent",
    "flavors",
    "floating_ips",
    "groups",
    "guest_commands",
    "guest_passwords",
    "history",
    "images",
    "interfaces",
    "key_pairs",
    "moves",
    "orders",
    "projects",
    "rebuilds",
    "remote_consoles",
    "report",
    "rescues",
    "resizes",
    "servers",
    "shelving",
    "unreachable",
    "usages",
]


def bootstrap(tx: Tx) -> None:
    """What a new cloud starts with: the preset flavors. May be run again."""
    flavors.bootstrap(tx)
