"""The action `createImage`; and images in the form Nova had before 2.36, for clients that still ask here: the
image service's own."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from volutus import compute, image
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import (
    Request,
    Version,
    accepted,
    document,
    empty,
    next_links,
    no_content,
    parse_page,
)
from volutus.http.kernel.bodies import convert
from volutus.http.openstack.compute import schemas, views
from volutus.http.openstack.compute.servers import moment_of
from volutus.image import Image, ImageFields, ImageFilter, TimeBound
from volutus.image.faults import ImageProtected

V2_36 = Version(2, 36)
V2_39 = Version(2, 39)
V2_45 = Version(2, 45)
_STATUSES = {"active": "ACTIVE", "queued": "SAVING", "saving": "SAVING", "deleted": "DELETED"}
_PROGRESS = {"ACTIVE": 100, "SAVING": 25}


def create(request: Request, server_id: str, arguments: Any) -> Response:
    """Order an image of a server."""
    body = convert(arguments, schemas.ImageCreate)
    name = schemas.name_of(body.name, "name")
    made = compute.images.create(request.tx, request.caller, server_id, name, body.metadata or {})
    if request.microversion >= V2_45:
        return accepted({"image_id": made.id})
    return empty(202, {"Location": f"{request.origin}/compute/v2.1/images/{made.id}"})


def index(request: Request) -> Response:
    """The short list."""
    found, more = _matching(request)
    brief = [{"id": one.id, "name": one.name, "links": _links(request, one.id)} for one in found]
    return document({"images": brief, **more})


def detail(request: Request) -> Response:
    """The long list."""
    found, more = _matching(request)
    return document({"images": [_image(request, one) for one in found], **more})


def show(request: Request) -> Response:
    """One image."""
    return document({"image": _image(request, _get(request, V2_36))})


def delete(request: Request) -> Response:
    """It is gone at once."""
    found = _get(request, V2_36)
    try:
        image.delete(request.tx, request.caller, found.id)
    except ImageProtected as error:
        raise Invalid(error.message) from error
    return no_content()


def metadata(request: Request) -> Response:
    """All properties."""
    return document({"metadata": _get(request, V2_39).properties})


def create_metadata(request: Request) -> Response:
    """Add or change properties."""
    return _set(request, {**_get(request, V2_39).properties, **request.read(schemas.MetadataBody).metadata})


def replace_metadata(request: Request) -> Response:
    """Have these properties and no others."""
    return _set(request, request.read(schemas.MetadataBody).metadata)


def metadata_item(request: Request) -> Response:
    """One property."""
    key = request.params["key"]
    return document({"meta": {key: _item(request, key)}})


def set_metadata_item(request: Request) -> Response:
    """Add or change one property, named by both path and body."""
    key, meta = request.params["key"], request.read(schemas.MetaBody).meta
    if set(meta) != {key}:
        raise Invalid("Request body and URI mismatch", field="meta")
    _set(request, {**_get(request, V2_39).properties, **meta})
    return document({"meta": meta})


def delete_metadata_item(request: Request) -> Response:
    """Take one property away."""
    key = request.params["key"]
    _item(request, key)
    _set(request, {k: v for k, v in _get(request, V2_39).properties.items() if k != key})
    return no_content()


def _get(request: Request, gone_since: Version) -> Image:
    if request.microversion >= gone_since:
        raise NotFound("The resource could not be found.")
    return image.get(request.tx, request.caller, request.params["id"])


def _item(request: Request, key: str) -> str:
    properties = _get(request, V2_39).properties
    if key not in properties:
        raise NotFound("Metadata item was not found")
    return properties[key]


def _set(request: Request, properties: dict[str, str]) -> Response:
    found = _get(request, V2_39)

    def to(fields: ImageFields) -> ImageFields:
        return replace(fields, properties=properties)

    return document({"metadata": image.change(request.tx, request.caller, found.id, to).properties})


def _matching(request: Request) -> tuple[list[Image], dict[str, Any]]:
    if request.microversion >= V2_36:
        raise NotFound("The resource could not be found.")
    query = request.query
    exact: dict[str, list[str]] = {}
    if "name" in query:
        exact["name"] = [query["name"]]
    if "status" in query:
        exact["status"] = [ours for ours, word in _STATUSES.items() if word == query["status"].upper()]
    numbers = {
        column: given
        for name, column in (("minDisk", "min_disk_gib"), ("minRam", "min_ram_mib"))
        if (given := schemas.number(query.get(name), name)) is not None
    }
    properties = {}
    if "server" in query:
        properties["instance_uuid"] = query["server"].rsplit("/", 1)[-1]
    if query.get("type", "").lower() == "snapshot":
        properties["image_type"] = "snapshot"
    times = []
    if since := moment_of(query, "changes-since"):
        times = [TimeBound("updated_at", "gte", since)]
    wanted = ImageFilter(exact=exact, numbers=numbers, properties=properties, times=times)
    page = parse_page(request)
    found = image.page(request.tx, request.caller, wanted, page)
    return found, next_links(request, "images", page, [one.id for one in found])


def _image(request: Request, one: Image) -> dict[str, Any]:
    status = _STATUSES.get(one.status, "UNKNOWN")
    view: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "status": status,
        "created": views.time(one.created_at),
        "updated": views.time(one.updated_at),
        "minDisk": one.min_disk_gib,
        "minRam": one.min_ram_mib,
        "progress": _PROGRESS.get(status, 0),
        "metadata": dict(one.properties),
        "links": _links(request, one.id),
        "OS-EXT-IMG-SIZE:size": one.size_bytes,
    }
    server_id = one.properties.get("instance_uuid")
    if server_id:
        view["server"] = {"id": server_id, "links": views.links(request, "servers", server_id)}
    return view


def _links(request: Request, image_id: str) -> list[dict[str, str]]:
    alternate = {
        "rel": "alternate",
        "type": "application/vnd.openstack.image",
        "href": f"{request.origin}/image/images/{image_id}",
    }
    return [*views.links(request, "images", image_id), alternate]
