"""What metering labels count, as policies of a router: each cell of the traffic passes a flow of its own.

A packet takes one policy, the one of the highest priority: a deeper cell before the one around it, a port's
own cells before those of no port. So these policies also do what the ones below would have done to their
packets: carry the port's mark (within the cell's), and lead out what has a floating IP elsewhere.
"""

from collections.abc import Iterator
from ipaddress import ip_network

from volutus.network.ovn.model import CellView, Direction, RouterView
from volutus.network.ovn.rows import Row, make_row
from volutus.network.ovn.ways_out import OwnWay, entering, leaving, own_ways

# The depths of a cell's two prefixes add up to 64 at most with IPv4, 256 with IPv6. The floating IPs' ways
# (200, IPv4 alone) come between what is of no port and what is of one; address scopes (1000) before all.
OTHERS_PRIORITY = 101
PORTS_PRIORITY = 400
WAYS_PRIORITY = 700


def counted_apart(view: RouterView) -> list[Row]:
    """The policies of all cells."""
    if not view.gateways:
        return []
    rows = [_cell(view, cell) for cell in view.cells]
    if any(cell.direction is Direction.EGRESS for cell in view.cells):
        rows += [row for way in own_ways(view) for row in _on_own_way(view, way)]
    return rows


def _cell(view: RouterView, cell: CellView) -> Row:
    passing = leaving(view.gateways) if cell.direction is Direction.EGRESS else entering(view.gateways)
    first = PORTS_PRIORITY if cell.port_id else OTHERS_PRIORITY
    return make_row(
        "Logical_Router_Policy",
        _name(view, cell),
        priority=first + cell.depth,
        match=f"{passing} && {_addresses(cell.source, cell.destination)}",
        action="allow",
        options=_mark(cell),
    )


def _on_own_way(view: RouterView, way: OwnWay) -> Iterator[Row]:
    """The same for what a floating IP's own gateway has to see, whatever cell it is in."""
    address = ip_network(way.ip.fixed_address)
    metered = any(meter.port_id == way.ip.fixed_port_id for meter in view.meters)
    port_id = way.ip.fixed_port_id if metered else ""
    for cell in view.cells:
        mine = cell.port_id == port_id and cell.direction is Direction.EGRESS
        source = ip_network(cell.source)
        if mine and source.version == address.version and address.subnet_of(source):  # type: ignore[arg-type]
            yield make_row(
                "Logical_Router_Policy",
                f"{_name(view, cell)}/{way.ip.id}",
                priority=WAYS_PRIORITY + cell.depth,
                match=f"{leaving(way.others)} && {_addresses(str(address), cell.destination)}",
                action="reroute",
                nexthops=(way.hop,),
                options=_mark(cell),
            )


def _name(view: RouterView, cell: CellView) -> str:
    return "/".join((view.id, cell.direction.value, cell.port_id, cell.source, cell.destination))


def _addresses(source: str, destination: str) -> str:
    family = "ip6" if ":" in source else "ip4"
    ends = (("src", source), ("dst", destination))
    terms = [f"{family}.{end} == {prefix}" for end, prefix in ends if not prefix.endswith("/0")]
    return " && ".join(terms) or family


def _mark(cell: CellView) -> dict[str, str]:
    return {"pkt_mark": str(cell.mark)} if cell.mark else {}
