"""Networks with their subnets: list, create, delete."""

from starlette.responses import Response

from volutus.console.api import ApiProblem, Document, together
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import CHOICES_MAX, Cell, Field, Form, Row, Sheet, Table, delete_form, page_of
from volutus.console.visits import Visit, see

ROOT = "/network/v2.0/networks"
SUBNETS = "/network/v2.0/subnets"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All that the project sees, with the addresses in them."""
    (networks, more), subnets = await together(
        page_of(visit, ROOT, "networks"), visit.api.items(SUBNETS, "subnets", limit=CHOICES_MAX)
    )
    sheet = Sheet(
        title=_("Networks"),
        about=_("Servers on one network reach each other. A router connects networks and leads outside."),
        tables=[
            Table(
                (_("Name"), _("State"), _("Addresses"), _("Kind")),
                [_row(visit, network, subnets) for network in networks],
                _("No network yet. Create one with a range of addresses, then a server on it."),
                more=more,
            )
        ],
        command="openstack network create NAME\n"
        "openstack subnet create --network NAME --subnet-range 10.1.0.0/24 NAME\n"
        "openstack network delete NAME",
        create=[_create_form(visit)],
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Create with a subnet, or delete with its subnets. A network whose subnet is refused is not left."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{ROOT}/{visit.sent('id')}")
        return see("/networks", "deleted")
    made = (await visit.api.post(ROOT, {"network": {"name": visit.sent("name")}}))["network"]
    subnet: Document = {"network_id": made["id"], "name": visit.sent("name"), "cidr": visit.sent("cidr")}
    subnet["ip_version"] = 6 if ":" in visit.sent("cidr") else 4
    if servers := visit.sent("dns").replace(",", " ").split():
        subnet["dns_nameservers"] = servers
    try:
        await visit.api.post(SUBNETS, {"subnet": subnet})
    except ApiProblem:
        await visit.api.delete(f"{ROOT}/{made['id']}")
        raise
    return see("/networks", "created")


def _create_form(visit: Visit) -> Form:
    cidr, dns = visit.sent("cidr") or "10.1.0.0/24", visit.sent("dns")
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("cidr", _("Addresses"), value=cidr, hint=_("A range such as 10.1.0.0/24")),
        Field("dns", _("Name servers"), value=dns, hint=_("Empty: the cloud's own"), required=False),
    ]
    opened = bool(visit.problem and visit.sent("name"))
    return Form("create", _("Create a network"), fields, _("Create"), open=opened)


def _row(visit: Visit, network: Document, subnets: list[Document]) -> Row:
    key, name = str(network["id"]), str(network["name"] or network["id"])
    ranges = ", ".join(str(subnet["cidr"]) for subnet in subnets if subnet["network_id"] == key)
    own = _("shared") if network["shared"] else _("own")
    kind = _("outside") if network.get("router:external") else own
    cells = (Cell(name), Cell(network["status"], state=True), Cell(ranges, code=bool(ranges)), Cell(kind))
    mine = network["project_id"] == visit.session.project_id
    lost = _(
        "The network %(name)s and its ranges of addresses are gone. First take servers and routers off it.",
        name=name,
    )
    return Row(cells, [delete_form(key, name, lost)] if mine else (), key)


PAGE = Page("/networks", show, act)
