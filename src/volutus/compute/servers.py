"""Servers: what tenants ordered, with the guest that carries each. Reading, listing and simple changes.

Orders of new servers are in `orders`, power and deletion in `actions`, convergence in `reconciler`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT, array
from sqlalchemy.sql.expression import cast

from volutus import audit
from volutus.compute.faults import ServerNotFound, ZoneFixed
from volutus.compute.status import Facts, Status, status_column, status_of
from volutus.compute.tables import guests, servers
from volutus.db import Page, SortKey, Tx, paged
from volutus.identity import Caller

# A page of servers is read with everything about them, so it is no longer than clients read at once.
LIST_MAX = 1000


@dataclass(frozen=True)
class Guest:
    """One run of a server on one host: what was ordered of the host, and what it reported last."""

    server_id: str
    host_id: str
    host_name: str
    zone: str
    placed_at: datetime
    assigned_at: datetime | None
    assigned_generation: int | None
    assigned_digest: str | None
    assigned_power: str | None
    assigned_power_orders: int | None
    buried_at: datetime | None
    state: str | None
    state_since: datetime | None
    generation: int
    soft_reboots: int
    hard_reboots: int
    disks: list[str]
    nics: list[str]
    counters: list[dict[str, Any]]
    cpu_time_ns: int
    started_at: str | None
    launched_at: datetime | None
    fault: str | None
    fault_detail: str | None
    vnc_socket: str | None
    serial_socket: str | None
    observed_at: datetime | None
    gone_at: datetime | None
    cores_max: int
    memory_mib_max: int

    @property
    def caught_up(self) -> bool:
        """Whether the host carried out the newest order."""
        return self.assigned_generation is not None and self.generation >= self.assigned_generation


@dataclass(frozen=True)
class ServerFault:
    """Why a server is in ERROR, for the tenant; `detail` is for the operator."""

    code: int
    message: str
    detail: str
    at: datetime


@dataclass(frozen=True)
class Server:
    """A server with all its columns (in the table's order) and its guest. `power` and the counts of reboots
    are what is wanted; the flavor's values are a copy that later changes of the flavor do not touch."""

    id: str
    project_id: str
    user_id: str
    name: str
    hostname: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    launched_at: datetime | None
    deleted_at: datetime | None
    power: str
    power_orders: int
    soft_reboots: int
    hard_reboots: int
    rebuilds: int
    rebuilt: int
    image_task: str | None
    delete_asked_at: datetime | None
    locked: bool
    locked_reason: str | None
    flavor_id: str
    flavor_name: str
    mhz: int
    cores: int
    memory_mib: int
    disk_gib: int
    ephemeral_gib: int
    swap_mib: int
    extra_specs: dict[str, str]
    image_id: str | None
    image_properties: dict[str, Any]
    image_format: str
    kernel_image: dict[str, str] | None
    ramdisk_image: dict[str, str] | None
    root_volume_gib: int
    key_name: str | None
    key_public: str | None
    user_data: str | None
    admin_pass: str | None
    config_drive: bool
    zone: str | None
    host_asked: str | None
    metadata: dict[str, str]
    tags: list[str]
    hints: dict[str, Any]
    group_id: str | None
    access_ipv4: str
    access_ipv6: str
    disk_config: str
    reservation_id: str
    launch_index: int
    client_token: str | None
    fault_code: int | None
    fault_message: str | None
    fault_detail: str | None
    fault_at: datetime | None
    step: str | None
    step_since: datetime | None
    step_data: dict[str, Any]
    files: list[dict[str, str]]
    preserve_ephemeral: bool
    guest: Guest | None = None

    @cached_property
    def status(self) -> Status:
        """Computed from both sides; see `status`."""
        guest = self.guest
        return status_of(
            Facts(
                power=self.power,
                soft_reboots=self.soft_reboots,
                hard_reboots=self.hard_reboots,
                deleting=self.delete_asked_at is not None,
                deleted=self.deleted_at is not None,
                faulted=self.fault_code is not None,
                launched=self.first_launched_at is not None,
                placed=guest is not None,
                assigned=guest is not None and guest.assigned_at is not None,
                seen=guest.state if guest else None,
                rebuilding=self.is_rebuilding,
                image_task=self.image_task,
                step=self.step,
                soft_done=guest.soft_reboots if guest else 0,
                hard_done=guest.hard_reboots if guest else 0,
            )
        )

    @property
    def is_rebuilding(self) -> bool:
        """Whether a new root disk was asked for and no guest has run from it yet."""
        fresh = self.launched_at is not None and (self.guest is None or self.guest.launched_at is None)
        return self.rebuilt < self.rebuilds or (fresh and self.rebuilds > 0 and self.power == "on")

    @property
    def first_launched_at(self) -> datetime | None:
        """When a guest of it first ran."""
        return self.launched_at or (self.guest.launched_at if self.guest else None)

    @property
    def fault(self) -> ServerFault | None:
        """Why it is in ERROR: said by the control plane, else by the host."""
        if self.fault_code is not None and self.fault_at is not None:
            return ServerFault(
                self.fault_code, self.fault_message or "", self.fault_detail or "", self.fault_at
            )
        if self.guest is not None and self.guest.state == "failed":
            at = self.guest.observed_at or self.updated_at
            message = self.guest.fault or "The host could not run the server."
            return ServerFault(500, message, self.guest.fault_detail or "", at)
        return None

    @property
    def root_device(self) -> str | None:
        """What the guest's first disk is called."""
        return "/dev/vda"


@dataclass(frozen=True)
class ServerFilter:
    """What a list may be narrowed by; None (or empty) means any. `name` is a regular expression, `ip` and
    `ip6` too, resolved by the caller's verb to `ids`. `deleted` and `all_projects` are an administrator's."""

    name: str | None = None
    statuses: tuple[str, ...] = ()
    vm_state: str | None = None
    task_state: str | None = None
    flavor_id: str | None = None
    image_id: str | None = None
    host: str | None = None
    zone: str | None = None
    key_name: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    reservation_id: str | None = None
    description: str | None = None
    hostname: str | None = None
    locked: bool | None = None
    config_drive: bool | None = None
    changed_since: datetime | None = None
    changed_before: datetime | None = None
    created_at: datetime | None = None
    deleted: bool = False
    all_projects: bool = False
    ids: Sequence[str] | None = None
    tags: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    not_tags_any: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


SORTABLE: Mapping[str, ColumnElement[Any]] = {
    "access_ip_v4": servers.c.access_ipv4,
    "access_ip_v6": servers.c.access_ipv6,
    "availability_zone": servers.c.zone,
    "config_drive": servers.c.config_drive,
    "created_at": servers.c.created_at,
    "display_description": servers.c.description,
    "display_name": servers.c.name,
    "host": guests.c.host_name,
    "hostname": servers.c.hostname,
    "image_ref": servers.c.image_id,
    "instance_type_id": servers.c.flavor_id,
    "key_name": servers.c.key_name,
    "launch_index": servers.c.launch_index,
    "launched_at": servers.c.launched_at,
    "locked": servers.c.locked,
    "node": guests.c.host_name,
    "power_state": guests.c.state,
    "project_id": servers.c.project_id,
    "task_state": status_column("task_state"),
    "updated_at": servers.c.updated_at,
    "user_id": servers.c.user_id,
    "uuid": servers.c.id,
    "vm_state": status_column("vm_state"),
}
_JOIN = servers.outerjoin(guests, guests.c.server_id == servers.c.id)
_SELECT = select(servers, guests).select_from(_JOIN)
_WIDTH = len(servers.c)
_NEWEST_FIRST = (SortKey("created_at", descending=True),)


def get(tx: Tx, caller: Caller, server_id: str, *, deleted: bool = False) -> Server:
    """One server that the caller may see. Raises ServerNotFound. `deleted` also finds deleted ones."""
    return _get(tx, caller, server_id, _SELECT, deleted=deleted)


def locked(tx: Tx, caller: Caller, server_id: str) -> Server:
    """The same, and nobody else changes its row until this transaction ends."""
    return _get(tx, caller, server_id, _SELECT.with_for_update(of=servers), deleted=False)


def by_id(tx: Tx, server_id: str, *, lock: bool = False) -> Server | None:
    """One server for the cloud itself, deleted ones included."""
    statement = _SELECT.with_for_update(of=servers) if lock else _SELECT
    row = tx.row(statement.where(servers.c.id == server_id))
    return from_row(row) if row else None


def list_(tx: Tx, caller: Caller, wanted: ServerFilter, page: Page) -> list[Server]:
    """Servers in pages, newest first unless sorted otherwise, in one statement."""
    ordered = Page(min(page.limit, LIST_MAX), page.marker, page.sort or _NEWEST_FIRST)
    statement = _SELECT.where(*_whose(caller, wanted))
    return [
        from_row(row)
        for row in tx.rows(paged(tx, statement, ordered, SORTABLE, servers.c.id, _filters(wanted)))
    ]


def ids_of(tx: Tx, caller: Caller, wanted: ServerFilter, limit: int = LIST_MAX) -> list[str]:
    """Only the ids of the servers that fit."""
    conditions = [*_whose(caller, wanted), *_filters(wanted)]
    statement = select(servers.c.id).select_from(_JOIN).where(*conditions)
    return [row.id for row in tx.rows(statement.order_by(servers.c.id).limit(limit))]


def existing(tx: Tx, server_ids: Collection[str]) -> set[str]:
    """Which of these servers there are, whoever asks."""
    known = select(servers.c.id).where(servers.c.id.in_(server_ids), servers.c.deleted_at.is_(None))
    return {row.id for row in tx.rows(known.limit(max(len(server_ids), 1)))}


@dataclass(frozen=True)
class ServerChange:
    """What a tenant may change of a server by itself; None leaves a field, except `description`, which
    `describe` says to set, and `zone`, which `pin` says to set."""

    name: str | None = None
    hostname: str | None = None
    description: str | None = None
    describe: bool = False
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    disk_config: str | None = None
    zone: str | None = None
    pin: bool = False


def change(tx: Tx, caller: Caller, server_id: str, wanted: ServerChange) -> Server:
    """Rename or describe a server, or say whether it is to stay in its zone. Raises ZoneFixed."""
    server = locked(tx, caller, server_id)
    named = ("name", "hostname", "access_ipv4", "access_ipv6", "disk_config")
    values = {name: getattr(wanted, name) for name in named if getattr(wanted, name) is not None}
    if wanted.describe:
        values["description"] = wanted.description
    if wanted.pin:
        values["zone"] = _pinned(server, wanted.zone)
    write(tx, server_id, **values)
    audit.record(tx, caller, "update", "compute.server", server_id, {"changed": sorted(values)})
    return get(tx, caller, server_id)


def _pinned(server: Server, zone: str | None) -> str | None:
    """A server is pinned to where it is, or not at all: to be pinned elsewhere it would have to move."""
    if zone is not None and zone != server.zone:
        if server.zone is not None:
            raise ZoneFixed(f"Instance {server.id} is pinned to the zone {server.zone}: unpin it first.")
        if server.guest is None or server.guest.zone != zone:
            raise ZoneFixed(f"Instance {server.id} can only be pinned to the zone that it is in.")
    return zone


def write(tx: Tx, server_id: str, **values: Any) -> None:
    """Change columns of a server's row and say when."""
    tx.execute(
        update(servers).where(servers.c.id == server_id).values(**values, updated_at=tx.now),
    )


def fail(tx: Tx, server_id: str, message: str, detail: str = "") -> None:
    """Put a server into ERROR with a cause its tenant can read."""
    fault = {"fault_code": 500, "fault_message": message, "fault_detail": detail, "fault_at": tx.now}
    write(tx, server_id, **fault)


def from_row(row: Row[Any]) -> Server:
    """A server from a row of all columns of both tables."""
    guest = Guest(*row[_WIDTH:]) if row[_WIDTH] is not None else None
    values: tuple[Any, ...] = (*row[:_WIDTH], guest)
    return Server(*values)


def select_all() -> Select[Any]:
    """All columns of servers and their guests, to be narrowed and limited."""
    return _SELECT


def _get(tx: Tx, caller: Caller, server_id: str, statement: Select[Any], *, deleted: bool) -> Server:
    row = tx.row(statement.where(servers.c.id == server_id))
    if row is None or not caller.sees(row.project_id) or (row.deleted_at is not None and not deleted):
        raise ServerNotFound(f"Instance {server_id} could not be found.")
    return from_row(row)


def _filters(wanted: ServerFilter) -> list[ColumnElement[bool]]:
    clauses = [*_alive(wanted), *_equals(wanted), *_tagged(wanted)]
    if wanted.name:
        clauses.append(servers.c.name.regexp_match(wanted.name))
    if wanted.statuses:
        clauses.append(status_column().in_(wanted.statuses))
    if wanted.vm_state:
        clauses.append(status_column("vm_state") == wanted.vm_state)
    if wanted.task_state:
        clauses.append(status_column("task_state") == wanted.task_state)
    if wanted.changed_since is not None:
        clauses.append(servers.c.updated_at >= wanted.changed_since)
    if wanted.changed_before is not None:
        # Times are shown in whole seconds: what is shown as this very second counts.
        end = wanted.changed_before.replace(microsecond=0) + timedelta(seconds=1)
        clauses.append(servers.c.updated_at < end)
    if wanted.ids is not None:
        clauses.append(servers.c.id.in_(wanted.ids))
    if wanted.metadata:
        clauses.append(servers.c.metadata.contains(dict(wanted.metadata)))
    return clauses


def _whose(caller: Caller, wanted: ServerFilter) -> list[ColumnElement[bool]]:
    if not (caller.is_admin and wanted.all_projects):
        return [servers.c.project_id == caller.own_project()]
    return [servers.c.project_id == wanted.project_id] if wanted.project_id else []


def _alive(wanted: ServerFilter) -> list[ColumnElement[bool]]:
    if wanted.deleted:
        return [servers.c.deleted_at.isnot(None)]
    # Whoever asks for changes wants to hear of deletions too.
    changes = wanted.changed_since is not None or wanted.changed_before is not None
    return [] if changes else [servers.c.deleted_at.is_(None)]


def _equals(wanted: ServerFilter) -> list[ColumnElement[bool]]:
    columns = {
        "flavor_id": servers.c.flavor_id,
        "image_id": servers.c.image_id,
        "host": guests.c.host_name,
        "zone": func.coalesce(guests.c.zone, servers.c.zone),
        "key_name": servers.c.key_name,
        "user_id": servers.c.user_id,
        "reservation_id": servers.c.reservation_id,
        "description": servers.c.description,
        "hostname": servers.c.hostname,
        "locked": servers.c.locked,
        "config_drive": servers.c.config_drive,
        "created_at": servers.c.created_at,
    }
    return [
        column == getattr(wanted, name)
        for name, column in columns.items()
        if getattr(wanted, name) is not None
    ]


def _tagged(wanted: ServerFilter) -> list[ColumnElement[bool]]:
    clauses: list[ColumnElement[bool]] = []
    if wanted.tags:
        clauses.append(servers.c.tags.contains(_texts(wanted.tags)))
    if wanted.tags_any:
        clauses.append(servers.c.tags.overlap(_texts(wanted.tags_any)))
    if wanted.not_tags:
        clauses.append(~servers.c.tags.contains(_texts(wanted.not_tags)))
    if wanted.not_tags_any:
        clauses.append(~servers.c.tags.overlap(_texts(wanted.not_tags_any)))
    return clauses


def _texts(values: Sequence[str]) -> ColumnElement[Any]:
    return cast(array(list(values)), ARRAY(TEXT))


def unsettled(tx: Tx, limit: int) -> list[str]:
    """Servers that are not yet what they should be, longest waiting first: for the periodic scan."""
    behind = or_(
        servers.c.delete_asked_at.isnot(None),
        and_(servers.c.fault_code.is_(None), servers.c.launched_at.is_(None)),
        and_(servers.c.fault_code.is_(None), guests.c.assigned_power != servers.c.power),
        and_(servers.c.fault_code.is_(None), guests.c.server_id.is_(None)),
        servers.c.rebuilt < servers.c.rebuilds,
        servers.c.image_task.isnot(None),
        and_(servers.c.fault_code.is_(None), servers.c.step.notin_(("resized", "rescued", "shelved"))),
        and_(servers.c.power != "off", guests.c.state.in_(("stopped", "crashed"))),
    )
    rows = tx.rows(
        select(servers.c.id)
        .select_from(_JOIN)
        .where(servers.c.deleted_at.is_(None), behind)
        .order_by(servers.c.updated_at)
        .limit(limit)
    )
    return [row.id for row in rows]
