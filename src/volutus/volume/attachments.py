"""Attachments whose book a client keeps itself: bare metal, Kubernetes, or an operator by hand.

What the compute service plugs in (`servers`) is shown here but cannot be ended here: only compute knows
whether a guest still uses the volume.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, false, insert, select, update

from volutus import audit
from volutus.db import Page, Tx, paged
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.volume.faults import AttachmentNotFound, HeldByServer, WrongStatus
from volutus.volume.records import Attachment, Volume, attachment_of, get_volume, lock_volume
from volutus.volume.status import SHAREABLE, Status
from volutus.volume.tables import attachments, volumes


@dataclass(frozen=True)
class AttachmentOrder:
    """An attachment to be noted. With a connector it is under way, without it reserves the volume."""

    volume_id: str
    server_id: str | None = None
    connector: Mapping[str, Any] | None = None
    mode: str | None = None
    device: str | None = None
    host_name: str | None = None


@dataclass(frozen=True)
class AttachmentFilter:
    """Which attachments a list has; None means any."""

    everyones: bool = False
    project_id: str | None = None
    volume_id: str | None = None
    server_id: str | None = None
    status: str | None = None


_SORTABLE = {"id": attachments.c.id, "created_at": attachments.c.created_at}
_WITH_PROJECT = select(attachments, volumes.c.project_id).join(volumes)


def create(tx: Tx, caller: Caller, order: AttachmentOrder) -> Attachment:
    """Reserve a volume, or with a connector begin to attach it. Raises WrongStatus."""
    volume = lock_volume(tx, caller, order.volume_id)
    if not _shareable(volume, order.server_id):
        _require(volume, Status.AVAILABLE, "attached")
    return _insert(tx, caller, order, "attached" if order.connector else "reserved", None)


def get(tx: Tx, caller: Caller, attachment_id: str) -> Attachment:
    """An attachment of one of the caller's volumes. Raises AttachmentNotFound."""
    row = tx.row(_WITH_PROJECT.where(attachments.c.id == attachment_id, volumes.c.server_id.is_(None)))
    if row is None or not caller.sees(row.project_id):
        raise AttachmentNotFound(
            f"Volume attachment could not be found with filter: attachment_id = {attachment_id}."
        )
    return attachment_of(row)


def list_(tx: Tx, caller: Caller, wanted: AttachmentFilter, page: Page) -> list[Attachment]:
    """Attachments in pages."""
    statement = _WITH_PROJECT.where(volumes.c.server_id.is_(None))
    if not (caller.is_admin and wanted.everyones):
        statement = statement.where(volumes.c.project_id == caller.own_project())
    elif wanted.project_id is not None:
        statement = statement.where(volumes.c.project_id == wanted.project_id)
    if wanted.volume_id is not None:
        statement = statement.where(attachments.c.volume_id == wanted.volume_id)
    if wanted.server_id is not None:
        statement = statement.where(attachments.c.server_id == wanted.server_id)
    if wanted.status is not None:
        statement = statement.where(_has_status(wanted.status))
    return [attachment_of(row) for row in tx.rows(paged(tx, statement, page, _SORTABLE, attachments.c.id))]


def connect(
    tx: Tx, caller: Caller, attachment_id: str, connector: Mapping[str, Any], mode: str | None
) -> Attachment:
    """The client told who will connect: the attachment is under way."""
    found = _own(tx, caller, attachment_id)
    values: dict[str, Any] = {"connector": dict(connector), "wanted": "attached"}
    values["host_name"] = connector.get("host")
    if connector.get("mountpoint"):
        values["device"] = connector["mountpoint"]
    if mode is not None:
        values["mode"] = mode
    tx.execute(update(attachments).where(attachments.c.id == found.id).values(**values))
    _touch(tx, found.volume_id)
    return get(tx, caller, attachment_id)


def complete(tx: Tx, caller: Caller, attachment_id: str) -> None:
    """The client is connected."""
    found = _own(tx, caller, attachment_id)
    if found.wanted == "reserved":
        raise WrongStatus(f"Invalid attachment: {attachment_id} has no connector yet.")
    tx.execute(update(attachments).where(attachments.c.id == found.id).values(attached_at=tx.now))
    _touch(tx, found.volume_id)


def remove(tx: Tx, caller: Caller, attachment_id: str) -> None:
    """The client is done with the volume. Raises HeldByServer for what compute plugged in."""
    found = _own(tx, caller, attachment_id)
    tx.execute(delete(attachments).where(attachments.c.id == found.id))
    _touch(tx, found.volume_id)
    audit.record(tx, caller, "detach", "volume.volume", found.volume_id)


def announce(tx: Tx, caller: Caller, volume_id: str) -> None:
    """Somebody is about to attach the volume: nobody else may, for a while. Raises WrongStatus."""
    volume = lock_volume(tx, caller, volume_id)
    _require(volume, Status.AVAILABLE, "reserved")
    _set(tx, volume_id, attach_claimed_at=tx.now)


def withdraw(tx: Tx, caller: Caller, volume_id: str) -> None:
    """The announcement is off."""
    volume = lock_volume(tx, caller, volume_id)
    _require(volume, Status.ATTACHING, "unreserved")
    _set(tx, volume_id, attach_claimed_at=None)


