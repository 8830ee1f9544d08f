"""Security groups in the form Nova had before 2.36, for clients that still ask here: the network's own."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.errors import Conflict, Invalid, NotFound
from volutus.http.kernel import Request, Version, document, empty, parse_page
from volutus.http.openstack.compute import schemas
from volutus.network import security_group_rules, security_groups
from volutus.network.listing import Query
from volutus.network.security_group_rules import Rule, RuleOrder
from volutus.network.security_groups import SecurityGroup, SecurityGroupChanges, SecurityGroupOrder

V2_36 = Version(2, 36)
_PROTOCOLS = ("tcp", "udp", "icmp")
_PORT_MAX = 65535


class GroupBody(Struct, forbid_unknown_fields=True):
    name: str
    description: str


class Body(Struct, forbid_unknown_fields=True):
    security_group: GroupBody


class RuleFields(Struct, forbid_unknown_fields=True):
    parent_group_id: str | int
    ip_protocol: str | None = None
    from_port: schemas.Number | None = None
    to_port: schemas.Number | None = None
    cidr: str | None = None
    group_id: str | int | None = None


class RuleBody(Struct, forbid_unknown_fields=True):
    security_group_rule: RuleFields


def index(request: Request) -> Response:
    """The project's groups."""
    check_version(request)
    page = parse_page(request)
    filters: dict[str, list[str]] = {}
    if not (request.caller.is_admin and request.query.get("all_tenants")):
        filters["project_id"] = [request.caller.own_project()]
        security_groups.ensure_default(request.tx, request.caller, request.caller.own_project())
    found = security_groups.list_(request.tx, request.caller, Query(filters, page))
    names = {group.id: group.name for group in found}
    return document({"security_groups": [_group(group, names) for group in found]})


def of_server(request: Request) -> Response:
    """The groups that a server's ports are in."""
    ports = compute.interfaces.list_(request.tx, request.caller, request.params["id"])
    ids = sorted({group_id for port in ports for group_id in port.security_group_ids})
    found = [security_groups.get(request.tx, request.caller, group_id) for group_id in ids]
    names = {group.id: group.name for group in found}
    return document({"security_groups": [_group(group, names) for group in found]})


def show(request: Request) -> Response:
    """One group."""
    check_version(request)
    return _answer(security_groups.get(request.tx, request.caller, request.params["id"]))


def create(request: Request) -> Response:
    """A new group."""
    check_version(request)
    body = _checked(request)
    order = SecurityGroupOrder(request.caller.own_project(), body.name, body.description)
    return _answer(security_groups.create(request.tx, request.caller, order))


def update(request: Request) -> Response:
    """Rename or describe a group."""
    check_version(request)
    body = _checked(request)
    changes = SecurityGroupChanges(name=body.name, description=body.description)
    return _answer(security_groups.change(request.tx, request.caller, request.params["id"], changes))


def delete(request: Request) -> Response:
    """Remove a group."""
    check_version(request)
    with _conflicts_are_bad_requests():
        security_groups.remove(request.tx, request.caller, request.params["id"])
    return empty()


def create_rule(request: Request) -> Response:
    """Let something in."""
    check_version(request)
    body = request.read(RuleBody).security_group_rule
    protocol = body.ip_protocol.lower() if body.ip_protocol else None
    if protocol is not None and protocol not in _PROTOCOLS:
        raise Invalid(f"Invalid IP protocol {body.ip_protocol}", field="ip_protocol")
    group = security_groups.get(request.tx, request.caller, _id_of(body.parent_group_id))
    low, high = _ports(body, protocol)
    prefix = body.cidr or ("0.0.0.0/0" if body.group_id is None else None)
    order = RuleOrder(
        project_id=group.project_id,
        group_id=group.id,
        direction="ingress",
        ip_version=6 if prefix and ":" in prefix else 4,
        protocol=protocol,
        port_min=low,
        port_max=high,
        remote_prefix=prefix,
        remote_group_id=str(body.group_id) if body.group_id is not None else None,
    )
    with _conflicts_are_bad_requests():
        made = security_group_rules.create(request.tx, request.caller, order)
    names = {group.id: group.name}
    if made.remote_group_id and made.remote_group_id not in names:
        names[made.remote_group_id] = security_groups.get(
            request.tx, request.caller, made.remote_group_id
        ).name
    return document({"security_group_rule": _rule(made, names)})


def delete_rule(request: Request) -> Response:
    """Let it in no more."""
    check_version(request)
    security_group_rules.remove(request.tx, request.caller, request.params["id"])
    return empty()


def check_version(request: Request) -> None:
    """All that other services do themselves went from here with 2.36. Raises NotFound."""
    if request.microversion >= V2_36:
        raise NotFound("The resource could not be found.")


def _id_of(given: str | int) -> str:
    """Ids of rules' groups are looked at before they are looked for. Raises Invalid."""
    try:
        return str(uuid.UUID(str(given)))
    except ValueError as error:
        raise Invalid(f"Security group id {given} is not a UUID.", field="parent_group_id") from error


@contextmanager
def _conflicts_are_bad_requests() -> Iterator[None]:
    """Nova knew no 409 here: groups in use, default groups and rules that exist are bad requests."""
    try:
        yield
    except Conflict as error:
        raise Invalid(error.message) from error


def _checked(request: Request) -> GroupBody:
    body = request.read(Body).security_group
    for name, value in (("name", body.name), ("description", body.description)):
        if not value.strip() or len(value) > 255:
            raise Invalid(f"Security group {name} should be 1 to 255 characters.", field=name)
    return body


def _ports(body: RuleFields, protocol: str | None) -> tuple[int | None, int | None]:
    low = schemas.number(body.from_port, "from_port", -1)
    high = schemas.number(body.to_port, "to_port", -1)
    if protocol in ("tcp", "udp"):
        if low is None or high is None or not 0 < low <= high <= _PORT_MAX:
            raise Invalid(f"Invalid port range {low}:{high}. Valid ports are 1 to 65535.", field="from_port")
        return low, high
    # For ICMP -1 means any type and any code.
    return (low if low != -1 else None), (high if high != -1 else None)


def _answer(group: SecurityGroup) -> Response:
    return document({"security_group": _group(group, {group.id: group.name})})


def _group(group: SecurityGroup, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "tenant_id": group.project_id,
        "rules": [_rule(rule, names) for rule in group.rules if rule.direction == "ingress"],
    }


def _rule(rule: Rule, names: dict[str, str]) -> dict[str, Any]:
    low, high = rule.port_min, rule.port_max
    if rule.protocol == "icmp":
        low, high = (-1 if low is None else low), (-1 if high is None else high)
    source: dict[str, str] = {}
    if rule.remote_group_id:
        source = {
            "name": names.get(rule.remote_group_id, rule.remote_group_id),
            "tenant_id": rule.project_id,
        }
    cidr = rule.prefix_as_given or ("::/0" if rule.ip_version == 6 else "0.0.0.0/0")
    return {
        "id": rule.id,
        "parent_group_id": rule.group_id,
        "ip_protocol": rule.protocol,
        "from_port": low,
        "to_port": high,
        "group": source,
        "ip_range": {} if rule.remote_group_id else {"cidr": cidr},
    }
