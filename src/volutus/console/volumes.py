"""Volumes: create, attach, grow, snapshot, export as an image, delete."""

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.images import ROOT as IMAGES
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
    short,
)
from volutus.console.states import is_busy
from volutus.console.visits import Visit, see

_SERVERS = "/compute/v2.1/servers"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All volumes, with the servers they could be attached to."""
    wanted = {"name": visit.asked("q"), "status": visit.asked("status")}
    (volumes, more), servers, images, types = await together(
        page_of(visit, f"{root(visit)}/volumes/detail", "volumes", **wanted),
        visit.api.items(_SERVERS, "servers", limit=CHOICES_MAX),
        visit.api.items(IMAGES, "images", limit=CHOICES_MAX, status="active"),
        visit.api.items(f"{root(visit)}/types", "volume_types", limit=CHOICES_MAX),
    )
    names = dict(choices(servers))
    states = [("", _("any")), ("available", _("available")), ("in-use", _("in use")), ("error", _("ERROR"))]
    sheet = Sheet(
        title=_("Volumes"),
        about=_("Disks of their own: they outlive servers and can be moved from one to another."),
        tables=[
            Table(
                (_("Name"), _("State"), _("Size"), _("Attached to")),
                [_row(volume, names) for volume in volumes],
                _("No volume yet. Create one, then attach it to a server: it appears there as a new disk."),
                more=more,
                search=Search(_("Name is"), [Field("status", _("State"), "select", options=states)]),
            )
        ],
        command="openstack volume create --size 10 NAME\nopenstack server add volume SERVER VOLUME\n"
        "openstack server remove volume SERVER VOLUME\nopenstack volume set --size 20 VOLUME\n"
        "openstack volume snapshot create --volume VOLUME NAME\n"
        "openstack image create --volume VOLUME NAME\nopenstack volume delete VOLUME",
        create=[_create_form(visit, images, types)],
        busy=any(is_busy(volume["status"]) for volume in volumes),
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Whatever a form of the page asks for."""
    wanted, key, server_id = visit.sent("act"), visit.sent("id"), visit.sent("server")
    path = f"{root(visit)}/volumes/{key}"
    if wanted == "create":
        await visit.api.post(f"{root(visit)}/volumes", {"volume": _order(visit)})
        return see("/volumes", "created")
    if wanted == "attach":
        attachment = {"volumeAttachment": {"volumeId": key}}
        await visit.api.post(f"{_SERVERS}/{server_id}/os-volume_attachments", attachment)
    elif wanted == "detach":
        await visit.api.delete(f"{_SERVERS}/{server_id}/os-volume_attachments/{key}")
    elif wanted == "grow":
        size = visit.number("size", _("Size, GiB"))
        await visit.api.post(f"{path}/action", {"os-extend": {"new_size": size}})
    elif wanted == "snapshot":
        order = {"volume_id": key, "name": visit.sent("name"), "force": True}
        await visit.api.post(f"{root(visit)}/snapshots", {"snapshot": order})
        return see("/snapshots", "created")
    elif wanted == "export":
        order = {"image_name": visit.sent("name"), "disk_format": "qcow2", "force": True}
        await visit.api.post(f"{path}/action", {"os-volume_upload_image": order})
        return see("/images", "created")
    elif wanted == "delete":
        await visit.api.delete(path)
        return see("/volumes", "deleted")
    return see("/volumes", "changed")


def root(visit: Visit) -> str:
    """The project's part of the Block Storage API."""
    return f"/volume/v3/{visit.session.project_id}"


def _order(visit: Visit) -> Document:
    order: Document = {"name": visit.sent("name"), "size": visit.number("size", _("Size, GiB"))}
    if visit.sent("image"):
        order["imageRef"] = visit.sent("image")
    if visit.sent("type"):
        order["volume_type"] = visit.sent("type")
    return order


def _create_form(visit: Visit, images: list[Document], types: list[Document]) -> Form:
    sources = [("", _("nothing: an empty disk")), *choices(images)]
    kinds = [("", _("the usual one")), *[(one["name"], one["name"]) for one in types]]
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("size", _("Size, GiB"), "number", visit.sent("size") or "10", bounds=(1, None)),
        Field("image", _("Filled from"), "select", visit.sent("image"), options=sources, required=False),
        Field("type", _("Kind of storage"), "select", visit.sent("type"), options=kinds, required=False),
    ]
    opened = bool(visit.problem and visit.sent("act") == "create")
    return Form("create", _("Create a volume"), fields, _("Create"), open=opened)


def _row(volume: Document, servers: dict[str, str]) -> Row:
    key, name = str(volume["id"]), str(volume["name"] or volume["id"])
    attached = [str(one["server_id"]) for one in volume["attachments"]]
    where = Cell(", ".join(servers.get(one, short(one)) for one in attached))
    if attached:
        where = Cell(where.text, f"/servers/{attached[0]}")
    status = str(volume["status"])
    forms = []
    lost = _("The volume %(name)s and all on it are gone for good.", name=name)
    if status == "available":
        if servers:
            choice = Field("server", _("Server"), "select", options=list(servers.items()))
            forms.append(
                Form("attach", _("Attach"), [*hidden(id=key), choice], _("Attach %(name)s", name=name))
            )
        forms.append(_grow_form(volume, name))
    if status in ("available", "in-use"):
        forms += _copy_forms(key, name)
    if status == "in-use" and attached:
        taken = _("%(name)s is taken out of the running server. Unmount it there first.", name=name)
        fields = hidden(id=key, server=attached[0])
        forms.append(Form("detach", _("Detach"), fields, _("Detach %(name)s", name=name), taken))
    if status == "available" or status.startswith("error"):
        forms.append(delete_form(key, name, lost))
    size = Cell(f"{volume['size']} GiB", number=True)
    return Row((Cell(name), Cell(status, state=True), size, where), forms, key)


def _grow_form(volume: Document, name: str) -> Form:
    size = int(volume["size"])
    field = Field("size", _("Size, GiB"), "number", str(size + 1), bounds=(size + 1, None))
    return Form("grow", _("Grow"), [*hidden(id=str(volume["id"])), field], _("Grow %(name)s", name=name))


def _copy_forms(key: str, name: str) -> list[Form]:
    """A copy within the cloud, and one to take away."""
    snapshot = Field("name", _("Name"), value=f"{name}-snapshot")
    export = Field("name", _("Name of the image"), value=f"{name}-export", hint=_("Download it from there."))
    return [
        Form(
            "snapshot",
            _("Snapshot"),
            [*hidden(id=key), snapshot],
            _("Take a snapshot of %(name)s", name=name),
        ),
        Form("export", _("Export"), [*hidden(id=key), export], _("Export %(name)s as an image", name=name)),
    ]


PAGE = Page("/volumes", show, act)
