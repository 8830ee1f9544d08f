"""`/v2.0/lbaas/healthmonitors`: how members are asked whether they answer."""

from starlette.responses import Response

from volutus.http.kernel import Request, no_content
from volutus.http.openstack.loadbalancer import answers, views
from volutus.http.openstack.loadbalancer.schemas import MonitorBody, fixed, one_of, read, required
from volutus.http.openstack.network.bodies import value_or
from volutus.network.loadbalancer import MonitorOrder, monitors, nouns
from volutus.network.loadbalancer.nouns import MONITOR

NAME = "healthmonitor"
TYPES = ("TCP", "UDP-CONNECT", "HTTP")
RETRIES_DOWN = 3
_NAMES = {"pool_id": "pool_id", "type": "type", "delay": "delay_s", "timeout": "timeout_s"}
_NAMES |= {"max_retries": "max_retries"}


def create(request: Request) -> Response:
    body = read(request, NAME, MonitorBody)
    values = answers.ordered(body)
    values.pop("description", None)
    order = MonitorOrder(
        pool_id=required(body.pool_id, "pool_id"),
        type=one_of(required(body.type, "type"), TYPES, "type"),
        delay_s=required(body.delay, "delay"),
        timeout_s=required(body.timeout, "timeout"),
        max_retries=required(body.max_retries, "max_retries"),
        max_retries_down=value_or(body.max_retries_down, RETRIES_DOWN),
        http_method=value_or(body.http_method, "GET"),
        url_path=value_or(body.url_path, "/"),
        expected_codes=value_or(body.expected_codes, "200"),
        **values,
    )
    made = monitors.create(request.tx, request.caller, order)
    return answers.one(request, NAME, views.monitor, made, 201)


def index(request: Request) -> Response:
    return answers.many(request, MONITOR, "healthmonitors", views.monitor, _NAMES)


def show(request: Request) -> Response:
    found = nouns.get(request.tx, request.caller, MONITOR, request.params["id"])
    return answers.one(request, NAME, views.monitor, found)


def change(request: Request) -> Response:
    body = read(request, NAME, MonitorBody)
    fixed(body, ("pool_id", "type"))
    given = {
        "delay_s": body.delay,
        "timeout_s": body.timeout,
        "max_retries": body.max_retries,
        "max_retries_down": RETRIES_DOWN if body.max_retries_down is None else body.max_retries_down,
        "http_method": "GET" if body.http_method is None else body.http_method,
        "url_path": "/" if body.url_path is None else body.url_path,
        "expected_codes": "200" if body.expected_codes is None else body.expected_codes,
    }
    values = answers.changes(body) | given
    changed = monitors.update(request.tx, request.caller, request.params["id"], values)
    return answers.one(request, NAME, views.monitor, changed)


def delete(request: Request) -> Response:
    monitors.remove(request.tx, request.caller, request.params["id"])
    return no_content()
