"""Application credentials: how programs sign in as their user in one project, without the password. A new one
comes with a `clouds.yaml` that is ready to use."""

import json
from typing import Any

from starlette.responses import Response

from volutus.console.api import Document
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import Cell, Field, Form, Row, Sheet, Table, data_address, delete_form, when
from volutus.console.visits import Visit, see


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The user's credentials in all projects."""
    found = await visit.api.items(_root(visit), "application_credentials")
    roles = ", ".join(visit.session.roles)
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("description", _("What it is for"), value=visit.sent("description"), required=False),
        Field("expires", _("Ends on"), "date", visit.sent("expires"), required=False),
    ]
    about = _(
        "Programs sign in with these: as you, in one project, with these roles: %(roles)s.", roles=roles
    )
    opened = bool(visit.problem and visit.sent("act") == "create")
    sheet = Sheet(
        title=_("Application credentials"),
        about=about,
        tables=[
            Table(
                (_("Name"), _("What it is for"), _("Ends"), _("Id")),
                [_row(one) for one in found],
                _("No application credential yet. Create one and download its clouds.yaml."),
            )
        ],
        command="openstack application credential create NAME\nopenstack application credential list\n"
        "openstack application credential delete NAME",
        create=[Form("create", _("Create a credential"), fields, _("Create"), open=opened)],
    )
    return renderer.sheet(visit, sheet)


async def act(renderer: Renderer, visit: Visit) -> Response:
    """Create or delete one."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{_root(visit)}/{visit.sent('id')}")
        return see("/application-credentials", "deleted")
    order: Document = visit.chosen("name", "description")
    if visit.sent("expires"):
        order["expires_at"] = f"{visit.sent('expires')}T00:00:00.000000"
    made = (await visit.api.post(_root(visit), {"application_credential": order}))["application_credential"]
    clouds = _clouds(visit, made)
    values: dict[str, Any] = {
        "credential": made,
        "clouds": clouds,
        "download": data_address(clouds, "application/yaml"),
    }
    return renderer.page("credential_made.html", visit, **values)


def _row(one: Document) -> Row:
    key, name = str(one["id"]), str(one["name"])
    lost = _("Programs that sign in with %(name)s can do so no more.", name=name)
    ends = when(one["expires_at"]) or _("never")
    cells = (Cell(name), Cell(one["description"] or ""), Cell(ends), Cell(key, code=True))
    return Row(cells, [delete_form(key, name, lost)], key)


def _clouds(visit: Visit, made: Document) -> str:
    """A client's file; of what is in it a region's name alone may need quoting, which JSON's is."""
    url = visit.request.url
    return (
        "clouds:\n  volutus:\n    auth_type: v3applicationcredential\n    auth:\n"
        f"      auth_url: {url.scheme}://{url.netloc}/identity/v3\n"
        f'      application_credential_id: "{made["id"]}"\n'
        f'      application_credential_secret: "{made["secret"]}"\n'
        f"    region_name: {json.dumps(visit.region)}\n"
    )


def _root(visit: Visit) -> str:
    return f"/identity/v3/users/{visit.session.user_id}/application_credentials"


PAGE = Page("/application-credentials", show, act)
