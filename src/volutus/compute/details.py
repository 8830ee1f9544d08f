"""Servers with what other domains know of them, in as few statements for a thousand as for one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from volutus import network, placement, volume
from volutus.compute import servers
from volutus.compute.servers import Server, ServerFilter
from volutus.db import Page, Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.network import ServerAddress
from volutus.volume import Attachment


@dataclass(frozen=True)
class Detailed:
    """`host_up` is None where the server has no host, or the caller is not to know."""

    server: Server
    addresses: Sequence[ServerAddress]
    security_groups: Sequence[str]
    attachments: Sequence[Attachment]
    host_up: bool | None = None


def get(tx: Tx, caller: Caller, server_id: str) -> Detailed:
    """One server with everything."""
    return of(tx, caller, [servers.get(tx, caller, server_id)])[0]


def list_(tx: Tx, caller: Caller, wanted: ServerFilter, page: Page) -> list[Detailed]:
    """A page of servers with everything."""
    return of(tx, caller, servers.list_(tx, caller, wanted, page))


def of(tx: Tx, caller: Caller, found: Sequence[Server]) -> list[Detailed]:
    """These servers with everything."""
    ids = [server.id for server in found]
    if not ids:
        return []
    addresses = network.addresses(tx, ids)
    groups = network.security_groups_of(tx, ids)
    attachments = volume.attachments_of(tx, ids)
    on = {server.guest.host_id for server in found if server.guest} if caller.is_admin else set()
    up = placement.hosts.up(tx, on)
    return [
        Detailed(
            server,
            addresses.get(server.id, ()),
            groups.get(server.id, ()),
            attachments.get(server.id, ()),
            server.guest.host_id in up if on and server.guest else None,
        )
        for server in found
    ]


def with_addresses(tx: Tx, caller: Caller, wanted: ServerFilter, patterns: dict[int, str]) -> ServerFilter:
    """The filter narrowed to servers of which an address matches; `patterns` are regular expressions by
    version of IP. Raises Invalid for a bad one."""
    try:
        compiled = {version: re.compile(pattern) for version, pattern in patterns.items()}
    except re.error as error:
        raise Invalid("Invalid regular expression for an IP address.", field="ip") from error
    if not compiled:
        return wanted
    ids = servers.ids_of(tx, caller, wanted)
    found = network.addresses(tx, ids)
    fits = [
        server_id
        for server_id in ids
        if any(
            address.version in compiled and compiled[address.version].search(address.ip)
            for address in found.get(server_id, ())
        )
    ]
    return replace(wanted, ids=fits)
