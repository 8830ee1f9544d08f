"""The page of one load balancer: where it listens, which servers are behind it, how they do."""

from dataclasses import dataclass

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.language import _
from volutus.console.load_balancers import (
    BALANCERS,
    PORT_BOUNDS,
    ROOT,
    add_listener,
    is_pending,
    listener_fields,
    shown_state,
)
from volutus.console.networks import ROOT as NETWORKS
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Facts,
    Field,
    Form,
    Row,
    Sheet,
    Table,
    choices,
    hidden,
)
from volutus.console.visits import Visit, see

_PORTS = "/network/v2.0/ports"
_FLOATING = "/network/v2.0/floatingips"
# Whoever has more listeners on one address uses the API.
_POOLS_MAX = 20
# UDP has no connection whose beginning could be looked at.
_MONITORS = {"TCP": ("TCP", "HTTP"), "UDP": ("UDP-CONNECT",), "SCTP": ("TCP",)}
_TRIES = 3


@dataclass(frozen=True)
class Below:
    """A pool with its members, and by which listeners it is reached."""

    pool: Document
    listeners: list[Document]
    members: list[Document]
    monitor: Document | None

    @property
    def title(self) -> str:
        at = ", ".join(f"{one['protocol']} {one['protocol_port']}" for one in self.listeners)
        return at or str(self.pool["name"] or self.pool["protocol"])


@dataclass(frozen=True)
class Target:
    """An address of a server that can become a member."""

    address: str
    subnet_id: str
    name: str


