"""Images: create, list, show, change, delete, deactivate."""

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from volutus import image
from volutus.http.kernel import HttpProblem, Request, created, document, no_content
from volutus.http.openstack.image import bodies, queries, views
from volutus.http.openstack.image.discovery import STORE, rules


def create(request: Request) -> Response:
    """A new image, waiting for its data."""
    fields, wished = bodies.parse_new(request.body)
    made = image.create(request.tx, request.caller, fields, wished)
    headers = {
        "Location": f"{request.service_url}/v2/images/{made.id}",
        "OpenStack-image-import-methods": ",".join(rules(request).methods),
        "OpenStack-image-store-ids": STORE,
    }
    return created(views.image(made), headers)


def listed(request: Request) -> Response:
    """One page of the caller's list."""
    _require_no_empty_id(request)
    page = queries.page(request)
    found = image.page(request.tx, request.caller, queries.image_filter(request), page)
    answer: dict[str, Any] = {
        "images": [views.image(one) for one in found],
        "first": _link(request, None),
        "schema": "/v2/schemas/images",
    }
    if found and len(found) == page.limit:
        answer["next"] = _link(request, found[-1].id)
    return document(answer)


def show(request: Request) -> Response:
    return document(views.image(image.get(request.tx, request.caller, request.params["image_id"])))


def change(request: Request) -> Response:
    """Apply a JSON patch."""
    operations = bodies.parse_patch(request.body, request.headers.get("content-type", ""))
    changed = image.change(
        request.tx, request.caller, request.params["image_id"], lambda now: bodies.apply(operations, now)
    )
    return document(views.image(changed))


def delete(request: Request) -> Response:
    image.delete(request.tx, request.caller, request.params["image_id"])
    return no_content()


def delete_nothing(request: Request) -> Response:
    """`DELETE /v2/images/` is an image without an id, and `DELETE /v2/images` is nothing at all."""
    _require_no_empty_id(request)
    raise HttpProblem(405, "DELETE is not allowed here.", {"Allow": "GET, POST"})


def deactivate(request: Request) -> Response:
    image.set_deactivated(request.tx, request.caller, request.params["image_id"], True)
    return no_content()


def reactivate(request: Request) -> Response:
    image.set_deactivated(request.tx, request.caller, request.params["image_id"], False)
    return no_content()


def _require_no_empty_id(request: Request) -> None:
    if request.path.endswith("/"):
        raise HttpProblem(404, "No image found with ID ''")


def _link(request: Request, marker: str | None) -> str:
    """Relative to the service, as Glance's are."""
    pairs = [(name, value) for name, value in request.query.multi_items() if name != "marker"]
    query = urlencode([*pairs, *([("marker", marker)] if marker else [])])
    return f"/v2/images?{query}" if query else "/v2/images"
