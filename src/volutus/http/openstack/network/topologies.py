"""`/v2.0/auto-allocated-topology`: a project's network, made when it is first asked for."""

from starlette.responses import Response

from volutus.http.kernel import Request, document, no_content
from volutus.network import topologies

# Clients without a project to name send this.
_OWN = ("None", "null")


def show(request: Request) -> Response:
    project_id = _project(request)
    if "dry-run" in request.query.getlist("fields"):
        topologies.check(request.tx, request.caller, project_id)
        return document({"auto_allocated_topology": {"id": "dry-run=pass", "tenant_id": project_id}})
    made = topologies.ensure(request.tx, request.caller, project_id)
    shown = {"id": made.network_id, "tenant_id": project_id, "project_id": project_id}
    return document({"auto_allocated_topology": shown})


def delete(request: Request) -> Response:
    topologies.remove(request.tx, request.caller, _project(request))
    return no_content()


def _project(request: Request) -> str:
    named = request.params["project_id"]
    return request.caller.own_project() if named in _OWN else named
