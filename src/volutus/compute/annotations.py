"""What tenants write on their servers: metadata items and tags."""

from collections.abc import Mapping, Sequence

from volutus import audit
from volutus.compute import actions, orders, reports, servers
from volutus.compute.faults import MetadataItemNotFound, TagNotFound
from volutus.compute.servers import Server
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.reconcile import wake


def set_metadata(
    tx: Tx, caller: Caller, server_id: str, items: Mapping[str, str], *, replace: bool
) -> dict[str, str]:
    """Add or change items, or with `replace` have these and no others; all that there are now."""
    server = _writable(tx, caller, server_id)
    wanted = dict(items) if replace else {**server.metadata, **items}
    orders.check_metadata(tx, server.project_id, wanted)
    _write_metadata(tx, caller, server, wanted)
    return wanted


def metadata_item(tx: Tx, caller: Caller, server_id: str, key: str) -> str:
    """One item. Raises MetadataItemNotFound."""
    return _item(servers.get(tx, caller, server_id), key)


def remove_metadata(tx: Tx, caller: Caller, server_id: str, key: str) -> None:
    """Take one item away. Raises MetadataItemNotFound."""
    server = _writable(tx, caller, server_id)
    _item(server, key)
    _write_metadata(tx, caller, server, {k: v for k, v in server.metadata.items() if k != key})


def set_tags(tx: Tx, caller: Caller, server_id: str, tags: Sequence[str]) -> list[str]:
    """Have these tags and no others; they are kept sorted."""
    server = _writable(tx, caller, server_id)
    wanted = sorted(set(tags))
    if len(wanted) > orders.TAGS_MAX:
        raise Invalid(f"A server has at most {orders.TAGS_MAX} tags.", field="tags")
    servers.write(tx, server.id, tags=wanted)
    audit.record(tx, caller, "set_tags", "compute.server", server.id)
    return wanted


def add_tag(tx: Tx, caller: Caller, server_id: str, tag: str) -> bool:
    """Add one tag; False when it was there."""
    server = _writable(tx, caller, server_id)
    if tag in server.tags:
        return False
    set_tags(tx, caller, server_id, [*server.tags, tag])
    return True


def remove_tag(tx: Tx, caller: Caller, server_id: str, tag: str) -> None:
    """Take one tag away. Raises TagNotFound."""
    server = _writable(tx, caller, server_id)
    require_tag(server, tag)
    set_tags(tx, caller, server_id, [known for known in server.tags if known != tag])


def require_tag(server: Server, tag: str) -> None:
    """Raise TagNotFound unless the server has the tag."""
    if tag not in server.tags:
        raise TagNotFound(f"Server {server.id} has no tag '{tag}'")


def _writable(tx: Tx, caller: Caller, server_id: str) -> Server:
    server = servers.locked(tx, caller, server_id)
    actions.check_unlocked(caller, server)
    return server


def _item(server: Server, key: str) -> str:
    try:
        return server.metadata[key]
    except KeyError:
        raise MetadataItemNotFound("Metadata item was not found") from None


def _write_metadata(tx: Tx, caller: Caller, server: Server, wanted: Mapping[str, str]) -> None:
    servers.write(tx, server.id, metadata=dict(wanted))
    audit.record(tx, caller, "set_metadata", "compute.server", server.id, {"keys": sorted(wanted)})
    # The guest reads its metadata from its host.
    wake(tx, reports.SERVER, server.id)
