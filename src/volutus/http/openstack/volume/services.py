"""`/os-services`: each pool of a host is a service, which an operator closes to new volumes or freezes."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, decode, document, empty
from volutus.http.openstack.volume import schemas
from volutus.http.openstack.volume.bodies import convert_part
from volutus.http.openstack.volume.operations import BINARY
from volutus.http.openstack.volume.views import moment
from volutus.volume.capabilities import Pool, find, pools, say


def list_(request: Request) -> Response:
    """`GET /os-services`."""
    query = request.query
    found = find(request.tx, query["host"]) if query.get("host") else pools(request.tx)
    entries = [_service(request, pool) for pool in found]
    if binary := query.get("binary"):
        entries = [entry for entry in entries if entry["binary"] == binary]
    return document({"services": entries})


def change(request: Request) -> Response:
    """`PUT /os-services/ACTION`."""
    name = request.params["key"]
    if name not in ACTIONS:
        raise NotFound(f"There is no such action: {name}")
    body = decode(request.body, dict[str, Any])
    return ACTIONS[name](request, convert_part(request, "service", body, schemas.ServiceChange))


def _enable(request: Request, body: schemas.ServiceChange) -> Response:
    return _set(request, body, disabled=False, reason=None)


def _disable(request: Request, body: schemas.ServiceChange) -> Response:
    return _set(request, body, disabled=True, reason=None)


def _disable_with_reason(request: Request, body: schemas.ServiceChange) -> Response:
    if not body.disabled_reason or not body.disabled_reason.strip():
        raise Invalid("Disabled reason contains invalid characters or is too long.", field="disabled_reason")
    return _set(request, body, disabled=True, reason=body.disabled_reason)


def _freeze(request: Request, body: schemas.ServiceChange) -> Response:
    return _set_frozen(request, body, frozen=True)


def _thaw(request: Request, body: schemas.ServiceChange) -> Response:
    return _set_frozen(request, body, frozen=False)


ACTIONS: Mapping[str, Callable[[Request, schemas.ServiceChange], Response]] = {
    "enable": _enable,
    "disable": _disable,
    "disable-log-reason": _disable_with_reason,
    "freeze": _freeze,
    "thaw": _thaw,
}


def _set(request: Request, body: schemas.ServiceChange, *, disabled: bool, reason: str | None) -> Response:
    binary = body.binary or body.service
    found = find(request.tx, body.host)
    if not found or binary != BINARY:
        raise NotFound(f"Could not find service {binary} on host {body.host}.")
    for pool in found:
        say(request.tx, request.caller, pool, disabled=disabled, reason=reason)
    told = {"host": body.host, "service": binary, "binary": binary, "disabled": disabled}
    told["status"] = "disabled" if disabled else "enabled"
    if reason is not None or not disabled:
        told["disabled_reason"] = reason
    return document(told)


def _set_frozen(request: Request, body: schemas.ServiceChange, *, frozen: bool) -> Response:
    found = find(request.tx, body.host)
    if not found:
        raise Invalid(f"Host {body.host} could not be found.", field="host")
    for pool in found:
        say(request.tx, request.caller, pool, frozen=frozen)
    return empty(200)


def _service(request: Request, pool: Pool) -> dict[str, Any]:
    host = pool.host
    entry: dict[str, Any] = {
        "binary": BINARY,
        "host": f"{host.hostname}@{pool.name}",
        "zone": host.zone,
        "status": "enabled" if host.enabled and not pool.disabled else "disabled",
        "state": "up" if host.up else "down",
        "updated_at": moment(host.last_seen_at or host.enrolled_at),
        "disabled_reason": pool.reason or host.disabled_reason or None,
        "frozen": pool.frozen,
        "replication_status": "disabled",
        "active_backend_id": None,
    }
    if request.microversion >= Version(3, 7):
        entry["cluster"] = None
    if request.microversion >= Version(3, 49):
        entry["backend_state"] = entry["state"]
    return entry
