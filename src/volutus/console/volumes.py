"""Volumes: list, create, attach, detach, delete."""

from starlette.responses import Response

from volutus.console.api import ApiProblem, Document, together
from volutus.console.rendering import Page, Renderer, is_busy
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Field,
    Form,
    Listing,
    Row,
    choices,
    delete_form,
    hidden,
    page_of,
    short,
)
from volutus.console.visits import Visit, see

_SERVERS = "/compute/v2.1/servers"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All volumes, with the servers they could be attached to."""
    (volumes, more), servers, images = await together(
        page_of(visit, f"{_root(visit)}/volumes/detail", "volumes"),
        visit.api.items(_SERVERS, "servers", limit=CHOICES_MAX),
        visit.api.items("/image/v2/images", "images", limit=CHOICES_MAX, status="active"),
    )
    names = dict(choices(servers))
    listing = Listing(
        title="Volumes",
        about="Disks of their own: they outlive servers and can be moved from one to another.",
        columns=("Name", "State", "Size", "Attached to"),
        rows=[_row(volume, names) for volume in volumes],
        empty="No volume yet. Create one, then attach it to a server: it appears there as a new disk.",
        command="openstack volume create --size 10 NAME\nopenstack server add volume SERVER VOLUME\n"
        "openstack server remove volume SERVER VOLUME\nopenstack volume delete VOLUME",
        create=[_create_form(visit, images)],
        more=more,
        busy=any(is_busy(volume["status"]) for volume in volumes),
    )
    return renderer.listing(visit, listing)


async def act(_: Renderer, visit: Visit) -> Response:
    """Create, attach, detach or delete."""
    wanted, volume_id, server_id = visit.sent("act"), visit.sent("id"), visit.sent("server")
    if wanted == "create":
        order: Document = {"name": visit.sent("name"), "size": _gib(visit)}
        if visit.sent("image"):
            order["imageRef"] = visit.sent("image")
        await visit.api.post(f"{_root(visit)}/volumes", {"volume": order})
        return see("/volumes", "created")
    if wanted == "attach":
        attachment = {"volumeAttachment": {"volumeId": volume_id}}
        await visit.api.post(f"{_SERVERS}/{server_id}/os-volume_attachments", attachment)
    elif wanted == "detach":
        await visit.api.delete(f"{_SERVERS}/{server_id}/os-volume_attachments/{volume_id}")
    elif wanted == "delete":
        await visit.api.delete(f"{_root(visit)}/volumes/{volume_id}")
        return see("/volumes", "deleted")
    return see("/volumes", "changed")


def _root(visit: Visit) -> str:
    return f"/volume/v3/{visit.session.project_id}"


def _gib(visit: Visit) -> int:
    try:
        return int(visit.sent("size"))
    except ValueError as error:
        raise ApiProblem(400, "The size is a whole number of GiB.", "") from error


def _create_form(visit: Visit, images: list[Document]) -> Form:
    fields = [
        Field("name", "Name", value=visit.sent("name")),
        Field("size", "Size, GiB", "number", visit.sent("size") or "10"),
        Field(
            "image",
            "Filled from",
            "select",
            options=[("", "nothing: an empty disk"), *choices(images)],
            required=False,
        ),
    ]
    return Form(
        "create", "Create a volume", fields, "Create", open=bool(visit.problem and visit.sent("name"))
    )


def _row(volume: Document, servers: dict[str, str]) -> Row:
    key, name = str(volume["id"]), str(volume["name"] or volume["id"])
    attached = [str(one["server_id"]) for one in volume["attachments"]]
    where = Cell(", ".join(servers.get(one, short(one)) for one in attached))
    if attached:
        where = Cell(where.text, f"/servers/{attached[0]}")
    forms = []
    if volume["status"] == "available":
        if servers:
            choice = Field("server", "Server", "select", options=list(servers.items()))
            forms.append(Form("attach", "Attach", [*hidden(id=key), choice], f"Attach {name}"))
        forms.append(delete_form(key, name, f"The volume {name} and all on it are gone for good."))
    elif volume["status"] == "in-use" and attached:
        lost = f"{name} is taken out of the running server. Unmount it there first."
        forms.append(Form("detach", "Detach", hidden(id=key, server=attached[0]), f"Detach {name}", lost))
    elif volume["status"].startswith("error"):
        forms.append(delete_form(key, name, f"The volume {name} and all on it are gone for good."))
    return Row(
        (Cell(name), Cell(volume["status"], state=True), Cell(f"{volume['size']} GiB"), where), forms, key
    )


PAGE = Page("/volumes", show, act)
