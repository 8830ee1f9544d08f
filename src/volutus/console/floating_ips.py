"""Floating IPs: addresses from outside that lead to a server."""

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.language import _
from volutus.console.networks import ROOT as NETWORKS
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
    short,
)
from volutus.console.visits import Visit, see

_ROOT = "/network/v2.0/floatingips"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The project's addresses and where each leads."""
    (found, more), networks, ports, servers = await together(
        page_of(visit, _ROOT, "floatingips"),
        visit.api.items(NETWORKS, "networks", limit=CHOICES_MAX, **{"router:external": "true"}),
        visit.api.items("/network/v2.0/ports", "ports", limit=CHOICES_MAX),
        visit.api.items("/compute/v2.1/servers", "servers", limit=CHOICES_MAX),
    )
    names = dict(choices(servers))
    targets = [
        (str(port["id"]), f"{names[port['device_id']]} {port['fixed_ips'][0]['ip_address']}")
        for port in ports
        if port["device_id"] in names and port["fixed_ips"]
    ]
    owners = {str(port["id"]): str(port["device_id"]) for port in ports}
    outside = Field("network", _("From"), "select", options=choices(networks))
    sheet = Sheet(
        title=_("Floating IPs"),
        about=_("Addresses reachable from outside. Each leads to one server and can be moved to another."),
        tables=[
            Table(
                (_("Address"), _("State"), _("Server")),
                [_row(one, targets, owners, names) for one in found],
                _("No floating IP yet. Get one, then assign it to a server."),
                more=more,
            )
        ],
        command="openstack floating ip create NETWORK\nopenstack server add floating ip SERVER ADDRESS\n"
        "openstack server remove floating ip SERVER ADDRESS\nopenstack floating ip delete ADDRESS",
        create=[Form("create", _("Get a floating IP"), [outside], _("Get one"))],
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Get, assign, unassign or give back."""
    wanted, path = visit.sent("act"), f"{_ROOT}/{visit.sent('id')}"
    if wanted == "create":
        await visit.api.post(_ROOT, {"floatingip": {"floating_network_id": visit.sent("network")}})
        return see("/floating-ips", "created")
    if wanted == "delete":
        await visit.api.delete(path)
        return see("/floating-ips", "deleted")
    if wanted in ("assign", "unassign"):
        port_id = visit.sent("port") if wanted == "assign" else None
        await visit.api.put(path, {"floatingip": {"port_id": port_id}})
    return see("/floating-ips", "changed")


def _row(one: Document, targets: list[tuple[str, str]], owners: dict[str, str], names: dict[str, str]) -> Row:
    key, address = str(one["id"]), str(one["floating_ip_address"])
    owner = owners.get(one["port_id"] or "", "")
    leads = Cell(_("none"))
    forms = []
    if one["port_id"]:
        text = f"{names.get(owner, short(owner))} {one['fixed_ip_address']}"
        leads = Cell(text, f"/servers/{owner}" if owner in names else "")
        lost = _("Nobody reaches the server by %(address)s any more.", address=address)
        button = _("Unassign %(name)s", name=address)
        forms.append(Form("unassign", _("Unassign"), hidden(id=key), button, lost))
    elif targets:
        choice = Field("port", _("Server"), "select", options=targets)
        button = _("Assign %(name)s", name=address)
        forms.append(Form("assign", _("Assign"), [*hidden(id=key), choice], button))
    lost = _("The address %(address)s is given back; somebody else may get it.", address=address)
    forms.append(delete_form(key, address, lost))
    return Row((Cell(address, code=True), Cell(one["status"], state=True), leads), forms, key)


PAGE = Page("/floating-ips", show, act)
