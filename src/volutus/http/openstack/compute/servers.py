"""Servers: create, list, show, change, delete."""

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from volutus import compute
from volutus.compute import BlockDevice, ServerChange, ServerFilter, ServerOrder
from volutus.compute import details as detailed
from volutus.compute.status import STATUSES
from volutus.db import Page
from volutus.errors import Forbidden, Invalid, NotFound
from volutus.http.kernel import Request, Version, accepted, document, next_links, no_content, parse_page
from volutus.http.openstack.compute import schemas, views
from volutus.http.openstack.compute.schemas import BlockDeviceBody, NetworkBody, ServerCreate
from volutus.network import NicMode, NicRequest

# Enough for a password nobody guesses; Nova's are 12 characters.
PASSWORD_BYTES = 12
# Filters that only an administrator may use are dropped from another's request without a word, as in Nova.
_FOR_ADMIN = {
    "host",
    "node",
    "project_id",
    "tenant_id",
    "user_id",
    "deleted",
    "reservation_id",
    "all_tenants",
}
_SORT_FIELDS = {"display_name": "display_name", "name": "display_name", "id": "uuid", "created": "created_at"}


def create(request: Request) -> Response:
    """Order one or more servers."""
    body = request.read(schemas.ServerCreateBody)
    order = _order(request, body)
    try:
        made = compute.orders.create(request.tx, request.caller, order)
    except NotFound as error:
        # What is missing is named in the body, while 404 speaks of the address.
        raise Invalid(error.message, field=error.field) from error
    if schemas.flag(body.server.return_reservation_id, "return_reservation_id"):
        return accepted({"reservation_id": made[0].reservation_id})
    # A password that was not asked for is shown because clients insist on one, and works nowhere.
    password = order.admin_pass or secrets.token_urlsafe(PASSWORD_BYTES)
    view = views.server_created(request, made[0], order.security_groups, password)
    return accepted({"server": view}, {"Location": view["links"][0]["href"]})


def index(request: Request) -> Response:
    """The short list."""
    wanted, page = _filter(request)
    found = compute.servers.list_(request.tx, request.caller, wanted, page) if wanted else []
    ids = [server.id for server in found]
    lines = [views.server_brief(request, server) for server in found]
    return document({"servers": lines, **next_links(request, "servers", page, ids)})


def detail(request: Request) -> Response:
    """The long list."""
    wanted, page = _filter(request)
    found = detailed.list_(request.tx, request.caller, wanted, page) if wanted else []
    ids = [one.server.id for one in found]
    lines = [views.server_detail(request, one) for one in found]
    return document({"servers": lines, **next_links(request, "servers", page, ids)})


def show(request: Request) -> Response:
    """One server."""
    found = detailed.get(request.tx, request.caller, request.params["id"])
    return document({"server": views.server_detail(request, found, groups_shown=True)})


def update(request: Request) -> Response:
    """Rename or describe."""
    body = request.read(schemas.ServerUpdateBody).server
    schemas.check_version(body, request.microversion)
    change = ServerChange(
        name=schemas.name_of(body.name, "name") if body.name is not None else None,
        hostname=hostname_of(body.hostname) if isinstance(body.hostname, str) else None,
        description=body.description if isinstance(body.description, str) else None,
        describe=body.description is not UNSET,
        access_ipv4=address_of(body.access_ipv4, 4, "accessIPv4"),
        access_ipv6=address_of(body.access_ipv6, 6, "accessIPv6"),
        disk_config=disk_config_of(body.disk_config),
        zone=body.pinned_zone if isinstance(body.pinned_zone, str) else None,
        pin=body.pinned_zone is not UNSET,
    )
    changed = compute.servers.change(request.tx, request.caller, request.params["id"], change)
    found = detailed.of(request.tx, request.caller, [changed])[0]
    return document({"server": views.server_updated(request, found)})


def delete(request: Request) -> Response:
    """Order a server's end."""
    compute.actions.delete(request.tx, request.caller, request.params["id"])
    return no_content()


