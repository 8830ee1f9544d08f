"""What the cloud itself does with all that a project has: turn its servers off, on again, or end everything.

Each may be asked for again and does what is left to do: so large projects are done in several rounds, and
what waits for something else (a volume for its server) in the next one.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select

from volutus import image, volume
from volutus.compute import actions, meters, servers
from volutus.compute.steps import Step
from volutus.compute.tables import guests
from volutus.compute.tables import servers as server_rows
from volutus.db import Page, Tx
from volutus.identity.caller import CLOUD
from volutus.image import ImageFilter
from volutus.network import floating_ips, ports, routers
from volutus.network.listing import Query
from volutus.network.loadbalancer import balancers, nouns
from volutus.network.port_changes import HELD
from volutus.network.routers import RouterChanges
from volutus.network.vpn import gateways
from volutus.volume import VolumeFilter
from volutus.volume.backups import BackupFilter

# What is done in one transaction: each server's row is locked by it.
ROUND_MAX = 200
_ON = ("on", "paused")
_RUNNING = ("running", "paused")
# More than a project starts before the first of them run.
PENDING_MAX = 10_000


def stop(tx: Tx, project_ids: Sequence[str]) -> list[str]:
    """Turn off what runs; which servers that were. One that is being built is turned off once it runs."""
    found = [
        server
        for server_id in _running(tx, project_ids)
        if (server := servers.by_id(tx, server_id, lock=True)) is not None and server.power in _ON
    ]
    for server in found:
        _set_power(tx, server, "off", "stop")
    return [server.id for server in found]


def start(tx: Tx, server_ids: Sequence[str]) -> None:
    """Turn these on, where they still are and are off."""
    for server_id in server_ids:
        server = servers.by_id(tx, server_id, lock=True)
        if server is not None and server.power == "off" and server.delete_asked_at is None:
            _set_power(tx, server, "on", "start")


def pending(tx: Tx, project_id: str) -> dict[str, Decimal]:
    """Meter to what this project's servers will use that shall run, but do not yet."""
    statement = _of([project_id]).outerjoin(guests, guests.c.server_id == server_rows.c.id)
    waits = statement.with_only_columns(server_rows).where(
        server_rows.c.power.in_(_ON),
        server_rows.c.delete_asked_at.is_(None),
        server_rows.c.fault_code.is_(None),
        server_rows.c.step.is_distinct_from(Step.SHELVED.value),
        func.coalesce(guests.c.state, "").notin_(_RUNNING),
    )
    found: dict[str, Decimal] = {}
    for row in tx.rows(waits.limit(PENDING_MAX)):
        for meter, amount in meters.amounts(row).items():
            found[meter] = found.get(meter, Decimal(0)) + amount
    return found


def remove(tx: Tx, project_ids: Sequence[str]) -> bool:
    """Order the end of all that costs; whether none is left."""
    left = _ids(tx, project_ids)
    for server_id in left:
        actions.delete(tx, CLOUD, server_id)
    done = [_remove_parts(tx, project_id) for project_id in project_ids]
    return all(done) and not left


def _remove_parts(tx: Tx, project_id: str) -> bool:
    page = Page(ROUND_MAX)
    disks = volume.volumes.list_(tx, CLOUD, VolumeFilter(everyones=True, project_id=project_id), page)
    for disk in disks:
        # One that a server holds goes in the next round, when the server is gone.
        if not disk.removed and not disk.held_by_server:
            volume.volumes.remove(tx, CLOUD, disk.id, force=True)
    backups = volume.backups.list_(tx, CLOUD, BackupFilter(everyones=True, project_id=project_id), page)
    for backup in backups:
        # Those that others are incremental to go in a later round.
        if not backup.dependents:
            volume.backups.remove(tx, CLOUD, backup.id, force=True)
    ways_in = _remove_ways_in(tx, project_id, page)
    addresses = _remove_addresses(tx, project_id, page)
    images = image.page(tx, CLOUD, ImageFilter(exact={"owner": [project_id]}), page)
    for one in images:
        if one.protected:
            image.change(tx, CLOUD, one.id, lambda fields: replace(fields, protected=False))
        image.delete(tx, CLOUD, one.id)
    return not (disks or backups or ways_in or addresses or images)


def _remove_ways_in(tx: Tx, project_id: str, page: Page) -> bool:
    """Load balancers and VPN gateways, with all below them; whether there were any."""
    wanted = Query({"project_id": [project_id]}, page)
    found = nouns.list_(tx, CLOUD, nouns.BALANCER, wanted)
    for balancer, _ in found:
        balancers.remove(tx, CLOUD, balancer.id, cascade=True)
    ways_in = gateways.list_(tx, CLOUD, wanted)
    for gateway in ways_in:
        gateways.remove(tx, CLOUD, gateway.id, cascade=True)
    return bool(found or ways_in)


def _remove_addresses(tx: Tx, project_id: str, page: Page) -> bool:
    """Floating IPs, routers' gateways, and ports on external networks that no server or balancer has: those
    go with it. Whether there were any."""
    mine = {"project_id": [project_id]}
    floating = floating_ips.list_(tx, CLOUD, Query(mine, page))
    for address in floating:
        floating_ips.remove(tx, CLOUD, address.id)
    outside = ports.list_(tx, CLOUD, Query(mine | {"public": ["true"]}, page))
    loose = [port for port in outside if port.server_id is None and port.device_owner not in HELD]
    ports.erase(tx, CLOUD, loose)
    leading_out = [one for one in routers.list_(tx, CLOUD, Query(mine, page)) if one.gateways]
    for router in leading_out:
        routers.change(tx, CLOUD, router.id, RouterChanges(gateway=None))
    return bool(floating or loose or leading_out)


def _set_power(tx: Tx, server: servers.Server, power: str, action: str) -> None:
    servers.write(tx, server.id, power=power, power_orders=server.power_orders + 1)
    actions.touched(tx, CLOUD, server, action)


def _running(tx: Tx, project_ids: Sequence[str]) -> list[str]:
    statement = _of(project_ids).join(guests, guests.c.server_id == server_rows.c.id)
    runs = statement.where(guests.c.state.in_(_RUNNING), server_rows.c.power.in_(_ON))
    rows = tx.rows(runs.where(server_rows.c.delete_asked_at.is_(None)).limit(ROUND_MAX))
    return [row.id for row in rows]


def _ids(tx: Tx, project_ids: Sequence[str]) -> list[str]:
    return [row.id for row in tx.rows(_of(project_ids).limit(ROUND_MAX))]


def _of(project_ids: Sequence[str]) -> Select[Any]:
    statement = select(server_rows.c.id).where(server_rows.c.project_id.in_(project_ids))
    return statement.where(server_rows.c.deleted_at.is_(None)).order_by(server_rows.c.id)
