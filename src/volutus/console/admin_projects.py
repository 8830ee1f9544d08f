"""Projects, for administrators: what isolates; their quotas and who has which role there."""

from typing import Any

from starlette.responses import Response

from volutus.console.api import ApiProblem, Document, together
from volutus.console.language import N_, _, lookup
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Facts,
    Field,
    Form,
    Row,
    Sheet,
    Table,
    choices,
    delete_form,
    hidden,
    page_of,
)
from volutus.console.visits import Visit, see

ROOT = "/identity/v3/projects"
USERS = "/identity/v3/users"
ROLES = "/identity/v3/roles"
_ASSIGNED = "/identity/v3/role_assignments"
# Service, the API's name of the limit, label.
_QUOTAS = (
    ("compute", "instances", N_("Servers")),
    ("compute", "cores", N_("Cores")),
    ("compute", "ram", N_("Memory, MiB")),
    ("volume", "volumes", N_("Volumes")),
    ("volume", "snapshots", N_("Snapshots")),
    ("volume", "gigabytes", N_("Volume space, GiB")),
    ("network", "network", N_("Networks")),
    ("network", "router", N_("Routers")),
    ("network", "floatingip", N_("Floating IPs")),
    ("network", "security_group", N_("Security groups")),
)


async def show_list(renderer: Renderer, visit: Visit) -> Response:
    """All projects."""
    projects, more = await page_of(visit, ROOT, "projects")
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("description", _("What it is for"), value=visit.sent("description"), required=False),
    ]
    sheet = Sheet(
        title=_("Projects"),
        about=_("Everything belongs to one project; who is in it sees all of it and nothing else."),
        tables=[
            Table(
                (_("Name"), _("State"), _("What it is for"), _("Id")),
                [_row(one) for one in projects],
                _("No project yet. Create one, then give a user a role in it."),
                more=more,
            )
        ],
        create=[
            Form("create", _("Create a project"), fields, _("Create"), open=bool(visit.problem)),
        ],
        command="openstack project create NAME\nopenstack project list\nopenstack project delete NAME",
    )
    return renderer.sheet(visit, sheet)


async def act_list(_renderer: Renderer, visit: Visit) -> Response:
    """Create or delete one."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{ROOT}/{visit.sent('id')}")
        return see("/admin/projects", "deleted")
    order = {**visit.chosen("name", "description"), "domain_id": "default"}
    made = (await visit.api.post(ROOT, {"project": order}))["project"]
    return see(f"/admin/projects/{made['id']}")


async def show(renderer: Renderer, visit: Visit) -> Response:
    """One project: its quotas, and who is in it."""
    key = visit.param("id")
    query: dict[str, Any] = {"scope.project.id": key, "include_names": "1"}
    found, assigned, users, roles, limits = await together(
        visit.api.get(f"{ROOT}/{key}"),
        visit.api.items(_ASSIGNED, "role_assignments", **query),
        visit.api.items(USERS, "users", limit=CHOICES_MAX),
        visit.api.items(ROLES, "roles"),
        _limits(visit, key),
    )
    project = found["project"]
    name = str(project["name"])
    given = [one for one in assigned if "user" in one]
    fields = [
        Field("user", _("User"), "select", options=choices(users)),
        Field("role", _("Role"), "select", options=choices(roles)),
    ]
    sheet = Sheet(
        title=name,
        about=project["description"],
        facts=[
            Facts(
                _("Quotas"),
                [(lookup(label), Cell(_shown(limits[quota]))) for _service, quota, label in _QUOTAS],
            )
        ],
        tables=[
            Table(
                (_("User"), _("Role")),
                [_assignment_row(one, name) for one in given],
                _("Nobody has a role here. Give somebody one."),
                title=_("Who is in it"),
            )
        ],
        create=[
            Form("give", _("Give a role"), fields, _("Give it")),
            _quota_form(visit, limits),
        ],
        command=f"openstack role add --user USER --project {key} member\n"
        f"openstack quota set --cores 40 {key}\nopenstack quota show {key}",
        crumb=("/admin/projects", _("Projects")),
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Give or take a role, or change the quotas."""
    key, wanted = visit.param("id"), visit.sent("act")
    path = f"{ROOT}/{key}/users/{visit.sent('user')}/roles/{visit.sent('role')}"
    if wanted == "give":
        await visit.api.call("PUT", path)
    elif wanted == "take":
        await visit.api.delete(path)
    elif wanted == "quotas":
        await together(*(_set(visit, service, key) for service in ("compute", "volume", "network")))
    return see(visit.path, "changed")


def _quota_path(visit: Visit, service: str, key: str) -> str:
    return {
        "compute": f"/compute/v2.1/os-quota-sets/{key}",
        "volume": f"/volume/v3/{visit.session.project_id}/os-quota-sets/{key}",
        "network": f"/network/v2.0/quotas/{key}",
    }[service]


def _envelope(service: str) -> str:
    return "quota" if service == "network" else "quota_set"


async def _limits(visit: Visit, key: str) -> dict[str, int]:
    services = ("compute", "volume", "network")
    found = await together(*(visit.api.get(_quota_path(visit, service, key)) for service in services))
    sets = {service: document[_envelope(service)] for service, document in zip(services, found, strict=True)}
    return {quota: int(sets[service][quota]) for service, quota, _label in _QUOTAS}


async def _set(visit: Visit, service: str, key: str) -> None:
    try:
        wanted = {quota: int(visit.sent(quota)) for owner, quota, _label in _QUOTAS if owner == service}
    except ValueError as error:
        raise ApiProblem(400, _("A quota is a whole number; -1 is none."), "") from error
    await visit.api.put(_quota_path(visit, service, key), {_envelope(service): wanted})


def _shown(limit: int) -> str:
    return f"{limit:,}" if limit >= 0 else _("no limit")


def _quota_form(visit: Visit, limits: dict[str, int]) -> Form:
    fields = [
        Field(quota, lookup(label), "number", visit.sent(quota) or str(limits[quota]), bounds=(-1, None))
        for _service, quota, label in _QUOTAS
    ]
    opened = bool(visit.problem and visit.sent("act") == "quotas")
    about = _("A quota is a whole number; -1 is none.")
    return Form("quotas", _("Change the quotas"), fields, _("Change"), about=about, open=opened)


def _row(one: Document) -> Row:
    key, name = str(one["id"]), str(one["name"])
    cells = (
        Cell(name, f"/admin/projects/{key}"),
        Cell("enabled" if one["enabled"] else "disabled", state=True),
        Cell(one["description"] or ""),
        Cell(key, code=True),
    )
    lost = _("The project %(name)s is gone; what is still in it is out of reach.", name=name)
    return Row(cells, [delete_form(key, name, lost)], key)


def _assignment_row(one: Document, project: str) -> Row:
    user, role = one["user"], one["role"]
    lost = _(
        "%(user)s no longer has the role %(role)s in %(project)s.",
        user=user["name"],
        role=role["name"],
        project=project,
    )
    take = Form(
        "take",
        _("Take away"),
        hidden(user=str(user["id"]), role=str(role["id"])),
        _("Take %(role)s from %(user)s", role=role["name"], user=user["name"]),
        lost,
    )
    return Row((Cell(user["name"]), Cell(role["name"])), [take], f"{user['id']}-{role['id']}")


PAGES = (Page("/admin/projects", show_list, act_list), Page("/admin/projects/{id}", show, act))
