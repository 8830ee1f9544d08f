"""Volumes of servers that exist: plugging and unplugging."""

from volutus import volume
from volutus.compute import actions, guest_orders, history, servers
from volutus.compute.faults import AttachmentNotFound
from volutus.compute.servers import Server
from volutus.db import Page, Tx
from volutus.errors import Conflict, Invalid
from volutus.identity import Caller
from volutus.volume import Attachment, AttachOptions

# A server on the shelf has no guest: its volumes are kept for the one that it will have.
_SHELVED = "shelved_offloaded"
_PLUGGABLE = frozenset({"active", "paused", "stopped", _SHELVED})


def list_(tx: Tx, caller: Caller, server_id: str, page: Page) -> list[Attachment]:
    """The server's volumes by device, in pages; the marker is a volume's id."""
    server = servers.get(tx, caller, server_id)
    found = volume.attachments_of(tx, [server.id])[server.id]
    if page.marker is not None:
        ids = [attachment.volume_id for attachment in found]
        if page.marker not in ids:
            raise Invalid(f"marker [{page.marker}] not found", field="marker")
        found = found[ids.index(page.marker) + 1 :]
    return found[: page.limit]


def get(tx: Tx, caller: Caller, server_id: str, volume_id: str) -> Attachment:
    """One of the server's volumes. Raises AttachmentNotFound."""
    server = servers.get(tx, caller, server_id)
    return _attachment(tx, server, volume_id)


def attach(
    tx: Tx,
    caller: Caller,
    server_id: str,
    volume_id: str,
    device: str | None = None,
    options: AttachOptions | None = None,
) -> Attachment:
    """Have a volume plugged in. Raises what the volume's own state forbids."""
    server = actions.changeable(tx, caller, server_id, "attach_volume", _PLUGGABLE)
    asked = options or AttachOptions()
    placed = AttachOptions(
        host_id=server.guest.host_id if server.guest else None,
        host_name=server.guest.host_name if server.guest else None,
        delete_on_termination=asked.delete_on_termination,
        tag=asked.tag,
        at_once=server.status.vm_state == _SHELVED,
    )
    made = volume.begin_attach(tx, caller, volume_id, server.id, device, placed)
    if placed.at_once:
        _done_at_once(tx, caller, server, "attach_volume")
    else:
        actions.touched(tx, caller, server, "attach_volume")
    return made


def detach(tx: Tx, caller: Caller, server_id: str, volume_id: str) -> None:
    """Have a volume unplugged. The one it boots from stays. Raises AttachmentNotFound."""
    server = actions.changeable(tx, caller, server_id, "detach_volume", _PLUGGABLE)
    held = _attachment(tx, server, volume_id)
    if held.boot_index == 0:
        raise Conflict("Cannot detach a root device volume")
    volume.begin_detach(tx, caller, volume_id, server.id)
    if server.status.vm_state == _SHELVED:
        # Nobody has it plugged in.
        volume.record_plugged(tx, server.id, [])
        _done_at_once(tx, caller, server, "detach_volume")
        return
    guest_orders.tell_again(tx, server.id)
    actions.touched(tx, caller, server, "detach_volume")


def extend(tx: Tx, caller: Caller, volume_id: str, size_gib: int, *, in_use: bool) -> None:
    """Order a larger size of a volume; the servers that have it plugged in tell of it. Raises what the
    volume's own state forbids."""
    volume.volumes.extend(tx, caller, volume_id, size_gib, in_use=in_use)
    held = volume.get_volume(tx, caller, volume_id).attachments
    users = [each.server_id for each in held if each.by_compute and each.server_id is not None]
    # It is over when the host's report of the new size wakes the servers.
    history.began_on_each(tx, caller, users, "extend_volume")


def set_delete_on_termination(
    tx: Tx, caller: Caller, server_id: str, volume_id: str, delete_with_server: bool
) -> None:
    """Whether the volume goes with the server."""
    server = servers.locked(tx, caller, server_id)
    _attachment(tx, server, volume_id)
    volume.set_delete_on_termination(tx, volume_id, server.id, delete_with_server)


def _done_at_once(tx: Tx, caller: Caller, server: Server, action: str) -> None:
    history.began(tx, caller, server.id, action, finished=True)
    actions.audited(tx, caller, server, action)


def _attachment(tx: Tx, server: Server, volume_id: str) -> Attachment:
    for attachment in volume.attachments_of(tx, [server.id])[server.id]:
        if attachment.volume_id == volume_id:
            return attachment
    raise AttachmentNotFound(f"Instance {server.id} is not attached to volume {volume_id}")
