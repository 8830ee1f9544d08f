"""Users, for administrators: made, given a password, disabled, deleted."""

from starlette.responses import Response

from volutus.console.admin_projects import ROLES, ROOT, USERS
from volutus.console.api import Document, together
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Field,
    Form,
    Row,
    Search,
    Sheet,
    Table,
    choices,
    delete_form,
    hidden,
    page_of,
)
from volutus.console.visits import Visit, see

# What a user must give to sign in, where it is more than one thing.
_FACTORS = {"codes": [["password", "totp"]], "no-codes": []}


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All users, or those whose name has a text."""
    query = {"name__contains": visit.asked("q")} if visit.asked("q") else {}
    (users, more), projects = await together(
        page_of(visit, USERS, "users", **query), visit.api.items(ROOT, "projects", limit=CHOICES_MAX)
    )
    member_of = [("", _("none")), *choices(projects)]
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("password", _("Password"), "password"),
        Field("email", _("Email"), "email", visit.sent("email"), required=False),
        Field("project", _("Member of"), "select", options=member_of, required=False),
    ]
    sheet = Sheet(
        title=_("Users"),
        about=_("Who can sign in. What they may do comes from their roles in projects."),
        tables=[
            Table(
                (_("Name"), _("State"), _("Email"), _("Id")),
                [_row(visit, one) for one in users],
                _("No user fits."),
                more=more,
                search=Search(_("Name has")),
            )
        ],
        create=[Form("create", _("Create a user"), fields, _("Create"), open=bool(visit.problem))],
        command="openstack user create --password-prompt NAME\n"
        "openstack role add --user NAME --project PROJECT member\nopenstack user set --disable NAME\n"
        "openstack user delete NAME",
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Create, disable, enable, give a password, or delete."""
    wanted, path = visit.sent("act"), f"{USERS}/{visit.sent('id')}"
    if wanted == "delete":
        await visit.api.delete(path)
        return see("/admin/users", "deleted")
    if wanted == "create":
        await _create(visit)
        return see("/admin/users", "created")
    if wanted in ("enable", "disable"):
        await visit.api.patch(path, {"user": {"enabled": wanted == "enable"}})
    elif wanted in _FACTORS:
        await visit.api.patch(path, {"user": {"options": {"multi_factor_auth_rules": _FACTORS[wanted]}}})
    elif wanted == "password":
        await visit.api.patch(path, {"user": {"password": visit.form.get("password", "")}})
    return see("/admin/users", "changed")


async def _create(visit: Visit) -> None:
    order = {
        **visit.chosen("name", "email"),
        "password": visit.form.get("password", ""),
        "domain_id": "default",
    }
    user = (await visit.api.post(USERS, {"user": order}))["user"]
    if project := visit.sent("project"):
        roles = {role["name"]: role["id"] for role in await visit.api.items(ROLES, "roles")}
        await visit.api.call("PUT", f"{ROOT}/{project}/users/{user['id']}/roles/{roles['member']}")


def _row(visit: Visit, one: Document) -> Row:
    key, name, enabled = str(one["id"]), str(one["name"]), bool(one["enabled"])
    cells = (
        Cell(name),
        Cell("enabled" if enabled else "disabled", state=True),
        Cell(one.get("email") or ""),
        Cell(key, code=True),
    )
    if key == visit.session.user_id:
        return Row(cells, key=key)
    if enabled:
        lost = _("%(name)s is signed out everywhere and cannot sign in.", name=name)
        change = Form("disable", _("Disable"), hidden(id=key), _("Disable %(name)s", name=name), lost)
    else:
        change = Form("enable", _("Enable"), hidden(id=key), direct=True)
    field = Field("password", _("New password"), "password")
    password = Form(
        "password", _("New password"), [*hidden(id=key), field], _("New password for %(name)s", name=name)
    )
    lost = _("The user %(name)s is gone; what was made stays in its projects.", name=name)
    return Row(cells, [change, password, _factor_form(one, name), delete_form(key, name, lost)], key)


def _factor_form(one: Document, name: str) -> Form:
    fields = hidden(id=str(one["id"]))
    if one.get("options", {}).get("multi_factor_auth_rules"):
        button = _("Require no code of %(name)s", name=name)
        return Form("no-codes", _("Require no code"), fields, button)
    need = _("%(name)s needs a one-time code at each sign-in, and must have one set up already.", name=name)
    return Form("codes", _("Require a code"), fields, _("Require a code of %(name)s", name=name), about=need)


PAGE = Page("/admin/users", show, act)
