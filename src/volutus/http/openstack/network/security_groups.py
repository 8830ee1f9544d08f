"""`/v2.0/security-groups` and `/v2.0/security-group-rules`: what ports may send and get."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import lists, views
from volutus.http.openstack.network.bodies import if_revision, project_of, read_many, read_one, value_or
from volutus.http.openstack.network.schemas import MatchBody, RuleBody, SecurityGroupBody
from volutus.network import security_group_rules, security_groups
from volutus.network.errors import InvalidInput
from volutus.network.listing import Query
from volutus.network.security_group_rules import RuleOrder
from volutus.network.security_groups import SecurityGroupChanges, SecurityGroupOrder

_NAMES = lists.COMMON_NAMES | {"stateful": "stateful", "shared": "shared"}
MATCH_NAMES = {name: value for name, value in lists.COMMON_NAMES.items() if name != "name"} | {
    "direction": "direction",
    "ethertype": "ip_version",
    "protocol": "protocol",
    "port_range_min": "port_min",
    "port_range_max": "port_max",
    "remote_ip_prefix": "remote_prefix",
    "remote_group_id": "remote_group_id",
    "remote_address_group_id": "remote_address_group_id",
}
_RULE_NAMES = MATCH_NAMES | {"security_group_id": "group_id"}
_VERSIONS = {"ipv4": 4, "ipv6": 6}


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, "security_group", "security_groups", SecurityGroupBody)
    made = [
        security_groups.create(
            request.tx,
            request.caller,
            SecurityGroupOrder(
                project_id=project_of(request, body),
                name=value_or(body.name, ""),
                description=value_or(body.description, ""),
                stateful=value_or(body.stateful, True),
            ),
        )
        for body in bodies
    ]
    shown = [views.security_group(one) for one in made]
    return created(lists.many("security_groups", "security_group", shown, bulk=bulk))


def index(request: Request) -> Response:
    asked = lists.parse(request, _NAMES)
    found = security_groups.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "security_groups", asked, [views.security_group(one) for one in found])


def show(request: Request) -> Response:
    found = security_groups.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "security_group", views.security_group(found))


def change(request: Request) -> Response:
    body = read_one(request, "security_group", SecurityGroupBody)
    changes = SecurityGroupChanges(body.name, body.description, body.stateful)
    changed = security_groups.change(
        request.tx, request.caller, request.params["id"], changes, if_revision(request)
    )
    return lists.one(request, "security_group", views.security_group(changed))


def delete(request: Request) -> Response:
    security_groups.remove(request.tx, request.caller, request.params["id"], if_revision(request))
    return no_content()


def create_rule(request: Request) -> Response:
    bodies, bulk = read_many(request, "security_group_rule", "security_group_rules", RuleBody)
    made = [
        security_group_rules.create(request.tx, request.caller, _rule_order(request, body)) for body in bodies
    ]
    shown = [views.rule(one) for one in made]
    return created(lists.many("security_group_rules", "security_group_rule", shown, bulk=bulk))


def list_rules(request: Request) -> Response:
    asked = asked_of_rules(request, _RULE_NAMES)
    found = security_group_rules.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, "security_group_rules", asked, [views.rule(one) for one in found])


def show_rule(request: Request) -> Response:
    found = security_group_rules.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, "security_group_rule", views.rule(found))


def delete_rule(request: Request) -> Response:
    security_group_rules.remove(request.tx, request.caller, request.params["id"])
    return no_content()


def asked_of_rules(request: Request, names: Mapping[str, str]) -> lists.Asked:
    """The query of a list of rules, in which the IP version is called an ethertype."""
    asked = lists.parse(request, names)
    filters = dict(asked.query.filters)
    if "ip_version" in filters:
        filters["ip_version"] = [str(_VERSIONS.get(word.lower(), 0)) for word in filters["ip_version"]]
    return replace(asked, query=Query(filters, asked.query.page))


def matched(body: MatchBody) -> dict[str, Any]:
    """What traffic a rule admits, by the domain's names."""
    protocol = None if body.protocol is UNSET or body.protocol in (None, "") else str(body.protocol)
    return {
        "direction": body.direction,
        "ip_version": _VERSIONS[value_or(body.ethertype, "IPv4").lower()],
        "protocol": protocol and _protocol(protocol),
        "port_min": None if body.port_range_min is UNSET else body.port_range_min,
        "port_max": None if body.port_range_max is UNSET else body.port_range_max,
        "remote_prefix": value_or(body.remote_ip_prefix, "") or None,
        "remote_group_id": value_or(body.remote_group_id, "") or None,
        "remote_address_group_id": value_or(body.remote_address_group_id, "") or None,
        "description": value_or(body.description, ""),
    }


def _rule_order(request: Request, body: RuleBody) -> RuleOrder:
    project_id = project_of(request, body)
    return RuleOrder(project_id=project_id, group_id=body.security_group_id, **matched(body))


# Leading zeros and all.
PROTOCOL_DIGITS_MAX = 9


def _protocol(text: str) -> str:
    lowered = text.lower()
    digits = lowered.lstrip("-")
    # Looked at before it is read: Python refuses to read numbers of thousands of digits.
    if digits.isdigit() and (len(digits) > PROTOCOL_DIGITS_MAX or not 0 <= int(lowered) <= 255):
        raise InvalidInput(
            f"Security group rule protocol {text} not supported. Only protocol values and integer "
            "representations [0 to 255] are supported.",
            field="protocol",
        )
    return lowered