def attach(tx: Tx, caller: Caller, order: AttachmentOrder) -> Attachment:
    """Note a volume as attached, announced or not. Raises WrongStatus."""
    volume = lock_volume(tx, caller, order.volume_id)
    free = volume.status in (Status.AVAILABLE, Status.ATTACHING) and not volume.attachments
    if not free and not _shareable(volume, order.server_id):
        raise WrongStatus(f"Invalid volume: Volume {volume.id} is {volume.status} and cannot be attached.")
    if volume.read_only and order.mode == "rw":
        raise WrongStatus(f"Invalid volume: Volume {volume.id} is read-only and cannot be attached as rw.")
    return _insert(tx, caller, order, "attached", tx.now)


def begin_detaching(tx: Tx, caller: Caller, volume_id: str) -> None:
    """The client is about to detach."""
    held = _held(tx, caller, volume_id, Status.IN_USE)
    tx.execute(update(attachments).where(attachments.c.id == held.id).values(wanted="detached"))
    _touch(tx, volume_id)


def roll_detaching(tx: Tx, caller: Caller, volume_id: str) -> None:
    """Detaching is off: the volume stays in use."""
    held = _held(tx, caller, volume_id, Status.DETACHING)
    tx.execute(update(attachments).where(attachments.c.id == held.id).values(wanted="attached"))
    _touch(tx, volume_id)


def detach(tx: Tx, caller: Caller, volume_id: str, attachment_id: str | None = None) -> None:
    """The volume is free again. Raises AttachmentNotFound, HeldByServer, WrongStatus, and Invalid for an
    attachment of another volume."""
    volume = lock_volume(tx, caller, volume_id)
    if not volume.attachments:
        # Twice is as good as once; what was only announced is withdrawn.
        _set(tx, volume_id, attach_claimed_at=None)
        return
    if attachment_id is None and len(volume.attachments) > 1:
        raise WrongStatus(f"Invalid volume: Volume {volume_id} is attached more than once: say which.")
    mine = [one for one in volume.attachments if attachment_id in (None, one.id)]
    if not mine:
        other = get(tx, caller, attachment_id or "")
        raise Invalid(f"Attachment {other.id} is not one of volume {volume_id}.", field="attachment_id")
    remove(tx, caller, mine[0].id)


def end_connection(tx: Tx, caller: Caller, volume_id: str) -> None:
    """A client that is connected on its own says that it is no longer. Nothing is kept of such connections;
    raises HeldByServer for a volume that compute plugged in, which goes on."""
    for one in get_volume(tx, caller, volume_id).attachments:
        _free_of_compute(one)


def _has_status(status: str) -> Any:
    """`Attachment.status` as a condition."""
    kinds = {
        "reserved": attachments.c.wanted == "reserved",
        "detaching": attachments.c.wanted == "detached",
        "attached": (attachments.c.wanted == "attached") & attachments.c.attached_at.isnot(None),
        "attaching": (attachments.c.wanted == "attached") & attachments.c.attached_at.is_(None),
    }
    return kinds.get(status, false())


def _shareable(volume: Volume, server_id: str | None) -> bool:
    """Whether a volume that is attached already may be attached to this server too."""
    held = {attachment.server_id for attachment in volume.attachments}
    return volume.multiattach and volume.status in SHAREABLE and (server_id is None or server_id not in held)


def _held(tx: Tx, caller: Caller, volume_id: str, status: Status) -> Attachment:
    volume = lock_volume(tx, caller, volume_id)
    _require(volume, status, "changed so")
    if not volume.attachments:
        raise WrongStatus(f"Invalid volume: Volume {volume_id} is not attached.")
    return _free_of_compute(volume.attachments[0])


def _own(tx: Tx, caller: Caller, attachment_id: str) -> Attachment:
    found = get(tx, caller, attachment_id)
    lock_volume(tx, caller, found.volume_id)
    return _free_of_compute(get(tx, caller, attachment_id))


def _free_of_compute(attachment: Attachment) -> Attachment:
    if attachment.by_compute:
        raise HeldByServer(
            f"Detach volume from instance {attachment.server_id} using the Compute API", field="volume_id"
        )
    return attachment


def _require(volume: Volume, status: Status, doing: str) -> None:
    if volume.status != status:
        raise WrongStatus(
            f"Invalid volume: Volume {volume.id} must be {status} to be {doing}, but current status is: "
            f"{volume.status}."
        )


def _insert(tx: Tx, caller: Caller, order: AttachmentOrder, wanted: str, attached_at: Any) -> Attachment:
    attachment_id = tx.ids.uuid()
    connector = dict(order.connector) if order.connector else None
    shared = tx.value(select(volumes.c.multiattach).where(volumes.c.id == order.volume_id))
    tx.execute(
        insert(attachments),
        {
            "id": attachment_id,
            "volume_id": order.volume_id,
            "server_id": order.server_id,
            "by_compute": False,
            "wanted": wanted,
            "mode": order.mode or "rw",
            "device": order.device or (connector or {}).get("mountpoint"),
            "host_name": order.host_name or (connector or {}).get("host"),
            "connector": connector,
            "created_at": tx.now,
            "attached_at": attached_at,
            "shared": shared,
        },
    )
    _touch(tx, order.volume_id)
    audit.record(tx, caller, "attach", "volume.volume", order.volume_id, {"server_id": order.server_id})
    return get(tx, caller, attachment_id)


def _touch(tx: Tx, volume_id: str) -> None:
    _set(tx, volume_id, attach_claimed_at=None, forced_status=None)


def _set(tx: Tx, volume_id: str, **changes: Any) -> None:
    tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**changes, updated_at=tx.now))
