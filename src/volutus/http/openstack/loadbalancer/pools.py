"""`/v2.0/lbaas/pools`: members that share connections, and how a connection finds one."""

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from volutus.http.kernel import Request, no_content
from volutus.http.openstack.loadbalancer import answers, views
from volutus.http.openstack.loadbalancer.listeners import HINT, PROTOCOLS
from volutus.http.openstack.loadbalancer.schemas import PoolBody, fixed, one_of, read, required
from volutus.http.openstack.network.bodies import value_or
from volutus.network.loadbalancer import PoolOrder, nouns, pools
from volutus.network.loadbalancer.nouns import POOL

NAME = "pool"
ALGORITHMS = ("SOURCE_IP_PORT", "SOURCE_IP")
ALGORITHM_HINT = " Connections are spread by a hash of their addresses and ports: SOURCE_IP_PORT."
# Octavia's own default.
PERSISTENCE_TIMEOUT_S = 360
_NAMES = {"loadbalancer_id": "load_balancer_id", "protocol": "protocol", "lb_algorithm": "algorithm"}


def create(request: Request) -> Response:
    body = read(request, NAME, PoolBody)
    persistence = _persistence(body)
    order = PoolOrder(
        protocol=one_of(required(body.protocol, "protocol"), PROTOCOLS, "protocol", HINT),
        algorithm=_algorithm(required(body.lb_algorithm, "lb_algorithm")),
        balancer_id=value_or(body.loadbalancer_id, "") or None,
        listener_id=value_or(body.listener_id, "") or None,
        persistence_timeout_s=None if isinstance(persistence, UnsetType) else persistence,
        **answers.ordered(body),
    )
    made = pools.create(request.tx, request.caller, order)
    return answers.one(request, NAME, views.pool, made, 201)


def index(request: Request) -> Response:
    return answers.many(request, POOL, "pools", views.pool, _NAMES)


def show(request: Request) -> Response:
    found = nouns.get(request.tx, request.caller, POOL, request.params["id"])
    return answers.one(request, NAME, views.pool, found)


def change(request: Request) -> Response:
    body = read(request, NAME, PoolBody)
    fixed(body, ("loadbalancer_id", "listener_id", "protocol"))
    algorithm = (
        body.lb_algorithm if isinstance(body.lb_algorithm, UnsetType) else _algorithm(body.lb_algorithm)
    )
    values = answers.changes(body) | {"algorithm": algorithm, "persistence_timeout_s": _persistence(body)}
    changed = pools.update(request.tx, request.caller, request.params["id"], values)
    return answers.one(request, NAME, views.pool, changed)


def delete(request: Request) -> Response:
    pools.remove(request.tx, request.caller, request.params["id"])
    return no_content()


def _algorithm(word: str) -> str:
    return one_of(word, ALGORITHMS, "lb_algorithm", ALGORITHM_HINT)


def _persistence(body: PoolBody) -> int | UnsetType | None:
    asked = body.session_persistence
    if isinstance(asked, UnsetType):
        return UNSET
    if asked is None:
        return None
    one_of(asked.type, ("SOURCE_IP",), "session_persistence.type")
    return value_or(asked.persistence_timeout, PERSISTENCE_TIMEOUT_S)
