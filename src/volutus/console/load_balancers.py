"""Load balancers: addresses that spread connections over servers."""

from starlette.responses import Response

from volutus.console.api import Api, ApiProblem, Document, together
from volutus.console.language import _
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
    delete_form,
    moment,
    page_of,
)
from volutus.console.visits import Visit, see

ROOT = "/load-balancer/v2.0/lbaas"
BALANCERS = f"{ROOT}/loadbalancers"
PROTOCOLS = (("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP"))
# Connections are spread one by one; the other way keeps a client at one server.
SPREADS = ("SOURCE_IP_PORT", "SOURCE_IP")
PORT_BOUNDS = (1, 65535)


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All of the project."""
    (found, more), subnets = await together(
        page_of(visit, BALANCERS, "loadbalancers"),
        visit.api.items(SUBNETS, "subnets", limit=CHOICES_MAX),
    )
    subnets = sorted(subnets, key=lambda one: int(one["ip_version"]))
    names = {str(one["id"]): _subnet_name(one) for one in subnets}
    sheet = Sheet(
        title=_("Load balancers"),
        about=_("One address for several servers. The virtual switches carry it out: no machine in between."),
        tables=[
            Table(
                (_("Name"), _("State"), _("Members"), _("Address"), _("Subnet"), _("Created")),
                [_row(one, names) for one in found],
                _("No load balancer yet. Create one, then add servers to it."),
                more=more,
            )
        ],
        command="openstack loadbalancer create --name NAME --vip-subnet-id SUBNET\n"
        "openstack loadbalancer listener create --protocol TCP --protocol-port 80 NAME\n"
        "openstack loadbalancer pool create --protocol TCP --lb-algorithm SOURCE_IP_PORT "
        "--listener LISTENER\n"
        "openstack loadbalancer delete --cascade NAME",
        create=[_create_form(visit, names)] if names else [],
        busy=any(is_pending(one) for one in found),
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Create one that serves at once, or delete one with all below it."""
    if visit.sent("act") == "delete":
        await visit.api.call("DELETE", f"{BALANCERS}/{visit.sent('id')}", query={"cascade": "true"})
        return see("/load-balancers", "deleted")
    order = {"name": visit.sent("name"), "vip_subnet_id": visit.sent("subnet")}
    made = (await visit.api.post(BALANCERS, {"loadbalancer": order}))["loadbalancer"]
    key = str(made["id"])
    try:
        await add_listener(visit, key)
    except ApiProblem:
        # Half a load balancer is of no use to anybody.
        await visit.api.call("DELETE", f"{BALANCERS}/{key}", query={"cascade": "true"})
        raise
    return see(f"/load-balancers/{key}", "changed")


async def add_listener(visit: Visit, balancer_id: str) -> None:
    """Where the address is listened at, with a pool for the servers behind it."""
    port = visit.number("port", _("Port"))
    listener = {"protocol": visit.sent("protocol"), "protocol_port": port, "loadbalancer_id": balancer_id}
    name = f"{visit.sent('protocol').lower()}-{port}"
    made = await _made(visit.api, "listener", {**listener, "name": name})
    pool = {"protocol": visit.sent("protocol"), "lb_algorithm": visit.sent("spread"), "name": name}
    await _made(visit.api, "pool", {**pool, "listener_id": made["id"]})


def listener_fields(visit: Visit) -> list[Field]:
    """What a listener and its pool are made of."""
    spreads = list(zip(SPREADS, (_("each by itself"), _("a client stays at a server")), strict=True))
    return [
        Field("protocol", _("Protocol"), "select", visit.sent("protocol"), options=PROTOCOLS),
        Field("port", _("Port"), "number", visit.sent("port") or "80", bounds=PORT_BOUNDS),
        Field("spread", _("Connections"), "select", visit.sent("spread"), options=spreads),
    ]


def is_pending(one: Document) -> bool:
    """Whether it will change by itself."""
    return str(one["provisioning_status"]).startswith("PENDING")


def shown_state(one: Document) -> str:
    """What it is being made to be, else how it does."""
    doing = str(one["provisioning_status"])
    return doing if doing != "ACTIVE" else str(one["operating_status"])


def _subnet_name(one: Document) -> str:
    return f"{one['name']} {one['cidr']}".strip()


async def _made(api: Api, noun: str, order: Document) -> Document:
    body: Document = (await api.post(f"{ROOT}/{noun}s", {noun: order}))[noun]
    return body


def _create_form(visit: Visit, subnets: dict[str, str]) -> Form:
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("subnet", _("Subnet"), "select", visit.sent("subnet"), options=list(subnets.items())),
        *listener_fields(visit),
    ]
    return Form("create", _("Create a load balancer"), fields, _("Create"), open=bool(visit.problem))


def _row(one: Document, subnets: dict[str, str]) -> Row:
    key, name = str(one["id"]), str(one["name"] or one["id"])
    cells = (
        Cell(name, f"/load-balancers/{key}"),
        Cell(str(one["provisioning_status"]), state=True),
        Cell(str(one["operating_status"]), state=True),
        Cell(str(one["vip_address"] or ""), code=True),
        Cell(subnets.get(str(one["vip_subnet_id"]), "")),
        moment(one["created_at"]),
    )
    lost = _("The load balancer %(name)s and its address are gone; its servers stay.", name=name)
    return Row(cells, [delete_form(key, name, lost)], key)


PAGE = Page("/load-balancers", show, act)
