"""`/v2.0/default-security-group-rules`: what new security groups begin with."""

from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import lists, views
from volutus.http.openstack.network.bodies import read_many, value_or
from volutus.http.openstack.network.schemas import DefaultRuleBody
from volutus.http.openstack.network.security_groups import MATCH_NAMES, asked_of_rules, matched
from volutus.network import default_rules
from volutus.network.default_rules import DefaultRuleOrder

_NOUN, _PLURAL = "default_security_group_rule", "default_security_group_rules"
_NAMES = MATCH_NAMES | {
    "used_in_default_sg": "in_default_group",
    "used_in_non_default_sg": "in_other_groups",
}


def create(request: Request) -> Response:
    bodies, bulk = read_many(request, _NOUN, _PLURAL, DefaultRuleBody)
    made = [default_rules.create(request.tx, request.caller, _order(body)) for body in bodies]
    return created(lists.many(_PLURAL, _NOUN, [views.default_rule(one) for one in made], bulk=bulk))


def index(request: Request) -> Response:
    asked = asked_of_rules(request, _NAMES)
    found = default_rules.list_(request.tx, request.caller, asked.query)
    return lists.answer(request, _PLURAL, asked, [views.default_rule(one) for one in found])


def show(request: Request) -> Response:
    found = default_rules.get(request.tx, request.caller, request.params["id"])
    return lists.one(request, _NOUN, views.default_rule(found))


def delete(request: Request) -> Response:
    default_rules.remove(request.tx, request.caller, request.params["id"])
    return no_content()


def _order(body: DefaultRuleBody) -> DefaultRuleOrder:
    """These rules are the cloud's: no project has them."""
    return DefaultRuleOrder(
        project_id="",
        in_default_group=value_or(body.used_in_default_sg, False),
        in_other_groups=value_or(body.used_in_non_default_sg, True),
        **matched(body),
    )
