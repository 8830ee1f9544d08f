"""Orders of new servers: checked, charged and written in one transaction. Nothing is waited for."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, text, update

from volutus import audit, image, network, placement, quota, volume
from volutus.compute import (
    flavors,
    groups,
    hardware,
    history,
    image_devices,
    key_pairs,
    personality,
    reports,
    server_disks,
    servers,
)
from volutus.compute.faults import FlavorNotFound, KeyPairNotFound, TooMany
from volutus.compute.flavors import Flavor
from volutus.compute.hardware import Shape
from volutus.compute.key_pairs import KeyPair
from volutus.compute.local_disks import LocalDisks
from volutus.compute.personality import InjectedFile
from volutus.compute.server_disks import BlockDevice, DisksOrder
from volutus.compute.servers import Server
from volutus.compute.tables import servers as server_rows
from volutus.db import Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import Caller
from volutus.image import BootParts, Image
from volutus.network import NicMode, NicRequest, ServerNics
from volutus.reconcile import wake_many

# One request makes no more than this: each costs its share of one transaction.
COUNT_MAX = 100
USER_DATA_MAX_BYTES = 65_535
HOSTNAME_MAX = 63
TAGS_MAX = 50
# For so long a repeated order is the same order.
CLIENT_TOKEN_LIFETIME = timedelta(hours=24)
CLIENT_TOKEN_MAX = 255
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:token, 0))")


@dataclass(frozen=True)
class ServerOrder:
    """What a tenant asks for. With no `networks` the mode decides: none, the project's only one, or one made.
    `count` servers are made, or as many as the quota allows down to `count_min`."""

    name: str
    flavor_id: str
    image_id: str | None = None
    networks: Sequence[NicRequest] = ()
    nic_mode: NicMode = NicMode.UNSAID
    security_groups: Sequence[str] = ()
    block_devices: Sequence[BlockDevice] = ()
    key_name: str | None = None
    user_data: str | None = None
    files: Sequence[InjectedFile] = ()
    config_drive: bool | None = None
    admin_pass: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    count: int = 1
    count_min: int = 1
    zone: str | None = None
    host: str | None = None
    description: str | None = None
    hostname: str | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    access_ipv4: str = ""
    access_ipv6: str = ""
    disk_config: str = "MANUAL"
    client_token: str | None = None


@dataclass(frozen=True)
class Parts:
    """What an order refers to, fetched."""

    flavor: Flavor
    image: Image | None
    boot: BootParts
    key: KeyPair | None
    root_gib: int
    local: LocalDisks
    files: Sequence[Mapping[str, str]]


def create(tx: Tx, caller: Caller, order: ServerOrder) -> list[Server]:
    """Order servers; they are built from now on. Raises Invalid naming the field, QuotaExceeded, NotFound's
    kin. With a client token asked again, the same servers are answered and none is made."""
    project_id = caller.own_project()
    if order.client_token is not None and (made := _made_before(tx, caller, order.client_token)):
        return made
    _check(tx, order, project_id)
    order, parts = _fetch(tx, caller, order)
    if group_id := order.hints.get("group"):
        groups.admit(tx, caller, str(group_id), order.count)
    count = _charge(tx, project_id, order, parts.flavor)
    reservation_id = f"r-{tx.ids.hex()[:8]}"
    ids = []
    for index in range(count):
        named = order if count == 1 else _numbered(order, index)
        ids.append(_create_one(tx, caller, named, parts, (reservation_id, index)))
    wake_many(tx, reports.SERVER, ids)
    return [servers.get(tx, caller, server_id) for server_id in ids]


def _made_before(tx: Tx, caller: Caller, token: str) -> list[Server]:
    """What was made for this token lately. Two requests with one token are served one after the other."""
    if len(token) > CLIENT_TOKEN_MAX:
        raise Invalid(f"A client token has at most {CLIENT_TOKEN_MAX} characters.", field="X-Client-Token")
    tx.execute(_ONE_AT_A_TIME, {"token": f"{caller.project_id} {token}"})
    mine = (server_rows.c.project_id == caller.project_id) & (server_rows.c.client_token == token)
    forgotten = server_rows.c.created_at < tx.now - CLIENT_TOKEN_LIFETIME
    tx.execute(update(server_rows).where(mine, forgotten).values(client_token=None))
    rows = tx.rows(
        servers.select_all()
        .where(mine, server_rows.c.deleted_at.is_(None))
        .order_by(server_rows.c.launch_index)
        .limit(COUNT_MAX)
    )
    return [servers.from_row(row) for row in rows]


def _check(tx: Tx, order: ServerOrder, project_id: str) -> None:
    """What can be seen to be wrong from the order alone."""
    if not 1 <= order.count_min <= order.count:
        raise Invalid("min_count must be <= max_count", field="min_count")
    if order.count > COUNT_MAX:
        raise Invalid(f"At most {COUNT_MAX} servers can be ordered at once.", field="max_count")
    if order.image_id is None and not any(device.boot_index == 0 for device in order.block_devices):
        raise Invalid(
            "Invalid imageRef provided: a server needs an image or a volume to boot from.", field="imageRef"
        )
    if order.user_data is not None:
        check_user_data(order.user_data)
    if order.count > 1 and any(_names_port(request) for request in order.networks):
        raise Invalid(
            "Unable to launch multiple instances with a single configured port ID or fixed IP. "
            "Please launch your instance one by one with different ones.",
            field="networks",
        )
    if order.metadata:
        check_metadata(tx, project_id, order.metadata)


def check_user_data(encoded: str) -> None:
    """User data comes as base64 of text and is handed on decoded. Raises Invalid."""
    try:
        base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise Invalid("User data needs to be valid base 64 of text.", field="user_data") from error
    if len(encoded) > USER_DATA_MAX_BYTES:
        raise Invalid(f"User data is over {USER_DATA_MAX_BYTES} bytes.", field="user_data")


def check_metadata(tx: Tx, project_id: str, items: Mapping[str, str]) -> None:
    """Raises TooMany when a server may not have so many items."""
    maximum = quota.limits(tx, project_id)["metadata_items"]
    if maximum != quota.UNLIMITED and len(items) > maximum:
        raise TooMany(f"Quota exceeded, too many metadata items: at most {maximum} are allowed.")


def _names_port(request: NicRequest) -> bool:
    return request.port_id is not None or request.fixed_ip is not None


def _fetch(tx: Tx, caller: Caller, order: ServerOrder) -> tuple[ServerOrder, Parts]:
    """What the order refers to, and the order itself with what its image adds."""
    flavor, key = _flavor_and_key(tx, caller, order)
    found, boot = _image(tx, caller, order, flavor)
    if found is not None and found.is_description:
        devices = image_devices.merged(found, order.block_devices)
        order = replace(order, image_id=None, block_devices=devices)
    properties = found.properties if found else {}
    shape = Shape(properties, flavor.extra_specs, flavor.cores, flavor.memory_mib)
    hardware.of(shape)
    for device in order.block_devices:
        hardware.check_disk(shape, device.device_type, device.bus)
    if order.host is not None:
        placement.hosts.by_name(tx, order.host)
    files = personality.checked(tx, caller.own_project(), order.files)
    local = server_disks.local_disks_of(order.block_devices, flavor)
    return order, Parts(flavor, found, boot, key, server_disks.root_gib(flavor, found), local, files)


def _flavor_and_key(tx: Tx, caller: Caller, order: ServerOrder) -> tuple[Flavor, KeyPair | None]:
    """Names that lead nowhere are faults of the request here, not missing resources."""
    try:
        flavor = flavors.get(tx, caller, order.flavor_id)
        key = key_pairs.get(tx, caller, order.key_name) if order.key_name else None
    except FlavorNotFound as error:
        raise Invalid(error.message, field="flavorRef") from error
    except KeyPairNotFound as error:
        raise Invalid(
            f"Invalid key_name provided: you have no key pair '{order.key_name}'.", field="key_name"
        ) from error
    return flavor, key


def _image(tx: Tx, caller: Caller, order: ServerOrder, flavor: Flavor) -> tuple[Image | None, BootParts]:
    """The image the server starts as, checked against the flavor, and what further images it boots with."""
    image_id = order.image_id or server_disks.boot_image(order.block_devices)
    if image_id is None:
        return None, BootParts()
    try:
        # A volume made from the image has its own size, which the volume's order checks.
        disk_gib = flavor.disk_gib if order.image_id is not None else None
        get = image.get_bootable if order.image_id is not None else image.get_usable
        found = get(tx, caller, image_id, disk_gib=disk_gib, memory_mib=flavor.memory_mib)
        return found, image.boot_parts(tx, caller, found)
    except (NotFound, Conflict) as error:
        raise Invalid(error.message, field="imageRef") from error


def _charge(tx: Tx, project_id: str, order: ServerOrder, flavor: Flavor) -> int:
    """Charge for as many servers as the quota allows, and say how many that are."""
    count = order.count
    if order.count_min < order.count:
        limits, used = quota.limits(tx, project_id), quota.usage(tx, project_id)
        for name, each in _amounts(flavor, 1).items():
            if limits[name] != quota.UNLIMITED:
                count = min(count, (limits[name] - used[name]) // each)
        count = max(count, order.count_min)
    quota.charge(tx, project_id, _amounts(flavor, count))
    return count


def _amounts(flavor: Flavor, count: int) -> dict[str, int]:
    return {
        "instances": count,
        "cores": flavor.cores * count,
        "ram": flavor.memory_mib * count,
        "mhz": flavor.mhz * count,
    }


def _numbered(order: ServerOrder, index: int) -> ServerOrder:
    hostname = f"{order.hostname}-{index + 1}" if order.hostname else None
    return replace(order, name=f"{order.name}-{index + 1}", hostname=hostname)


def _create_one(tx: Tx, caller: Caller, order: ServerOrder, parts: Parts, launch: tuple[str, int]) -> str:
    server_id = tx.ids.uuid()
    hostname = order.hostname or hostname_of(order.name, server_id)
    wanted = ServerNics(
        server_id=server_id,
        project_id=caller.own_project(),
        zone=order.zone or "nova",
        requested=tuple(order.networks),
        mode=order.nic_mode,
        security_groups=tuple(order.security_groups),
    )
    network.ports_for_server(tx, caller, wanted)
    disks = DisksOrder(server_id, order.block_devices, parts.image, parts.root_gib, parts.local, order.zone)
    root_gib = server_disks.order(tx, caller, disks)
    values = _row(order, parts, launch)
    tx.execute(
        insert(server_rows),
        {
            **values,
            "id": server_id,
            "hostname": hostname,
            "root_volume_gib": root_gib,
            "image_properties": _image_properties(tx, caller, server_id, parts.image) | _said_of_root(order),
            "project_id": caller.project_id,
            "user_id": caller.user_id,
            "created_at": tx.now,
            "updated_at": tx.now,
        },
    )
    history.began(tx, caller, server_id, "create")
    audit.record(tx, caller, "create", "compute.server", server_id, {"flavor": parts.flavor.id})
    return server_id


def _image_properties(tx: Tx, caller: Caller, server_id: str, found: Image | None) -> dict[str, Any]:
    """What the image says that the server boots, also where it is in a volume by now."""
    if found is not None:
        return dict(found.properties)
    tied = volume.attachments_of(tx, [server_id])[server_id]
    booted = next((one.volume_id for one in tied if one.boot_index == 0), None)
    return dict(volume.get_volume(tx, caller, booted).image_metadata or {}) if booted else {}


def _said_of_root(order: ServerOrder) -> dict[str, Any]:
    """What the order says of the server's own disk goes before what its image says of disks."""
    root = next((device for device in order.block_devices if device.is_root_image), None)
    return {"hw_disk_bus": root.bus} if root is not None and root.bus is not None else {}


