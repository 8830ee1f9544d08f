"""Images: what servers start from. Brought from one's own disk, downloaded, deleted."""

from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from volutus.console.api import Document
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    Cell,
    Field,
    Form,
    Link,
    Row,
    Search,
    Sheet,
    Table,
    delete_form,
    hidden,
    moment,
    page_of,
    size_shown,
)
from volutus.console.states import is_busy
from volutus.console.visits import Visit, see

ROOT = "/image/v2/images"
_FORMATS = ("qcow2", "raw", "iso", "vmdk", "vdi", "vhd")


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The project's images, and those all may use."""
    query = {"visibility": visit.asked("visibility")}
    if text := visit.asked("q"):
        query["name"] = text
    images, more = await page_of(visit, ROOT, "images", **query)
    kinds = [("", _("any")), ("private", _("own")), ("public", _("public")), ("shared", _("shared"))]
    search = Search(_("Name is"), [Field("visibility", _("Who sees it"), "select", options=kinds)])
    sheet = Sheet(
        title=_("Images"),
        about=_("Disks that new servers and volumes start with a copy of. Bring your own, take any away."),
        tables=[
            Table(
                (_("Name"), _("State"), _("Size"), _("Who sees it"), _("Created")),
                [_row(visit, image) for image in images],
                _("No image fits. Upload one from your disk."),
                more=more,
                search=search,
            )
        ],
        command="openstack image create --disk-format qcow2 --file disk.qcow2 NAME\nopenstack image list\n"
        "openstack image save --file disk.qcow2 IMAGE\nopenstack image delete IMAGE",
        busy=any(is_busy(image["status"]) for image in images),
    )
    values: dict[str, Any] = {"formats": [(one, one) for one in _FORMATS], "sent": visit.form}
    return renderer.page("images.html", visit, busy=sheet.busy, sheet=sheet, **values)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Begin an upload, rename or delete one."""
    wanted, path = visit.sent("act"), f"{ROOT}/{visit.sent('id')}"
    if wanted == "create":
        order = {
            "name": visit.sent("name"),
            "disk_format": visit.sent("format"),
            "container_format": "bare",
            "visibility": "private",
        }
        made = await visit.api.post(ROOT, order)
        # The page's script goes on to send the data.
        if visit.request.headers.get("accept") == "application/json":
            return JSONResponse({"id": made["id"]})
        return see("/images", "created")
    if wanted == "delete":
        await visit.api.delete(path)
        return see("/images", "deleted")
    if wanted == "rename":
        await visit.api.change(path, [{"op": "replace", "path": "/name", "value": visit.sent("name")}])
    return see("/images", "changed")


def _row(visit: Visit, image: Document) -> Row:
    key, name = str(image["id"]), str(image.get("name") or image["id"])
    cells = (
        Cell(name),
        Cell(image["status"], state=True),
        Cell(size_shown(image.get("size")), number=True),
        Cell(_visibility(image["visibility"])),
        moment(image["created_at"]),
    )
    forms, links = [], []
    if image["status"] == "active":
        file = f"{name}.{image.get('disk_format') or 'img'}"
        links.append(Link(f"/images/{key}/file?as={quote(file)}", _("Download"), download=file))
    if image.get("owner") == visit.session.project_id and not image.get("protected"):
        field = Field("name", _("Name"), value=name)
        forms.append(Form("rename", _("Rename"), [*hidden(id=key), field], _("Rename %(name)s", name=name)))
        lost = _("No new server can start from %(name)s; those that run keep their disks.", name=name)
        forms.append(delete_form(key, name, lost))
    return Row(cells, forms, key, links)


def _visibility(word: str) -> str:
    names = {"private": _("own"), "public": _("public"), "shared": _("shared"), "community": _("community")}
    return names.get(word, word)


PAGE = Page("/images", show, act)
