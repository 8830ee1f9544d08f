"""Security groups and their rules: what may reach a server, and what it may reach."""

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.language import N_, _, lookup
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

_ROOT = "/network/v2.0/security-groups"
_RULES = "/network/v2.0/security-group-rules"
_FAMILIES = (("IPv4", "IPv4"), ("IPv6", "IPv6"))
# What people open most, by one button each: protocol and port.
_USUAL = {
    "ssh": (N_("Let SSH in"), "tcp", 22),
    "http": (N_("Let HTTP in"), "tcp", 80),
    "https": (N_("Let HTTPS in"), "tcp", 443),
    "ping": (N_("Let ping in"), "icmp", None),
}


async def show_list(renderer: Renderer, visit: Visit) -> Response:
    """The project's groups."""
    groups, more = await page_of(visit, _ROOT, "security_groups")
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("description", _("What it is for"), value=visit.sent("description"), required=False),
    ]
    opened = bool(visit.problem)
    sheet = Sheet(
        title=_("Security groups"),
        about=_("A group lets in what its rules allow, nothing else. At first its servers may reach out."),
        tables=[
            Table(
                (_("Name"), _("What it is for"), _("Rules")),
                [_group_row(group) for group in groups],
                _("No group yet. Create one, then add rules to it."),
                more=more,
            )
        ],
        command="openstack security group create NAME\nopenstack security group list\n"
        "openstack security group delete NAME",
        create=[Form("create", _("Create a security group"), fields, _("Create"), open=opened)],
    )
    return renderer.sheet(visit, sheet)


async def act_list(_renderer: Renderer, visit: Visit) -> Response:
    """Create or delete a group."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{_ROOT}/{visit.sent('id')}")
        return see("/security-groups", "deleted")
    order = visit.chosen("name", "description")
    made = (await visit.api.post(_ROOT, {"security_group": order}))["security_group"]
    return see(f"/security-groups/{made['id']}")


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The rules of one group."""
    found, groups = await together(
        visit.api.get(f"{_ROOT}/{visit.param('id')}"),
        visit.api.items(_ROOT, "security_groups", limit=CHOICES_MAX),
    )
    group, names = found["security_group"], dict(choices(groups))
    rules = sorted(group["security_group_rules"], key=lambda rule: (rule["direction"], rule["ethertype"]))
    name = group["name"]
    usual = [Form("usual", lookup(_USUAL[key][0]), hidden(usual=key), direct=True) for key in _USUAL]
    sheet = Sheet(
        title=name,
        about=group["description"] or _("What may reach the servers of this group, and what they may reach."),
        tables=[
            Table(
                (_("Direction"), _("Protocol"), _("Ports"), _("Other side")),
                [_rule_row(rule, names) for rule in rules],
                _("No rule: nothing gets in and nothing out. Add one, for example TCP 22 in for SSH."),
            )
        ],
        command=f"openstack security group rule create --ingress --protocol tcp --dst-port 22 {group['id']}\n"
        f"openstack security group rule list {group['id']}\nopenstack security group rule delete RULE",
        create=[_rule_form(visit, names)],
        acts=usual,
        crumb=("/security-groups", _("Security groups")),
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Add or delete a rule."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{_RULES}/{visit.sent('id')}")
        return see(visit.path, "changed")
    rule = _usual_rule(visit.sent("usual")) if visit.sent("act") == "usual" else _sent_rule(visit)
    await visit.api.post(_RULES, {"security_group_rule": {**rule, "security_group_id": visit.param("id")}})
    return see(visit.path, "changed")


def _usual_rule(name: str) -> Document:
    _label, protocol, port = _USUAL.get(name, _USUAL["ssh"])
    return {
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": protocol,
        "port_range_min": port,
        "port_range_max": port,
    }


def _sent_rule(visit: Visit) -> Document:
    rule: Document = {
        "direction": visit.sent("direction"),
        "ethertype": visit.sent("family"),
        "protocol": visit.sent("protocol") or None,
        **visit.chosen("remote_ip_prefix", "remote_group_id"),
    }
    first, _separator, last = visit.sent("ports").replace(" ", "").partition("-")
    if first:
        rule |= {"port_range_min": first, "port_range_max": last or first}
    return rule


def _group_row(group: Document) -> Row:
    key, name = str(group["id"]), str(group["name"])
    cells = (
        Cell(name, f"/security-groups/{key}"),
        Cell(group["description"] or ""),
        Cell(str(len(group["security_group_rules"]))),
    )
    lost = _("The group %(name)s and its rules are gone. Servers must be out of it first.", name=name)
    return Row(cells, [] if name == "default" else [delete_form(key, name, lost)], key)


def _rule_row(rule: Document, names: dict[str, str]) -> Row:
    low, high = rule["port_range_min"], rule["port_range_max"]
    ports = _("any") if low is None else str(low) if low == high else f"{low}-{high}"
    other = rule["remote_ip_prefix"] or _("anybody")
    if group := rule["remote_group_id"]:
        other = _("group %(name)s", name=names.get(group, group))
    direction = _("in") if rule["direction"] == "ingress" else _("out")
    protocol = str(rule["protocol"] or _("any"))
    cells = (
        Cell(f"{direction}, {rule['ethertype']}"),
        Cell(protocol.upper() if rule["protocol"] else protocol),
        Cell(ports),
        Cell(other),
    )
    name = _("rule %(rule)s", rule=f"{direction} {rule['ethertype']} {protocol} {ports}")
    lost = _("Connections that only this rule allows are cut.")
    return Row(cells, [delete_form(str(rule["id"]), name, lost)], str(rule["id"]))


def _rule_form(visit: Visit, names: dict[str, str]) -> Form:
    def kept(name: str, otherwise: str = "") -> str:
        return visit.form.get(name, otherwise)

    directions = (("ingress", _("in: to the servers")), ("egress", _("out: from the servers")))
    protocols = (("tcp", "TCP"), ("udp", "UDP"), ("icmp", "ICMP"), ("", _("any")))
    several, range_ = (
        _("22, or 8000-8080; empty is any"),
        _("A range such as 203.0.113.0/24; empty is anybody"),
    )
    groups = [("", _("any group")), *names.items()]
    remote = kept("remote_ip_prefix")
    fields = [
        Field("direction", _("Direction"), "select", kept("direction"), options=directions),
        Field(
            "protocol", _("Protocol"), "select", kept("protocol", "tcp"), options=protocols, required=False
        ),
        Field("ports", _("Ports"), value=kept("ports"), hint=several, required=False),
        Field("family", _("Family"), "select", kept("family"), options=_FAMILIES),
        Field("remote_ip_prefix", _("Only from or to"), value=remote, hint=range_, required=False),
        Field(
            "remote_group_id",
            _("Or only servers of"),
            "select",
            kept("remote_group_id"),
            options=groups,
            required=False,
        ),
    ]
    return Form("create", _("Add a rule"), fields, _("Add"), open=bool(visit.problem))


PAGES = (Page("/security-groups", show_list, act_list), Page("/security-groups/{id}", show, act))
