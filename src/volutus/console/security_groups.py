"""Security groups and their rules: what may reach a server, and what it may reach."""

from starlette.responses import Response

from volutus.console.api import Document, together
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
    page_of,
)
from volutus.console.visits import Visit, see

_ROOT = "/network/v2.0/security-groups"
_RULES = "/network/v2.0/security-group-rules"
_DIRECTIONS = (("ingress", "in: to the servers"), ("egress", "out: from the servers"))
_PROTOCOLS = (("tcp", "TCP"), ("udp", "UDP"), ("icmp", "ICMP"), ("", "any"))
_FAMILIES = (("IPv4", "IPv4"), ("IPv6", "IPv6"))


async def show_list(renderer: Renderer, visit: Visit) -> Response:
    """The project's groups."""
    groups, more = await page_of(visit, _ROOT, "security_groups")
    fields = [
        Field("name", "Name", value=visit.sent("name")),
        Field("description", "What it is for", value=visit.sent("description"), required=False),
    ]
    listing = Listing(
        title="Security groups",
        about="A group lets in what its rules allow, nothing else. At first its servers may reach out.",
        columns=("Name", "What it is for", "Rules"),
        rows=[_group_row(group) for group in groups],
        empty="No group yet. Create one, then add rules to it.",
        command="openstack security group create NAME\nopenstack security group list\n"
        "openstack security group delete NAME",
        create=[Form("create", "Create a security group", fields, "Create", open=bool(visit.problem))],
        more=more,
    )
    return renderer.listing(visit, listing)


async def act_list(_: Renderer, visit: Visit) -> Response:
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
    listing = Listing(
        title=name,
        about=group["description"] or "What may reach the servers of this group, and what they may reach.",
        columns=("Direction", "Protocol", "Ports", "Other side"),
        rows=[_rule_row(rule, names) for rule in rules],
        empty="No rule: nothing gets in and nothing out. Add one, for example TCP 22 in for SSH.",
        command=f"openstack security group rule create --ingress --protocol tcp --dst-port 22 {name}\n"
        f"openstack security group rule list {name}\nopenstack security group rule delete RULE",
        create=[_rule_form(visit, names)],
        crumb=("/security-groups", "Security groups"),
    )
    return renderer.listing(visit, listing)


async def act(_: Renderer, visit: Visit) -> Response:
    """Add or delete a rule."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{_RULES}/{visit.sent('id')}")
        return see(visit.path, "changed")
    rule: Document = {
        "security_group_id": visit.param("id"),
        "direction": visit.sent("direction"),
        "ethertype": visit.sent("family"),
        "protocol": visit.sent("protocol") or None,
        **visit.chosen("remote_ip_prefix", "remote_group_id"),
    }
    first, _separator, last = visit.sent("ports").replace(" ", "").partition("-")
    if first:
        rule |= {"port_range_min": first, "port_range_max": last or first}
    await visit.api.post(_RULES, {"security_group_rule": rule})
    return see(visit.path, "changed")


def _group_row(group: Document) -> Row:
    key, name = str(group["id"]), str(group["name"])
    cells = (
        Cell(name, f"/security-groups/{key}"),
        Cell(group["description"] or ""),
        Cell(str(len(group["security_group_rules"]))),
    )
    lost = f"The group {name} and its rules are gone. Servers must be out of it first."
    return Row(cells, [] if name == "default" else [delete_form(key, name, lost)], key)


def _rule_row(rule: Document, names: dict[str, str]) -> Row:
    low, high = rule["port_range_min"], rule["port_range_max"]
    ports = "any" if low is None else str(low) if low == high else f"{low}-{high}"
    group = rule["remote_group_id"]
    other = rule["remote_ip_prefix"] or (f"group {names.get(group, group)}" if group else "anybody")
    direction = "in" if rule["direction"] == "ingress" else "out"
    cells = (
        Cell(f"{direction}, {rule['ethertype']}"),
        Cell((rule["protocol"] or "any").upper() if rule["protocol"] else "any"),
        Cell(ports),
        Cell(other),
    )
    name = f"rule {direction} {rule['ethertype']} {rule['protocol'] or 'any'} {ports}"
    lost = "Connections that only this rule allows are cut."
    return Row(cells, [delete_form(str(rule["id"]), name, lost)], str(rule["id"]))


def _rule_form(visit: Visit, names: dict[str, str]) -> Form:
    def kept(name: str, otherwise: str = "") -> str:
        return visit.form.get(name, otherwise)

    fields = [
        Field("direction", "Direction", "select", kept("direction"), options=_DIRECTIONS),
        Field("protocol", "Protocol", "select", kept("protocol", "tcp"), options=_PROTOCOLS, required=False),
        Field("ports", "Ports", value=kept("ports"), hint="22, or 8000-8080; empty is any", required=False),
        Field("family", "Family", "select", kept("family"), options=_FAMILIES),
        Field(
            "remote_ip_prefix",
            "Only from or to",
            value=kept("remote_ip_prefix"),
            hint="A range such as 203.0.113.0/24; empty is anybody",
            required=False,
        ),
        Field(
            "remote_group_id",
            "Or only servers of",
            "select",
            kept("remote_group_id"),
            options=[("", "any group"), *names.items()],
            required=False,
        ),
    ]
    return Form("create", "Add a rule", fields, "Add", open=bool(visit.problem))


PAGES = (Page("/security-groups", show_list, act_list), Page("/security-groups/{id}", show, act))
