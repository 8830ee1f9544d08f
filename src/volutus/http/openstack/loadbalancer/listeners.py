"""`/v2.0/lbaas/listeners`: the ports of a load balancer, each with its pool."""

from starlette.responses import Response

from volutus.http.kernel import Request, no_content
from volutus.http.openstack.loadbalancer import answers, views
from volutus.http.openstack.loadbalancer.schemas import ListenerBody, fixed, one_of, read, required
from volutus.http.openstack.network.bodies import value_or
from volutus.network.loadbalancer import ListenerOrder, listeners, nouns
from volutus.network.loadbalancer.errors import UnsupportedOption
from volutus.network.loadbalancer.nouns import LISTENER

NAME = "listener"
PROTOCOLS = ("TCP", "UDP", "SCTP")
HINT = " Connections are balanced whole: use TCP for HTTP and HTTPS."
_NAMES = {
    "loadbalancer_id": "load_balancer_id",
    "protocol": "protocol",
    "protocol_port": "port",
    "default_pool_id": "pool_id",
}


def create(request: Request) -> Response:
    body = read(request, NAME, ListenerBody)
    _refuse_limit(body)
    order = ListenerOrder(
        balancer_id=required(body.loadbalancer_id, "loadbalancer_id"),
        protocol=one_of(required(body.protocol, "protocol"), PROTOCOLS, "protocol", HINT),
        port=required(body.protocol_port, "protocol_port"),
        pool_id=value_or(body.default_pool_id, "") or None,
        **answers.ordered(body),
    )
    made = listeners.create(request.tx, request.caller, order)
    return answers.one(request, NAME, views.listener, made, 201)


def index(request: Request) -> Response:
    return answers.many(request, LISTENER, "listeners", views.listener, _NAMES)


def show(request: Request) -> Response:
    found = nouns.get(request.tx, request.caller, LISTENER, request.params["id"])
    return answers.one(request, NAME, views.listener, found)


def change(request: Request) -> Response:
    body = read(request, NAME, ListenerBody)
    _refuse_limit(body)
    fixed(body, ("loadbalancer_id", "protocol", "protocol_port"))
    values = answers.changes(body) | {"pool_id": body.default_pool_id}
    changed = listeners.update(request.tx, request.caller, request.params["id"], values)
    return answers.one(request, NAME, views.listener, changed)


def delete(request: Request) -> Response:
    listeners.remove(request.tx, request.caller, request.params["id"])
    return no_content()


def _refuse_limit(body: ListenerBody) -> None:
    if value_or(body.connection_limit, views.UNLIMITED) != views.UNLIMITED:
        raise UnsupportedOption(
            "connection_limit is not supported: connections are not counted.", field="connection_limit"
        )
