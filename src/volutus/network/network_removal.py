"""How networks go: with their subnets, their own port, and floating IPs that stand for nothing."""

from sqlalchemy import delete, select

from volutus import audit, metering, quota
from volutus.db import Tx
from volutus.identity import Caller
from volutus.network import floating_ips, networks, ports, sharing, units
from volutus.network.changes import check_revision
from volutus.network.errors import NetworkInUse
from volutus.network.ovn.model import Kind
from volutus.network.tables import floating_ips as floating_ip_rows
from volutus.network.tables import networks as network_rows
from volutus.network.tables import ports as port_rows
from volutus.network.tables import subnets as subnet_rows

# Nobody gives up more idle addresses at once; a network with more has to be emptied first.
FLOATING_IPS_MAX = 1000


def remove(tx: Tx, caller: Caller, network_id: str, if_revision: int | None = None) -> None:
    """Delete the network with what is only there for it. Raises NetworkInUse while a port is on it."""
    network = networks.get_own(tx, caller, network_id, lock=True)
    # Locked against new ports, which hold a share of this row.
    tx.execute(select(network_rows.c.id).where(network_rows.c.id == network_id).with_for_update())
    check_revision(network.revision, if_revision)
    idle = select(floating_ip_rows.c.id).where(
        floating_ip_rows.c.network_id == network_id, floating_ip_rows.c.port_id.is_(None)
    )
    idle_ids = [row.id for row in tx.rows(idle.limit(FLOATING_IPS_MAX))]
    _refuse_if_in_use(tx, network_id, idle_ids)
    for floating_id in idle_ids:
        floating_ips.remove(tx, caller, floating_id)
    own = select(port_rows.c.id).where(port_rows.c.network_id == network_id).limit(1)
    ports.erase(tx, caller, ports.fetch(tx, [row.id for row in tx.rows(own)]))
    gone = delete(subnet_rows).where(subnet_rows.c.network_id == network_id)
    for subnet in tx.rows(gone.returning(subnet_rows.c.project_id)):  # bounded: one network's own
        quota.release(tx, subnet.project_id, {"subnet": 1})
    tx.execute(delete(network_rows).where(network_rows.c.id == network_id))
    sharing.forget(tx, "network", network_id)
    units.bury(tx, Kind.NETWORK, [network_id])
    quota.release(tx, network.project_id, {"network": 1})
    metering.close_usage(tx, networks.USAGE_KIND, [network_id])
    audit.record(tx, caller, "delete", "network.network", network_id)


def _refuse_if_in_use(tx: Tx, network_id: str, idle_ids: list[str]) -> None:
    in_the_way = select(port_rows.c.id).where(
        port_rows.c.network_id == network_id,
        port_rows.c.device_owner != ports.METADATA,
        port_rows.c.device_id.notin_(idle_ids),
    )
    if tx.value(in_the_way.limit(1)) is not None:
        raise NetworkInUse(
            f"Unable to complete operation on network {network_id}. "
            "There are one or more ports still in use on the network: delete its servers, ports and floating "
            "IPs, and remove its subnets from routers."
        )
