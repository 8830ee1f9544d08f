"""`/v2.0/qos`: policies, their rules of each kind, and which kinds there are."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from volutus.http.kernel import HttpProblem, Request, created, document, no_content
from volutus.http.openstack.network import lists, views
from volutus.http.openstack.network.bodies import read_one
from volutus.http.openstack.network.resources import Resource
from volutus.http.openstack.network.schemas import QosPolicyBody, QosRuleBody
from volutus.network import qos_policies, qos_rules
from volutus.network.qos_policies import (
    BANDWIDTH_LIMIT,
    CARRIED_OUT,
    DSCP_MARKING,
    QosPolicyChanges,
    QosPolicyOrder,
)
from volutus.network.qos_rules import KINDS, QosRuleOrder

Handler = Callable[[Request], Response]

POLICIES = Resource(
    noun="policy",
    plural="policies",
    verbs=qos_policies,
    change_verb=qos_policies.change,
    body=QosPolicyBody,
    order=QosPolicyOrder,
    changes=QosPolicyChanges,
    names={"name": "name", "shared": "shared", "is_default": "is_default"},
    permissions={"shared": "network:qos_policies:set_shared"},
    own_view=views.qos_policy,
)
_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    BANDWIDTH_LIMIT: [
        {"parameter_name": "max_kbps", "parameter_type": "range", "parameter_values": {"start": 1}},
        {"parameter_name": "max_burst_kbps", "parameter_type": "range", "parameter_values": {"start": 0}},
        {
            "parameter_name": "direction",
            "parameter_type": "choices",
            "parameter_values": ["egress", "ingress"],
        },
    ],
    DSCP_MARKING: [
        {
            "parameter_name": "dscp_mark",
            "parameter_type": "choices",
            "parameter_values": sorted(qos_rules.DSCP_MARKS),
        }
    ],
}


def create_rule(kind: str) -> Handler:
    """Handler: one more rule of a policy."""

    def handle(request: Request) -> Response:
        body = read_one(request, f"{kind}_rule", QosRuleBody)
        order = QosRuleOrder(**{"kind": kind, **_values(kind, body)})
        made = qos_rules.create(request.tx, request.caller, request.params["policy_id"], order)
        return created({f"{kind}_rule": views.qos_rule(made)})

    return handle


def list_rules(kind: str) -> Handler:
    """Handler: a policy's rules of one kind."""

    def handle(request: Request) -> Response:
        found = qos_rules.list_(request.tx, request.caller, request.params["policy_id"], kind)
        shown = [views.qos_rule(one) for one in found]
        fields = request.query.getlist("fields")
        return document({f"{kind}_rules": [lists.cut(one, fields) for one in shown]})

    return handle


def show_rule(kind: str) -> Handler:
    """Handler: one of them."""

    def handle(request: Request) -> Response:
        policy_id, rule_id = request.params["policy_id"], request.params["id"]
        found = qos_rules.get(request.tx, request.caller, policy_id, kind, rule_id)
        return lists.one(request, f"{kind}_rule", views.qos_rule(found))

    return handle


def change_rule(kind: str) -> Handler:
    """Handler: another limit or mark."""

    def handle(request: Request) -> Response:
        body = read_one(request, f"{kind}_rule", QosRuleBody)
        policy_id, rule_id = request.params["policy_id"], request.params["id"]
        changed = qos_rules.change(request.tx, request.caller, policy_id, kind, rule_id, _values(kind, body))
        return lists.one(request, f"{kind}_rule", views.qos_rule(changed))

    return handle


def delete_rule(kind: str) -> Handler:
    """Handler: no such limit any more."""

    def handle(request: Request) -> Response:
        policy_id, rule_id = request.params["policy_id"], request.params["id"]
        qos_rules.remove(request.tx, request.caller, policy_id, kind, rule_id)
        return no_content()

    return handle


def rule_types(request: Request) -> Response:
    """The kinds that are carried out, with `all_rules` also those with which a policy is for nothing."""
    wanted = request.query.get("all_rules", "").lower() == "true"
    return document({"rule_types": [{"type": kind} for kind in (KINDS if wanted else CARRIED_OUT)]})


def rule_type(request: Request) -> Response:
    """One kind, with what a rule of it can say."""
    kind = request.params["kind"]
    if kind not in CARRIED_OUT:
        raise HttpProblem(404, f"Rule type {kind} could not be found.")
    drivers = [{"name": "ovn", "supported_parameters": _PARAMETERS[kind]}]
    return document({"rule_type": {"type": kind, "drivers": drivers}})


def _values(kind: str, body: QosRuleBody) -> dict[str, Any]:
    """What was given of what a rule of the kind has."""
    names = ("direction", *KINDS[kind])
    return {name: value for name in names if (value := getattr(body, name)) is not UNSET}
