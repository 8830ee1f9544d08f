"""The project's networks as a drawing: what is outside above, routers below it, then networks with their
servers. The page's table says the same in words."""

from dataclasses import dataclass, field

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.networks import ROOT as NETWORKS
from volutus.console.networks import SUBNETS
from volutus.console.rendering import Page, Renderer
from volutus.console.routers import INTERFACE, PORTS
from volutus.console.routers import ROOT as ROUTERS
from volutus.console.servers import ROOT as SERVERS
from volutus.console.servers import shown_state
from volutus.console.shapes import CHOICES_MAX
from volutus.console.states import is_busy
from volutus.console.visits import Visit

# In the drawing's own units.
BOX_W, BOX_H, GAP = 150, 46, 20
_BAR_H, _LETTER_W = 30, 8
_OUTSIDE_Y, _ROUTERS_Y, _NETWORKS_Y, _SERVERS_Y = 10, 85, 180, 250
# A box has room for so many of the widest letters.
_NAME_MAX = 15
# Servers below one network stand in rows of so many.
_ACROSS = 4


@dataclass(frozen=True)
class Box:
    """A thing in the drawing; `kind` is its class, `note` the smaller line."""

    kind: str
    x: int
    y: int
    width: int
    height: int
    text: str
    note: str = ""
    href: str = ""
    state: str = ""


@dataclass(frozen=True)
class Line:
    x1: int
    y1: int
    x2: int
    y2: int


@dataclass
class Drawing:
    """`width` and `height` grow with what is put in."""

    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    width: int = BOX_W + GAP
    height: int = _SERVERS_Y

    def put(self, box: Box) -> Box:
        """Add a thing."""
        self.boxes.append(box)
        self.width = max(self.width, box.x + box.width + GAP)
        self.height = max(self.height, box.y + box.height + GAP)
        return box

    def join(self, above: Box, below: Box) -> None:
        """A line from the middle of one down to the middle of another, upright where it can be."""
        x = below.x + below.width // 2
        top = x if above.x <= x <= above.x + above.width else above.x + above.width // 2
        self.lines.append(Line(top, above.y + above.height, x, below.y))


@dataclass(frozen=True)
class Found:
    """What the API knows of the project's networks."""

    networks: list[Document]
    subnets: list[Document]
    routers: list[Document]
    ports: list[Document]
    servers: list[Document]


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The drawing, which follows what changes."""
    api = visit.api
    found = Found(
        *await together(
            api.items(NETWORKS, "networks", limit=CHOICES_MAX),
            api.items(SUBNETS, "subnets", limit=CHOICES_MAX),
            api.items(ROUTERS, "routers", limit=CHOICES_MAX),
            api.items(PORTS, "ports", limit=CHOICES_MAX),
            api.items(f"{SERVERS}/detail", "servers", limit=CHOICES_MAX),
        )
    )
    busy = any(is_busy(shown_state(one)) for one in found.servers)
    return renderer.page("topology.html", visit, busy=busy, drawing=draw(found))


def draw(found: Found) -> Drawing:
    """Each network as wide as what stands below it; routers above what they connect."""
    drawing = Drawing()
    by_network = _servers_by_network(found)
    bars: dict[str, Box] = {}
    x = GAP
    for network in found.networks:
        if network.get("router:external"):
            continue
        below = by_network.get(str(network["id"]), [])
        width = max(1, min(len(below), _ACROSS)) * (BOX_W + GAP) - GAP
        ranges = ", ".join(one["cidr"] for one in found.subnets if one["network_id"] == network["id"])
        text = len(_name(network)) + len(ranges) + 5
        width = max(width, 2 * BOX_W, text * _LETTER_W)
        bar = drawing.put(Box("network", x, _NETWORKS_Y, width, _BAR_H, _name(network), ranges, "/networks"))
        bars[str(network["id"])] = bar
        _put_servers(drawing, bar, below)
        x += bar.width + 2 * GAP
    outside = _put_outside(drawing, found, x)
    _put_routers(drawing, found, bars, outside)
    return drawing


def _put_servers(drawing: Drawing, bar: Box, servers: list[Document]) -> None:
    for number, server in enumerate(servers):
        row, column = divmod(number, _ACROSS)
        box = drawing.put(
            Box(
                "server",
                bar.x + column * (BOX_W + GAP),
                _SERVERS_Y + row * (BOX_H + GAP),
                BOX_W,
                BOX_H,
                _name(server),
                href=f"/servers/{server['id']}",
                state=shown_state(server),
            )
        )
        if row == 0:
            drawing.join(bar, box)


def _put_outside(drawing: Drawing, found: Found, end: int) -> dict[str, Box]:
    networks = [one for one in found.networks if one.get("router:external")]
    width = max(2 * BOX_W, (end - 2 * GAP) // max(1, len(networks)) - GAP)
    return {
        str(network["id"]): drawing.put(
            Box("outside", GAP + number * (width + GAP), _OUTSIDE_Y, width, _BAR_H, _name(network))
        )
        for number, network in enumerate(networks)
    }


def _put_routers(drawing: Drawing, found: Found, bars: dict[str, Box], outside: dict[str, Box]) -> None:
    free = GAP
    for router in found.routers:
        joined = sorted(
            {
                str(port["network_id"])
                for port in found.ports
                if port["device_id"] == router["id"] and port["device_owner"] == INTERFACE
            }
            & bars.keys()
        )
        middle = bars[joined[0]].x + bars[joined[0]].width // 2 - BOX_W // 2 if joined else free
        box = drawing.put(
            Box("router", max(free, middle), _ROUTERS_Y, BOX_W, BOX_H, _name(router), href="/routers")
        )
        free = box.x + BOX_W + GAP
        for network_id in joined:
            drawing.join(box, bars[network_id])
        gateway = (router.get("external_gateway_info") or {}).get("network_id")
        if gateway in outside:
            drawing.join(outside[gateway], box)


def _servers_by_network(found: Found) -> dict[str, list[Document]]:
    """Each server below the first network that it has a port in."""
    networks = {
        str(port["device_id"]): str(port["network_id"])
        for port in reversed(found.ports)
        if port["device_owner"].startswith("compute:")
    }
    placed: dict[str, list[Document]] = {}
    for server in found.servers:
        if place := networks.get(str(server["id"])):
            placed.setdefault(place, []).append(server)
    return placed


def _name(one: Document) -> str:
    name = str(one["name"] or one["id"])
    # What fits in a box; the page that it leads to has it all.
    return name if len(name) <= _NAME_MAX else f"{name[: _NAME_MAX - 1]}…"


PAGE = Page("/topology", show)
