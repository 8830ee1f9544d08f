"""Host aggregates: groups of hosts with metadata, by which schedulers are steered."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.compute.aggregates import Aggregate
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document, empty
from volutus.http.kernel.bodies import convert, decode
from volutus.http.openstack.compute import schemas, views

V2_41 = Version(2, 41)


class AggregateBody(Struct, forbid_unknown_fields=True):
    name: schemas.Name | None = None
    availability_zone: str | None = None


class Body(Struct, forbid_unknown_fields=True):
    aggregate: AggregateBody


class HostBody(Struct, forbid_unknown_fields=True):
    host: str


class MetadataBody(Struct, forbid_unknown_fields=True):
    metadata: dict[str, str | None]


def index(request: Request) -> Response:
    """All aggregates."""
    found = compute.aggregates.list_(request.tx)
    return document({"aggregates": [_view(request, aggregate) for aggregate in found]})


def show(request: Request) -> Response:
    """One aggregate."""
    return _answer(request, compute.aggregates.get(request.tx, _number(request)))


def create(request: Request) -> Response:
    """A new aggregate; its answer has neither hosts nor metadata yet."""
    body = request.read(Body).aggregate
    if body.name is None:
        raise Invalid("An aggregate needs a name.", field="aggregate.name")
    name = schemas.name_of(body.name, "name")
    made = compute.aggregates.create(request.tx, request.caller, name, body.availability_zone)
    view = {k: v for k, v in _view(request, made).items() if k not in ("hosts", "metadata")}
    return document({"aggregate": view})


def update(request: Request) -> Response:
    """Rename an aggregate or change its zone."""
    body = request.read(Body).aggregate
    if body.name is None and body.availability_zone is None:
        raise Invalid("There is nothing to change.", field="aggregate")
    name = schemas.name_of(body.name, "name") if body.name is not None else None
    changed = compute.aggregates.change(
        request.tx, request.caller, _number(request), name, body.availability_zone
    )
    return _answer(request, changed)


def delete(request: Request) -> Response:
    """Remove an empty aggregate."""
    compute.aggregates.remove(request.tx, request.caller, _number(request))
    return empty(200)


def act(request: Request) -> Response:
    """Hosts in and out, metadata."""
    body = decode(request.body, dict[str, Any])
    if len(body) != 1 or next(iter(body)) not in _ACTIONS:
        raise Invalid("There is no such action.")
    ((name, arguments),) = body.items()
    return _answer(request, _ACTIONS[name](request, arguments))


def _add_host(request: Request, arguments: Any) -> Aggregate:
    host = convert(arguments, HostBody).host
    return compute.aggregates.add_host(request.tx, request.caller, _number(request), host)


def _remove_host(request: Request, arguments: Any) -> Aggregate:
    host = convert(arguments, HostBody).host
    return compute.aggregates.remove_host(request.tx, request.caller, _number(request), host)


def _set_metadata(request: Request, arguments: Any) -> Aggregate:
    items = convert(arguments, MetadataBody).metadata
    return compute.aggregates.set_metadata(request.tx, request.caller, _number(request), items)


_ACTIONS: dict[str, Callable[[Request, Any], Aggregate]] = {
    "add_host": _add_host,
    "remove_host": _remove_host,
    "set_metadata": _set_metadata,
}


def _answer(request: Request, aggregate: Aggregate) -> Response:
    return document({"aggregate": _view(request, aggregate)})


def _number(request: Request) -> int:
    text = request.params["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"Aggregate {text} could not be found.")
    return int(text)


def _view(request: Request, aggregate: Aggregate) -> dict[str, Any]:
    view = {
        "id": aggregate.number,
        "name": aggregate.name,
        "availability_zone": aggregate.zone,
        "hosts": list(aggregate.hosts),
        "metadata": dict(aggregate.metadata),
        "created_at": views.long_time(aggregate.created_at),
        "updated_at": views.long_time(aggregate.updated_at),
        "deleted_at": None,
        "deleted": False,
    }
    if request.microversion >= V2_41:
        view["uuid"] = aggregate.id
    return view
