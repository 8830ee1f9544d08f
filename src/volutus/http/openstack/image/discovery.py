"""What the service is: its versions, its schemas, what it can import and where it stores."""

from starlette.responses import Response

from volutus.http.kernel import HttpProblem, Request, document
from volutus.http.openstack.image.definition_schemas import DEFINITION_SCHEMAS
from volutus.http.openstack.image.schemas import SCHEMAS

IMPORT_METHODS = ("glance-direct",)
STORE = "local"
# 2.8 brought stores, 2.9 their deletion; what came later in Glance is not here.
_SUPPORTED = ("v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")
_CURRENT = "v2.8"


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


def import_info(_request: Request) -> Response:
    """How data may come other than by upload."""
    description = "Import methods available."
    methods = {"description": description, "type": "array", "value": list(IMPORT_METHODS)}
    return document({"import-methods": methods})


def stores_info(_request: Request) -> Response:
    """The one store."""
    return document(
        {"stores": [{"id": STORE, "description": "the control plane's store", "default": "true"}]}
    )