def _row(order: ServerOrder, parts: Parts, launch: tuple[str, int]) -> dict[str, Any]:
    flavor = parts.flavor
    return {
        "name": order.name,
        "description": order.description,
        "flavor_id": flavor.id,
        "flavor_name": flavor.name,
        "mhz": flavor.mhz,
        "cores": flavor.cores,
        "memory_mib": flavor.memory_mib,
        "disk_gib": flavor.disk_gib,
        "ephemeral_gib": flavor.ephemeral_gib,
        "swap_mib": flavor.swap_mib,
        "extra_specs": dict(flavor.extra_specs),
        "image_id": order.image_id,
        "image_format": parts.image.disk_format if parts.image and order.image_id else "",
        "kernel_image": server_disks.source_of(parts.boot.kernel),
        "ramdisk_image": server_disks.source_of(parts.boot.ramdisk),
        "key_name": parts.key.name if parts.key else None,
        "key_public": parts.key.public_key if parts.key else None,
        "user_data": order.user_data,
        "admin_pass": order.admin_pass,
        # A guest without a network, or with one that has no DHCP, still learns its keys by the drive.
        "config_drive": bool(parts.files) or (order.config_drive is not False),
        "files": list(parts.files),
        "zone": order.zone,
        "host_asked": order.host,
        "metadata": dict(order.metadata),
        "tags": sorted(set(order.tags)),
        "hints": dict(order.hints),
        "group_id": order.hints.get("group") or None,
        "access_ipv4": order.access_ipv4,
        "access_ipv6": order.access_ipv6,
        "disk_config": order.disk_config,
        "reservation_id": launch[0],
        "launch_index": launch[1],
        "client_token": order.client_token,
    }


def hostname_of(name: str, server_id: str) -> str:
    """A host name from a server's name: letters, digits and hyphens, as Nova makes it."""
    plain = re.sub(r"[^\w.-]+", "", re.sub(r"[ _]", "-", name.lower()), flags=re.ASCII).replace(".", "-")
    short = plain.strip("-")[:HOSTNAME_MAX].strip("-")
    return short or f"server-{server_id}"
