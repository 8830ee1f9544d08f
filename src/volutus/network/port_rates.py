"""How fast a port may send, whatever its policy allows: set by whoever sells traffic, and held by OVN."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select, update

from volutus.db import Tx
from volutus.network import units
from volutus.network.ovn.model import Kind, QosView
from volutus.network.qos_rules import RATE_MAX
from volutus.network.tables import ports

# Far more than the ports of an account that have a rate.
RATES_MAX = 10_000


def limit(tx: Tx, port_ids: Sequence[str], kbps: int | None) -> None:
    """These ports send no faster from now on; None is as fast as their policies let them."""
    bounded = None if kbps is None else max(1, min(kbps, RATE_MAX))
    tx.execute(update(ports).where(ports.c.id.in_(port_ids)).values(rate_kbps=bounded))
    units.touch(tx, Kind.PORT, port_ids)


def of_projects(tx: Tx, project_ids: Sequence[str]) -> Mapping[str, int]:
    """The ports of these projects that have a rate, and it in kbit/s."""
    limited = select(ports.c.id, ports.c.rate_kbps).where(
        ports.c.project_id.in_(project_ids), ports.c.rate_kbps.isnot(None)
    )
    return {row.id: row.rate_kbps for row in tx.rows(limited.order_by(ports.c.id).limit(RATES_MAX))}


def within(policy: QosView | None, kbps: int | None) -> QosView | None:
    """What a port's policy says, sent no faster than its rate."""
    if kbps is None:
        return policy
    policy = policy or QosView()
    if policy.egress_kbps is not None and policy.egress_kbps <= kbps:
        return policy
    return replace(policy, egress_kbps=kbps, egress_burst_kbits=None)
