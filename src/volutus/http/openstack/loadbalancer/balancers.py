"""`/v2.0/lbaas/loadbalancers`: the addresses, and the state of everything below each."""

from starlette.responses import Response

from volutus.http.kernel import Request, document, no_content
from volutus.http.openstack.loadbalancer import answers, views
from volutus.http.openstack.loadbalancer.schemas import PROVIDER, BalancerBody, fixed, one_of, read
from volutus.http.openstack.network import addresses
from volutus.http.openstack.network.bodies import project_of, value_or
from volutus.network.listing import parse_boolean
from volutus.network.loadbalancer import BalancerOrder, balancers, nouns
from volutus.network.loadbalancer.nouns import BALANCER

NAME = "loadbalancer"
_NAMES = {name: name for name in ("vip_address", "vip_port_id", "vip_subnet_id", "vip_network_id")}
_FIXED = ("vip_subnet_id", "vip_network_id", "vip_port_id", "vip_address", "provider")


def create(request: Request) -> Response:
    body = read(request, NAME, BalancerBody)
    one_of(value_or(body.provider, PROVIDER), (PROVIDER,), "provider")
    address = value_or(body.vip_address, "")
    order = BalancerOrder(
        project_id=project_of(request, body),
        vip_port_id=value_or(body.vip_port_id, "") or None,
        vip_subnet_id=value_or(body.vip_subnet_id, "") or None,
        vip_network_id=value_or(body.vip_network_id, "") or None,
        vip_address=addresses.one(address, "vip_address") if address else None,
        **answers.ordered(body),
    )
    made = balancers.create(request.tx, request.caller, order)
    return answers.one(request, NAME, views.balancer, made, 201)


def index(request: Request) -> Response:
    return answers.many(request, BALANCER, "loadbalancers", views.balancer, _NAMES)


def show(request: Request) -> Response:
    found = nouns.get(request.tx, request.caller, BALANCER, request.params["id"])
    return answers.one(request, NAME, views.balancer, found)


def change(request: Request) -> Response:
    body = read(request, NAME, BalancerBody)
    fixed(body, _FIXED)
    changed = balancers.update(request.tx, request.caller, request.params["id"], answers.changes(body))
    return answers.one(request, NAME, views.balancer, changed)


def delete(request: Request) -> Response:
    cascade = parse_boolean(request.query.get("cascade", "false"))
    balancers.remove(request.tx, request.caller, request.params["id"], cascade=cascade)
    return no_content()


def statuses(request: Request) -> Response:
    """The state of everything below it."""
    found = nouns.get(request.tx, request.caller, BALANCER, request.params["id"])
    return document({"statuses": views.statuses(nouns.tree_of(request.tx, found))})