def _order(request: Request, body: schemas.ServerCreateBody) -> ServerOrder:
    server = body.server
    schemas.check_version(server, request.microversion)
    networks, mode = _networks(server.networks)
    zone, host = _place(request, server)
    count_min = schemas.number(server.min_count, "min_count", 1)
    count = schemas.number(server.max_count, "max_count", 1)
    return ServerOrder(
        name=schemas.name_of(server.name, "name"),
        flavor_id=str(server.flavor),
        image_id=server.image or None,
        networks=networks,
        nic_mode=mode,
        security_groups=tuple(group.name for group in server.security_groups or ()),
        block_devices=_block_devices(server),
        key_name=server.key_name,
        user_data=server.user_data,
        files=schemas.files_of(server.personality),
        config_drive=_config_drive(server),
        admin_pass=server.admin_pass or None if isinstance(server.admin_pass, str) else None,
        metadata=server.metadata or {},
        tags=server.tags if isinstance(server.tags, list) else (),
        count=count or count_min or 1,
        count_min=count_min or 1,
        zone=zone,
        host=host,
        description=server.description if isinstance(server.description, str) else None,
        hostname=hostname_of(server.hostname) if isinstance(server.hostname, str) else None,
        hints=body.hints or body.old_hints or server.hints or {},
        access_ipv4=address_of(server.access_ipv4, 4, "accessIPv4") or "",
        access_ipv6=address_of(server.access_ipv6, 6, "accessIPv6") or "",
        disk_config=disk_config_of(server.disk_config) or "MANUAL",
        client_token=request.headers.get("x-client-token"),
    )


def _config_drive(server: ServerCreate) -> bool | None:
    if server.config_drive is None or server.config_drive == "":
        return None
    return schemas.flag(server.config_drive, "config_drive")


def _networks(wanted: list[NetworkBody] | str | None) -> tuple[tuple[NicRequest, ...], NicMode]:
    if isinstance(wanted, str):
        if wanted not in ("auto", "none"):
            raise Invalid("networks is a list, 'auto' or 'none'.", field="networks")
        return (), NicMode(wanted)
    requests = tuple(NicRequest(n.uuid, n.port, n.fixed_ip, n.tag) for n in wanted or ())
    for request in requests:
        if request.fixed_ip is not None:
            _check_address(request.fixed_ip)
        if request.network_id is None and request.port_id is None:
            raise Invalid("Bad networks format: a network needs a uuid or a port.", field="networks")
    return requests, NicMode.UNSAID


def _place(request: Request, server: ServerCreate) -> tuple[str | None, str | None]:
    """Zone and host: the host as its own field, or behind the zone as `ZONE:HOST[:NODE]`."""
    zone, _, behind = (server.availability_zone or "").partition(":")
    host = next((h for h in (server.host, server.hypervisor_hostname) if isinstance(h, str)), None)
    host = host or behind.partition(":")[0] or behind.partition(":")[2] or None
    if host is not None and not request.plane.policy.allows("compute:servers:create:host", request.caller):
        raise Forbidden("Policy does not allow compute:servers:create:host to be performed.")
    return zone or None, host


def _block_devices(server: ServerCreate) -> tuple[BlockDevice, ...]:
    devices = [_block_device(device) for device in server.block_device_mapping_v2 or ()]
    for old in server.block_device_mapping or ():
        source, uuid = ("snapshot", old.snapshot_id) if old.snapshot_id else ("volume", old.volume_id)
        size = schemas.number(old.volume_size or None, "volume_size", 1)
        boots = 0 if not server.image and not devices else None
        ends = schemas.flag(old.delete_on_termination, "delete_on_termination")
        devices.append(BlockDevice(source, "volume", uuid, size, boots, old.device_name, ends))
    return tuple(devices)


def _block_device(body: BlockDeviceBody) -> BlockDevice:
    if body.source_type not in ("image", "volume", "snapshot", "blank"):
        raise Invalid("Block Device Mapping is Invalid: unknown source_type.", field="source_type")
    destination = body.destination_type or ("local" if body.source_type in ("image", "blank") else "volume")
    index = schemas.number(body.boot_index, "boot_index", -1) if body.boot_index not in (None, "") else None
    return BlockDevice(
        source=body.source_type,
        destination=destination,
        uuid=body.uuid or body.volume_id or body.image_id or body.snapshot_id,
        size=schemas.number(body.volume_size or None, "volume_size", 1),
        boot_index=index if index is not None and index >= 0 else None,
        device=body.device_name,
        delete_on_termination=schemas.flag(body.delete_on_termination, "delete_on_termination"),
        volume_type=body.volume_type,
        tag=body.tag,
        bus=body.disk_bus,
        device_type=body.device_type,
        guest_format=body.guest_format or None,
    )


