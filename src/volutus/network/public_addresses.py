"""Public addresses that are not floating IPs: those of ports on external networks, and of routers' gateways.

Each is paid for like a floating IP, from when it is had until it is given back: a port's by its project, a
gateway's by its router's. IPv6 addresses cost nothing, and neither do those that the cloud has for itself. A
network is external for this as soon as it is for anybody. Usage ends with the port, by `port_removal`.
"""

from decimal import Decimal

from sqlalchemy import text

from volutus import metering
from volutus.db import Tx

METER = "address"
USAGE_KIND = "port"
# As many as a network of 16 bits has.
ADDRESSES_MAX = 65_536
# What costs something else already, or is the cloud's own, is left out.
_HAD = text(
    """
    SELECT p.id, coalesce(r.project_id, p.project_id) AS project_id, count(a.ip) AS addresses
    FROM ports p LEFT JOIN routers r ON p.device_owner = 'network:router_gateway' AND r.id = p.device_id
    LEFT JOIN port_addresses a ON a.port_id = p.id AND family(a.ip) = 4
    WHERE (p.id = :port_id OR p.network_id = :network_id) AND coalesce(r.project_id, p.project_id) <> ''
        AND p.device_owner NOT IN
            ('network:floatingip', 'network:distributed', 'network:loadbalancer_probe', 'network:vpn')
    GROUP BY 1, 2 LIMIT :limit
    """
)
_IS_PUBLIC = text(
    """
    SELECT EXISTS (SELECT FROM rbac_policies WHERE object_type = 'network' AND object_id = :network_id
                   AND action = 'access_as_external')
    """
)


def follow_port(tx: Tx, port_id: str) -> None:
    """A port on an external network was made, or has other addresses."""
    _follow(tx, {"port_id": port_id, "network_id": None})


def follow_network(tx: Tx, network_id: str) -> None:
    """A network became external, or is no longer: what its ports have is public, or not."""
    is_public = tx.value(_IS_PUBLIC, {"network_id": network_id})
    _follow(tx, {"port_id": None, "network_id": network_id}, is_public=is_public)


def _follow(tx: Tx, which: dict[str, str | None], *, is_public: bool = True) -> None:
    rows = tx.rows(_HAD, {**which, "limit": ADDRESSES_MAX})
    paid = [row for row in rows if row.addresses and is_public]
    paid_ids = {row.id for row in paid}
    metering.close_usage(tx, USAGE_KIND, [row.id for row in rows if row.id not in paid_ids], METER)
    usages = [
        metering.Usage(row.project_id, USAGE_KIND, row.id, METER, Decimal(row.addresses)) for row in paid
    ]
    metering.correct_usage(tx, usages)
    metering.open_usage(tx, usages)
