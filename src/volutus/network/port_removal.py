"""What goes with a port: forwarded ports that lead to it, and the trunk that it is the parent of."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, select, text

from volutus import metering
from volutus.db import Tx
from volutus.network import units
from volutus.network.ovn.model import Kind
from volutus.network.tables import floating_ips, port_forwardings

# Most ports have nothing of the kind: one question instead of five orders.
_HOLDS = text(
    """
    SELECT EXISTS (SELECT 1 FROM port_forwardings WHERE port_id = ANY(CAST(:ids AS text[]))) AS forwards,
        EXISTS (SELECT 1 FROM trunks WHERE port_id = ANY(CAST(:ids AS text[]))) AS carries,
        EXISTS (SELECT 1 FROM sub_ports WHERE port_id = ANY(CAST(:ids AS text[]))) AS is_carried
    """
)
_FREE = text(
    """
    WITH freed AS (
        UPDATE ports p SET device_id = '', device_owner = '', host_name = '', chassis = '',
            revision = p.revision + 1, updated_at = :now
        FROM sub_ports s JOIN trunks t ON t.id = s.trunk_id
        WHERE p.id = s.port_id AND t.port_id = ANY(CAST(:ids AS text[])) RETURNING p.id
    )
    SELECT coalesce(array_agg(id), '{}') FROM freed
    """
)
_NO_TRUNKS = text("DELETE FROM trunks WHERE port_id = ANY(CAST(:ids AS text[]))")
_NO_SUB_PORTS = text("DELETE FROM sub_ports WHERE port_id = ANY(CAST(:ids AS text[]))")
_LEAVE = text(
    """
    UPDATE floating_ips f SET router_id = NULL WHERE f.id = ANY(CAST(:ids AS text[])) AND f.port_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM port_forwardings w WHERE w.floating_ip_id = f.id)
    """
)


def let_go(tx: Tx, port_ids: Sequence[str]) -> None:
    """The ports are about to go, and with them the rates that were promised to them."""
    parameters = {"ids": list(port_ids)}
    metering.close_usage(tx, "port", port_ids)
    holds = tx.row(_HOLDS, parameters)
    if holds is not None and holds.forwards:
        drop_forwardings(tx, port_forwardings.c.port_id.in_(port_ids))
    if holds is not None and holds.carries:
        units.touch(tx, Kind.PORT, tx.value(_FREE, {**parameters, "now": tx.now}))
        tx.execute(_NO_TRUNKS, parameters)
    if holds is not None and holds.is_carried:
        tx.execute(_NO_SUB_PORTS, parameters)


def drop_forwardings(tx: Tx, *where: ColumnElement[bool]) -> None:
    """Forward some ports no longer; a floating IP that forwards none any more leaves its router."""
    gone = delete(port_forwardings).where(*where).returning(port_forwardings.c.floating_ip_id)
    floating_ids = sorted({row.floating_ip_id for row in tx.rows(gone)})  # bounded: of one port or address
    if not floating_ids:
        return
    through = select(floating_ips.c.router_id).where(floating_ips.c.id.in_(floating_ids))
    found = tx.rows(through.limit(len(floating_ids)))
    units.touch(tx, Kind.ROUTER, [row.router_id for row in found if row.router_id])
    tx.execute(_LEAVE, {"ids": floating_ids})
