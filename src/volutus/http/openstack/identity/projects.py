"""Projects and their tags over HTTP."""

from typing import Any

from starlette.responses import Response

from volutus import quota
from volutus.errors import NotFound
from volutus.http.kernel import Request, created, document, empty, no_content, parse_page
from volutus.http.kernel.bodies import convert_strictly
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import column_filters, flag, read_object
from volutus.identity import domains, projects
from volutus.identity.domains import DomainFields
from volutus.identity.projects import ProjectFields, TagFilter
from volutus.identity.records import Tag, Tags

_FILTERS = ("name", "domain_id", "parent_id", "enabled")


def create(request: Request) -> Response:
    """A new project; with `is_domain` a domain under the name of a project."""
    fields, extra = read_object(request, "project", ProjectFields)
    if fields.is_domain is True:
        row = domains.create(request.tx, request.caller, _as_domain(fields), extra)
        return created({"project": views.domain_as_project(request, row)})
    row = projects.create(request.tx, request.caller, fields, extra)
    return created({"project": views.project(request, row)})


def index(request: Request) -> Response:
    """The projects that the caller sees; with `is_domain` the domains in their shape."""
    page = parse_page(request)
    if flag(request, "is_domain"):
        found = domains.list_(request.tx, request.caller, page, column_filters(request, "name", "enabled"))
        shown = [views.domain_as_project(request, row) for row in found]
        return views.listing(request, "projects", shown, page)
    rows = projects.list_(
        request.tx, request.caller, page, column_filters(request, *_FILTERS), _tags(request)
    )
    return views.listing(request, "projects", [views.project(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One project, with its tree above and below where asked; or a domain in the shape of one."""
    if projects.is_domain(request.tx, request.params["project_id"]):
        found = domains.get(request.tx, request.caller, request.params["project_id"])
        return document({"project": views.domain_as_project(request, found)})
    row = projects.get(request.tx, request.caller, request.params["project_id"])
    body = views.project(request, row)
    if flag(request, "parents_as_list"):
        body["parents"] = [
            {"project": views.project(request, p)} for p in projects.ancestors(request.tx, row)
        ]
    elif flag(request, "parents_as_ids"):
        body["parents"] = _nested(list(row.ancestors))
    if flag(request, "subtree_as_list"):
        below = projects.descendants(request.tx, row)
        body["subtree"] = [{"project": views.project(request, p)} for p in below]
    elif flag(request, "subtree_as_ids"):
        body["subtree"] = _tree(row.id, projects.descendants(request.tx, row))
    return document({"project": body})


def update(request: Request) -> Response:
    """Change a project."""
    fields, extra = read_object(request, "project", ProjectFields)
    project_id = request.params["project_id"]
    if projects.is_domain(request.tx, project_id):
        changed = domains.change(request.tx, request.caller, project_id, _as_domain(fields), extra)
        return document({"project": views.domain_as_project(request, changed)})
    row = projects.change(request.tx, request.caller, project_id, fields, extra)
    return document({"project": views.project(request, row)})


def delete(request: Request) -> Response:
    """Delete a project without children and without resources, or a disabled domain."""
    project_id = request.params["project_id"]
    if projects.is_domain(request.tx, project_id):
        quota.require_unused(request.tx, projects.ids_of_domain(request.tx, project_id))
        domains.remove(request.tx, request.caller, project_id)
        return no_content()
    projects.must_manage(request.tx, request.caller, project_id)
    quota.require_unused(request.tx, [project_id])
    projects.remove(request.tx, request.caller, project_id)
    return no_content()


def list_tags(request: Request) -> Response:
    """A project's tags."""
    row = projects.get(request.tx, request.caller, request.params["project_id"])
    return document(_tag_list(request, row.tags))


def replace_tags(request: Request) -> Response:
    """All tags anew."""
    body = request.read(dict[str, Any])
    tags = convert_strictly(body.get("tags"), Tags, "tags")
    chosen = projects.set_tags(request.tx, request.caller, request.params["project_id"], tags)
    return document(_tag_list(request, chosen))


def delete_tags(request: Request) -> Response:
    """No tags from now on."""
    projects.set_tags(request.tx, request.caller, request.params["project_id"], [])
    return no_content()


def check_tag(request: Request) -> Response:
    """204 where the project has the tag."""
    row = projects.get(request.tx, request.caller, request.params["project_id"])
    if request.params["tag"] not in row.tags:
        raise NotFound(f"Could not find project tag: {request.params['tag']}.")
    return no_content()


def add_tag(request: Request) -> Response:
    """One more tag."""
    project_id = request.params["project_id"]
    tag = convert_strictly(request.params["tag"], Tag, "tag")
    row = projects.get(request.tx, request.caller, project_id)
    projects.set_tags(request.tx, request.caller, project_id, [*row.tags, tag])
    return empty(201)


def delete_tag(request: Request) -> Response:
    """One tag fewer."""
    project_id, tag = request.params["project_id"], request.params["tag"]
    row = projects.get(request.tx, request.caller, project_id)
    if tag not in row.tags:
        raise NotFound(f"Could not find project tag: {tag}.")
    projects.set_tags(request.tx, request.caller, project_id, [t for t in row.tags if t != tag])
    return no_content()


def _as_domain(fields: ProjectFields) -> DomainFields:
    return DomainFields(fields.name, fields.description, fields.enabled, fields.options, fields.tags)


def _tag_list(request: Request, tags: list[str]) -> dict[str, Any]:
    return {"tags": sorted(tags), "links": {"next": None, "previous": None, "self": request.url}}


def _tags(request: Request) -> TagFilter:
    def of(name: str) -> list[str]:
        return [tag for tag in request.query.get(name, "").split(",") if tag]

    return TagFilter(of("tags"), of("tags-any"), of("not-tags"), of("not-tags-any"))


def _nested(ids: list[str]) -> dict[str, Any] | None:
    """From the parent outwards: {parent: {grandparent: null}}."""
    shown: dict[str, Any] | None = None
    for project_id in ids:
        shown = {project_id: shown}
    return shown


def _tree(root_id: str, below: list[Any]) -> dict[str, Any] | None:
    children: dict[str, list[str]] = {}
    for row in below:
        children.setdefault(row.parent_id, []).append(row.id)

    def of(project_id: str) -> dict[str, Any] | None:
        return {child: of(child) for child in children.get(project_id, ())} or None

    return of(root_id)
