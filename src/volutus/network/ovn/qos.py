"""Limits and marks as northbound rows, held by the switch that the traffic passes."""

from volutus.network.ovn.model import QosView
from volutus.network.ovn.names import qos_names
from volutus.network.ovn.rows import Row, make_row

PORT_PRIORITY = 2000
OUTSIDE_PRIORITY = 2100


def port_qos(port_id: str, network_id: str, qos: QosView | None) -> list[Row]:
    """What a port may send and get."""
    sent, got = f'inport == "{port_id}"', f'outport == "{port_id}"'
    return _rows(port_id, network_id, PORT_PRIORITY, (sent, got), qos)


def outside_qos(owner: str, place: tuple[str, str], address: str, qos: QosView | None) -> list[Row]:
    """What may pass an address of a router's outside. `place` is the external network and the router's port
    on it: every router that is on a network has another."""
    network_id, port_id = place
    if not address:
        return []
    sent = f'inport == "{port_id}" && ip4.src == {address}'
    got = f'outport == "{port_id}" && ip4.dst == {address}'
    return _rows(owner, network_id, OUTSIDE_PRIORITY, (sent, got), qos)


def _rows(
    owner: str, network_id: str, priority: int, matches: tuple[str, str], qos: QosView | None
) -> list[Row]:
    if qos is None:
        return []
    limits = (
        _bandwidth(qos.egress_kbps, qos.egress_burst_kbits),
        _bandwidth(qos.ingress_kbps, qos.ingress_burst_kbits),
    )
    marks: tuple[dict[str, int], dict[str, int]] = (
        {} if qos.dscp_mark is None else {"dscp": qos.dscp_mark},
        {},
    )
    directions = ("from-lport", "to-lport")
    return [
        make_row(
            "QoS",
            name,
            network_id,
            direction=direction,
            priority=priority,
            match=match,
            action=mark,
            bandwidth=limit,
        )
        for name, direction, match, mark, limit in zip(
            qos_names(owner), directions, matches, marks, limits, strict=True
        )
        if mark or limit
    ]


def _bandwidth(kbps: int | None, burst_kbits: int | None) -> dict[str, int]:
    """Without a burst of its own a limit gets one of a second: with the tenth that meters take by
    themselves, TCP reaches half of the rate."""
    return {} if kbps is None else {"rate": kbps, "burst": burst_kbits or kbps}