def disk_config_of(value: str | None) -> str | None:
    """AUTO or MANUAL. Raises Invalid."""
    if value is not None and value not in ("AUTO", "MANUAL"):
        raise Invalid("OS-DCF:diskConfig must be either 'MANUAL' or 'AUTO'.", field="OS-DCF:diskConfig")
    return value


def hostname_of(text: str) -> str:
    """A host name, perhaps with its domain. Raises Invalid."""
    labels = text.split(".")
    good = all(0 < len(x) <= 63 and x.replace("-", "").isalnum() and x.isascii() for x in labels)
    if not good or len(text) > 255 or text[0] == "-" or text[-1] == "-":
        raise Invalid(f"Invalid input for field/attribute hostname. Value: {text}.", field="hostname")
    return text


def _check_address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise Invalid(f"Invalid fixed IP address ({text})", field="networks.fixed_ip") from error


def address_of(text: str | None, version: int, field: str) -> str | None:
    """An address of that version of IP, in its short form. Raises Invalid."""
    if not text:
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise Invalid(f"Invalid input for field/attribute {field}. Value: {text}.", field=field) from error
    if address.version != version:
        raise Invalid(f"{field} is an address of IP version {version}.", field=field)
    # In its short form, whatever form it came in.
    return str(address)


def _filter(request: Request) -> tuple[ServerFilter | None, Page]:
    """The filter asked for, None when nothing can fit it."""
    page = parse_page(request, direction="desc", fields=_SORT_FIELDS)
    query = {name: value for name, value in request.query.items() if name not in ("limit", "marker")}
    admin = request.caller.is_admin
    if not admin:
        if query.get("deleted") and schemas.flag(query["deleted"], "deleted"):
            query["deleted"] = ""
        if _everyones(query):
            raise Forbidden("Policy does not allow compute:servers:detail:get_all_tenants to be performed.")
        query = {name: value for name, value in query.items() if name not in _FOR_ADMIN}
    statuses = tuple(status.upper() for status in request.query.getlist("status"))
    if (statuses and not set(statuses) & STATUSES) or request.query.get("limit") == "0":
        return None, page
    if "DELETED" in statuses and not admin:
        raise Forbidden("Only administrators may list deleted instances")
    wanted = _plain_filter(query, request.microversion)
    wanted = replace(
        wanted,
        statuses=statuses,
        deleted=wanted.deleted or statuses == ("DELETED",),
        # As in Nova a project is named in vain unless all are asked for.
        project_id=wanted.project_id if _everyones(query) else None,
        all_projects=admin and _everyones(query),
    )
    patterns = {v: query[name] for v, name in ((4, "ip"), (6, "ip6")) if query.get(name)}
    return detailed.with_addresses(request.tx, request.caller, wanted, patterns), page


def _everyones(query: Mapping[str, str]) -> bool:
    # `all_tenants` without a value means yes.
    value = query.get("all_tenants")
    return value is not None and (value == "" or schemas.flag(value, "all_tenants"))


def _plain_filter(query: Mapping[str, str], version: Version) -> ServerFilter:
    def texts(name: str) -> tuple[str, ...]:
        return tuple(query[name].split(",")) if query.get(name) and version >= views.V2_26 else ()

    def flags(name: str) -> bool | None:
        return schemas.flag(query[name], name) if query.get(name) else None

    return ServerFilter(
        name=query.get("name"),
        vm_state=query.get("vm_state"),
        task_state=query.get("task_state"),
        flavor_id=query.get("flavor"),
        image_id=query.get("image"),
        host=query.get("host") or query.get("node"),
        zone=query.get("availability_zone"),
        key_name=query.get("key_name"),
        user_id=query.get("user_id"),
        project_id=query.get("project_id") or query.get("tenant_id"),
        reservation_id=query.get("reservation_id"),
        description=query.get("description"),
        hostname=query.get("hostname"),
        locked=flags("locked") if version >= views.V2_73 else None,
        config_drive=flags("config_drive"),
        changed_since=moment_of(query, "changes-since"),
        changed_before=moment_of(query, "changes-before"),
        created_at=moment_of(query, "created_at"),
        deleted=bool(flags("deleted")),
        tags=texts("tags"),
        tags_any=texts("tags-any"),
        not_tags=texts("not-tags"),
        not_tags_any=texts("not-tags-any"),
    )


def moment_of(query: Mapping[str, Any], name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        # A plus sign that was not quoted arrives as a space.
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise Invalid(f"Invalid input for query parameters {name}. Value: {text}.", field=name) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
