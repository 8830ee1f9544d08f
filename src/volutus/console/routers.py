"""Routers: which networks they connect, and by which they lead outside."""

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.networks import ROOT as NETWORKS
from volutus.console.networks import SUBNETS
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Field,
    Form,
    Listing,
    Row,
    choices,
    delete_form,
    hidden,
    page_of,
)
from volutus.console.visits import Visit, see

_ROOT = "/network/v2.0/routers"
_PORTS = "/network/v2.0/ports"
_INTERFACE = "network:router_interface"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All routers, with what they connect."""
    (routers, more), networks, subnets, ports = await together(
        page_of(visit, _ROOT, "routers"),
        visit.api.items(NETWORKS, "networks", limit=CHOICES_MAX),
        visit.api.items(SUBNETS, "subnets", limit=CHOICES_MAX),
        visit.api.items(_PORTS, "ports", limit=CHOICES_MAX, device_owner=_INTERFACE),
    )
    outside = [network for network in networks if network.get("router:external")]
    names = dict(choices(networks))
    listing = Listing(
        title="Routers",
        about="A router connects networks. By its way outside servers reach the world and have floating IPs.",
        columns=("Name", "State", "Way outside", "Connects"),
        rows=[_row(router, names, subnets, ports) for router in routers],
        empty="No router yet. Create one with a way outside, then connect your networks to it.",
        command="openstack router create --external-gateway NETWORK NAME\n"
        "openstack router add subnet ROUTER SUBNET\nopenstack router remove subnet ROUTER SUBNET\n"
        "openstack router delete ROUTER",
        create=[_create_form(visit, outside)],
        more=more,
    )
    return renderer.listing(visit, listing)


async def act(_: Renderer, visit: Visit) -> Response:
    """Create, connect, disconnect or delete."""
    wanted, router_id, subnet = visit.sent("act"), visit.sent("id"), {"subnet_id": visit.sent("subnet")}
    if wanted == "create":
        order: Document = {"name": visit.sent("name")}
        if visit.sent("outside"):
            order["external_gateway_info"] = {"network_id": visit.sent("outside")}
        await visit.api.post(_ROOT, {"router": order})
        return see("/routers", "created")
    if wanted == "delete":
        await visit.api.delete(f"{_ROOT}/{router_id}")
        return see("/routers", "deleted")
    if wanted in ("connect", "disconnect"):
        verb = "add_router_interface" if wanted == "connect" else "remove_router_interface"
        await visit.api.put(f"{_ROOT}/{router_id}/{verb}", subnet)
    return see("/routers", "changed")


def _create_form(visit: Visit, outside: list[Document]) -> Form:
    options = [*choices(outside), ("", "none: only connects networks")]
    fields = [
        Field("name", "Name", value=visit.sent("name")),
        Field("outside", "Way outside", "select", options[0][0], options=options, required=False),
    ]
    return Form(
        "create", "Create a router", fields, "Create", open=bool(visit.problem and visit.sent("name"))
    )


def _row(router: Document, names: dict[str, str], subnets: list[Document], ports: list[Document]) -> Row:
    key, name = str(router["id"]), str(router["name"] or router["id"])
    gateway = router.get("external_gateway_info") or {}
    joined_ids = {
        fixed["subnet_id"] for port in ports if port["device_id"] == key for fixed in port["fixed_ips"]
    }
    joined = [(one["id"], _shown(one)) for one in subnets if one["id"] in joined_ids]
    free = [(one["id"], _shown(one)) for one in subnets if one["id"] not in joined_ids]
    forms = []
    if free:
        choice = Field("subnet", "Subnet", "select", options=free)
        forms.append(Form("connect", "Connect", [*hidden(id=key), choice], f"Connect to {name}"))
    if joined:
        choice = Field("subnet", "Subnet", "select", options=joined)
        lost = f"Servers on that subnet no longer reach what is behind {name}."
        forms.append(
            Form("disconnect", "Disconnect", [*hidden(id=key), choice], f"Disconnect from {name}", lost)
        )
    forms.append(delete_form(key, name, f"The router {name} is gone; its networks stay, unconnected."))
    cells = (
        Cell(name),
        Cell(router["status"], state=True),
        Cell(names.get(gateway.get("network_id", ""), "none")),
        Cell(", ".join(shown for _, shown in joined)),
    )
    return Row(cells, forms, key)


def _shown(subnet: Document) -> str:
    return f"{subnet['name']} {subnet['cidr']}".strip()


PAGE = Page("/routers", show, act)
