"""Routers: which networks they connect, and by which they lead outside."""

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.language import _
from volutus.console.networks import ROOT as NETWORKS
from volutus.console.networks import SUBNETS
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Field,
    Form,
    Row,
    Sheet,
    Table,
    choices,
    delete_form,
    hidden,
    page_of,
)
from volutus.console.visits import Visit, see

ROOT = "/network/v2.0/routers"
PORTS = "/network/v2.0/ports"
INTERFACE = "network:router_interface"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All routers, with what they connect."""
    (routers, more), networks, subnets, ports = await together(
        page_of(visit, ROOT, "routers"),
        visit.api.items(NETWORKS, "networks", limit=CHOICES_MAX),
        visit.api.items(SUBNETS, "subnets", limit=CHOICES_MAX),
        visit.api.items(PORTS, "ports", limit=CHOICES_MAX, device_owner=INTERFACE),
    )
    outside = [network for network in networks if network.get("router:external")]
    names = dict(choices(networks))
    sheet = Sheet(
        title=_("Routers"),
        about=_(
            "A router connects networks. By its way outside servers reach the world and have floating IPs."
        ),
        tables=[
            Table(
                (_("Name"), _("State"), _("Way outside"), _("Connects")),
                [_row(router, names, subnets, ports) for router in routers],
                _("No router yet. Create one with a way outside, then connect your networks to it."),
                more=more,
            )
        ],
        command="openstack router create --external-gateway NETWORK NAME\n"
        "openstack router add subnet ROUTER SUBNET\nopenstack router remove subnet ROUTER SUBNET\n"
        "openstack router delete ROUTER",
        create=[_create_form(visit, outside)],
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Create, connect, disconnect or delete."""
    wanted, router_id, subnet = visit.sent("act"), visit.sent("id"), {"subnet_id": visit.sent("subnet")}
    if wanted == "create":
        order: Document = {"name": visit.sent("name")}
        if visit.sent("outside"):
            order["external_gateway_info"] = {"network_id": visit.sent("outside")}
        await visit.api.post(ROOT, {"router": order})
        return see("/routers", "created")
    if wanted == "delete":
        await visit.api.delete(f"{ROOT}/{router_id}")
        return see("/routers", "deleted")
    if wanted in ("connect", "disconnect"):
        verb = "add_router_interface" if wanted == "connect" else "remove_router_interface"
        await visit.api.put(f"{ROOT}/{router_id}/{verb}", subnet)
    return see("/routers", "changed")


def _create_form(visit: Visit, outside: list[Document]) -> Form:
    options = [*choices(outside), ("", _("none: only connects networks"))]
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("outside", _("Way outside"), "select", options[0][0], options=options, required=False),
    ]
    opened = bool(visit.problem and visit.sent("name"))
    return Form("create", _("Create a router"), fields, _("Create"), open=opened)


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
        choice = Field("subnet", _("Subnet"), "select", options=free)
        button = _("Connect to %(name)s", name=name)
        forms.append(Form("connect", _("Connect"), [*hidden(id=key), choice], button))
    if joined:
        choice = Field("subnet", _("Subnet"), "select", options=joined)
        lost = _("Servers on that subnet no longer reach what is behind %(name)s.", name=name)
        button = _("Disconnect from %(name)s", name=name)
        forms.append(Form("disconnect", _("Disconnect"), [*hidden(id=key), choice], button, lost))
    lost = _("The router %(name)s is gone; its networks stay, unconnected.", name=name)
    forms.append(delete_form(key, name, lost))
    cells = (
        Cell(name),
        Cell(router["status"], state=True),
        Cell(names.get(gateway.get("network_id", ""), _("none"))),
        Cell(", ".join(shown for _id, shown in joined)),
    )
    return Row(cells, forms, key)


def _shown(subnet: Document) -> str:
    return f"{subnet['name']} {subnet['cidr']}".strip()


PAGE = Page("/routers", show, act)
