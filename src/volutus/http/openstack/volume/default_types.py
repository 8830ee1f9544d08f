"""`/default-types`: the volume type of a project's volumes that name none, since 3.62."""

from starlette.responses import Response

from volutus.errors import NotFound
from volutus.http.kernel import Request, Version, document, no_content
from volutus.http.openstack.volume import schemas
from volutus.http.openstack.volume.bodies import read, since
from volutus.volume import types

FIRST = Version(3, 62)


def list_(request: Request) -> Response:
    """`GET /default-types`."""
    since(request, FIRST)
    entries = [{"project_id": project, "volume_type_id": one} for project, one in types.defaults(request.tx)]
    return document({"default_types": entries})


def show(request: Request) -> Response:
    """`GET /default-types/PROJECT`."""
    since(request, FIRST)
    project_id = request.params["target_id"]
    found = types.default_of(request.tx, project_id)
    if found is None:
        raise NotFound(f"Default type for project {project_id} not found.")
    return document({"default_type": {"project_id": project_id, "volume_type_id": found}})


def update(request: Request) -> Response:
    """`PUT /default-types/PROJECT`."""
    since(request, FIRST)
    body, project_id = read(request, "default_type", schemas.DefaultType), request.params["target_id"]
    found = types.set_default(request.tx, request.caller, project_id, body.volume_type)
    return document({"default_type": {"project_id": project_id, "volume_type_id": found.id}})


def delete(request: Request) -> Response:
    """`DELETE /default-types/PROJECT`."""
    since(request, FIRST)
    types.unset_default(request.tx, request.caller, request.params["target_id"])
    return no_content()