async def show(renderer: Renderer, visit: Visit) -> Response:
    """Everything below it, with forms that change it."""
    path = f"{BALANCERS}/{visit.param('id')}"
    found, ports, servers, networks = await together(
        visit.api.get(path),
        visit.api.items(_PORTS, "ports", limit=CHOICES_MAX),
        visit.api.items("/compute/v2.1/servers", "servers", limit=CHOICES_MAX),
        visit.api.items(NETWORKS, "networks", limit=CHOICES_MAX, **{"router:external": "true"}),
    )
    one = found["loadbalancer"]
    below, floating = await together(
        _below(visit, one), visit.api.items(_FLOATING, "floatingips", port_id=one["vip_port_id"])
    )
    targets = _targets(ports, dict(choices(servers)))
    name = str(one["name"] or one["id"])
    outside = [str(each["floating_ip_address"]) for each in floating]
    lost = _("The load balancer %(name)s and its address are gone; its servers stay.", name=name)
    sheet = Sheet(
        title=name,
        about="",
        facts=[_facts(one, outside)],
        tables=[_table(each, targets) for each in below],
        acts=[form for each in below for form in _pool_forms(each, targets)],
        create=[
            Form("listener", _("Listen at another port"), listener_fields(visit), _("Listen")),
            *([_floating_form(networks)] if networks and not outside and _is_v4(one) else []),
            Form("delete", _("Delete"), hidden(id=one["id"]), _("Delete %(name)s", name=name), danger=lost),
        ],
        command=_command(str(one["id"])),
        busy=is_pending(one),
        crumb=("/load-balancers", _("Load balancers")),
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Whatever a form of the page asks for."""
    wanted, api = visit.sent("act"), visit.api
    pool = f"{ROOT}/pools/{visit.sent('pool')}"
    if wanted == "delete":
        path = f"{BALANCERS}/{visit.param('id')}"
        await api.call("DELETE", path, query={"cascade": "true"})
        return see("/load-balancers", "deleted")
    if wanted == "listener":
        await add_listener(visit, visit.param("id"))
    elif wanted == "member":
        address, _separator, subnet_id = visit.sent("target").partition("/")
        port = visit.number("port", _("Port"))
        order = {"address": address, "protocol_port": port, "subnet_id": subnet_id}
        await api.post(f"{pool}/members", {"member": order})
    elif wanted in ("drain", "serve"):
        weight = 0 if wanted == "drain" else 1
        await api.put(f"{pool}/members/{visit.sent('member')}", {"member": {"weight": weight}})
    elif wanted == "remove":
        await api.delete(f"{pool}/members/{visit.sent('member')}")
    elif wanted == "monitor":
        await api.post(f"{ROOT}/healthmonitors", {"healthmonitor": _monitor_order(visit)})
    elif wanted == "unmonitor":
        await api.delete(f"{ROOT}/healthmonitors/{visit.sent('monitor')}")
    elif wanted == "unlisten":
        for key in visit.many.get("listener", []):
            await api.delete(f"{ROOT}/listeners/{key}")
        await api.delete(pool)
    elif wanted == "floating":
        found = (await api.get(f"{BALANCERS}/{visit.param('id')}"))["loadbalancer"]
        order = {"floating_network_id": visit.sent("network"), "port_id": found["vip_port_id"]}
        await api.post(_FLOATING, {"floatingip": order})
    return see(visit.path, "changed")


async def _below(visit: Visit, one: Document) -> list[Below]:
    keys = [str(each["id"]) for each in one["pools"]][:_POOLS_MAX]
    api = visit.api
    pools, listeners, members, monitors = await together(
        together(*(api.get(f"{ROOT}/pools/{key}") for key in keys)),
        api.items(f"{ROOT}/listeners", "listeners", loadbalancer_id=one["id"], limit=CHOICES_MAX),
        together(*(api.items(f"{ROOT}/pools/{key}/members", "members", limit=CHOICES_MAX) for key in keys)),
        api.items(f"{ROOT}/healthmonitors", "healthmonitors", limit=CHOICES_MAX),
    )
    watched = {str(each["pools"][0]["id"]): each for each in monitors}
    return [
        Below(
            answer["pool"],
            [each for each in listeners if each["default_pool_id"] == key],
            behind,
            watched.get(key),
        )
        for key, answer, behind in zip(keys, pools, members, strict=True)
    ]


def _targets(ports: list[Document], servers: dict[str, str]) -> list[Target]:
    return [
        Target(str(fixed["ip_address"]), str(fixed["subnet_id"]), servers[port["device_id"]])
        for port in ports
        if port["device_id"] in servers
        for fixed in port["fixed_ips"]
    ]


def _facts(one: Document, outside: list[str]) -> Facts:
    shown = [
        (_("State"), Cell(shown_state(one), state=True)),
        (_("Address"), Cell(str(one["vip_address"] or ""), code=True)),
        (_("Floating IP"), Cell(", ".join(outside) or _("none"), code=bool(outside))),
        (_("Id"), Cell(str(one["id"]), code=True)),
    ]
    return Facts(_("What it is"), shown)


def _table(below: Below, targets: list[Target]) -> Table:
    names = {target.address: target.name for target in targets}
    return Table(
        (_("Server"), _("Address"), _("State"), _("New connections")),
        [_member_row(below, member, names) for member in below.members],
        _("No server yet: whoever connects is refused. Add one."),
        title=_("Behind %(port)s", port=below.title),
    )


def _member_row(below: Below, member: Document, names: dict[str, str]) -> Row:
    key, address = str(member["id"]), str(member["address"])
    serves = member["weight"] > 0
    name = names.get(address, str(member["name"] or address))
    cells = (
        Cell(name),
        Cell(f"{address}:{member['protocol_port']}", code=True),
        Cell(str(member["operating_status"]), state=True),
        Cell(_("yes") if serves else _("no")),
    )
    fields = hidden(pool=str(below.pool["id"]), member=key)
    word = Form("drain", _("Drain"), fields, direct=True)
    if not serves:
        word = Form("serve", _("Use it again"), fields, direct=True)
    lost = _("%(name)s gets no more connections from here, and those it has are cut.", name=name)
    button = _("Remove %(name)s", name=name)
    return Row(cells, [word, Form("remove", _("Remove"), fields, button, danger=lost)], key)


def _pool_forms(below: Below, targets: list[Target]) -> list[Form]:
    key, title = str(below.pool["id"]), below.title
    port = str(below.listeners[0]["protocol_port"]) if below.listeners else "80"
    options = [(f"{one.address}/{one.subnet_id}", f"{one.name} {one.address}") for one in targets]
    forms = []
    if options:
        fields = [
            *hidden(pool=key),
            Field("target", _("Server"), "select", options=options),
            Field("port", _("Its port"), "number", port, bounds=PORT_BOUNDS),
        ]
        title_shown = _("Add a server behind %(port)s", port=title)
        forms.append(Form(f"member-{key}", title_shown, [*fields, *hidden(act="member")], _("Add it")))
    if below.monitor:
        fields = hidden(pool=key, monitor=str(below.monitor["id"]), act="unmonitor")
        lost = _("From then on every server counts as alive.")
        button = _("End the checks of %(port)s", port=title)
        forms.append(Form(f"unmonitor-{key}", button, fields, button, danger=lost))
    else:
        button = _("Check the servers behind %(port)s", port=title)
        forms.append(Form(f"monitor-{key}", button, _monitor_fields(below), _("Check them")))
    fields = [
        *hidden(pool=key),
        *(Field("listener", kind="hidden", value=str(one["id"])) for one in below.listeners),
    ]
    button = _("No longer listen at %(port)s", port=title)
    lost = _("Whoever connects to %(port)s is refused at once.", port=title)
    forms.append(Form(f"unlisten-{key}", button, fields, button, danger=lost))
    return forms


def _monitor_fields(below: Below) -> list[Field]:
    kinds = [(one, one) for one in _MONITORS[str(below.pool["protocol"])]]
    fields = [
        *hidden(pool=str(below.pool["id"]), act="monitor"),
        Field("type", _("How"), "select", options=kinds),
        Field("delay", _("Every so many seconds"), "number", "5", bounds=(1, 3600)),
        Field("timeout", _("Answer within seconds"), "number", "2", bounds=(1, 3600)),
    ]
    if any(kind == "HTTP" for kind, _shown in kinds):
        hint = _("Only for HTTP")
        fields.append(Field("url_path", _("Path"), value="/", hint=hint, required=False))
    return fields


def _monitor_order(visit: Visit) -> Document:
    order: Document = {
        "pool_id": visit.sent("pool"),
        "type": visit.sent("type"),
        "delay": visit.number("delay", _("Every so many seconds")),
        "timeout": visit.number("timeout", _("Answer within seconds")),
        "max_retries": _TRIES,
    }
    if order["type"] == "HTTP":
        order |= visit.chosen("url_path")
    return order


def _is_v4(one: Document) -> bool:
    """Whether a floating IP can lead to it."""
    return "." in str(one["vip_address"])


def _floating_form(networks: list[Document]) -> Form:
    field = Field("network", _("From"), "select", options=choices(networks))
    return Form("floating", _("Give it a floating IP"), [field], _("Get one"))


def _command(key: str) -> str:
    return (
        f"openstack loadbalancer status show {key}\n"
        "openstack loadbalancer member create --address ADDRESS --protocol-port 80 POOL\n"
        "openstack loadbalancer member set --weight 0 POOL MEMBER\n"
        "openstack loadbalancer healthmonitor create --type TCP --delay 5 --timeout 2 --max-retries 3 POOL\n"
        f"openstack loadbalancer delete --cascade {key}"
    )


PAGE = Page("/load-balancers/{id}", show, act)
