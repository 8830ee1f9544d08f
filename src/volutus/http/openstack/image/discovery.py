"""What the service is: its versions, its schemas, what it can import and where it stores."""

from typing import Any

from starlette.responses import Response

from volutus import image, quota
from volutus.errors import Forbidden, Invalid
from volutus.http.kernel import HttpProblem, Request, document
from volutus.http.openstack.image.definition_schemas import DEFINITION_SCHEMAS
from volutus.http.openstack.image.schemas import SCHEMAS
from volutus.image.imports import ImportRules

STORE = "local"
# 2.12 brought tasks of an image, 2.13 usage, 2.15 the details of stores; 2.14 and 2.16 are of a cache in
# Glance itself, where ours is on the hosts.
_SUPPORTED = (
    *("v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8"),
    *("v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"),
)
_CURRENT = "v2.15"
_MIB = 1 << 20


def versions(request: Request) -> Response:
    """All of them under one URL; 300 unless asked for by name, as clients of Glance expect."""
    links = [{"rel": "self", "href": f"{request.service_url}/v2/"}]
    known = [{"id": _CURRENT, "status": "CURRENT", "links": links}]
    known += [{"id": version, "status": "SUPPORTED", "links": links} for version in _SUPPORTED]
    return document({"versions": known}, 200 if request.path.rstrip("/").endswith("/versions") else 300)


def schema(request: Request) -> Response:
    """The JSON schema of one kind of document."""
    name = request.params["name"]
    if name not in SCHEMAS:
        raise HttpProblem(404, f"There is no schema {name!r}.")
    return document(SCHEMAS[name])


def definition_schema(request: Request) -> Response:
    """The JSON schema of one kind of metadata definition."""
    name = request.params["name"]
    if name not in DEFINITION_SCHEMAS:
        raise HttpProblem(404, f"There is no schema 'metadefs/{name}'.")
    return document(DEFINITION_SCHEMAS[name])


def import_info(request: Request) -> Response:
    """How data may come other than by upload."""
    description = "Import methods available."
    methods = {"description": description, "type": "array", "value": list(rules(request).methods)}
    return document({"import-methods": methods})


def stores_info(_request: Request) -> Response:
    """The one store."""
    return document({"stores": [_STORE]})


def stores_detail(_request: Request) -> Response:
    """The one store as an operator sees it."""
    return document({"stores": [{**_STORE, "type": "file", "weight": 0, "properties": {}}]})


def delete_from_store(request: Request) -> Response:
    """Delete an image's data from one of its stores: there is no other that would keep them."""
    found = image.get(request.tx, request.caller, request.params["image_id"])
    if not request.caller.sees(found.owner):
        raise Forbidden("You are not permitted to delete the data of this image.")
    if request.params["store"] != STORE:
        raise Invalid(f"The only store is {STORE!r}.", field="store")
    raise Forbidden("The image is in no other store; delete the image instead.")


def usage(request: Request) -> Response:
    """What the caller's project stores and may store: sizes in MiB, as in Glance."""
    project_id = request.caller.own_project()
    limits, used = quota.limits(request.tx, project_id), quota.usage(request.tx, project_id)
    size = {"limit": _mib(limits["image_bytes"]), "usage": _mib(used["image_bytes"])}
    count = {"limit": limits["images"], "usage": used["images"]}
    under_way = {"limit": quota.UNLIMITED, "usage": image.uploads_under_way(request.tx, project_id)}
    found: dict[str, Any] = {
        "image_size_total": size,
        "image_stage_total": size,
        "image_count_total": count,
        "image_count_uploading": under_way,
    }
    return document({"usage": found})


def rules(request: Request) -> ImportRules:
    """What may be imported."""
    found: ImportRules = request.plane.parts["image_imports"]
    return found


def _mib(size_bytes: int) -> int:
    return size_bytes if size_bytes == quota.UNLIMITED else -(-size_bytes // _MIB)


_STORE = {"id": STORE, "description": "the control plane's store", "default": "true"}
