"""Images: what servers start from. They are uploaded by API; here they are seen and deleted."""

from starlette.responses import Response

from volutus.console.api import Document
from volutus.console.rendering import Page, Renderer, is_busy
from volutus.console.shapes import Cell, Listing, Row, delete_form, page_of, when
from volutus.console.visits import Visit, see

_ROOT = "/image/v2/images"
_MIB = 1 << 20


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The project's images, and those all may use."""
    images, more = await page_of(visit, _ROOT, "images")
    listing = Listing(
        title="Images",
        about="Disks that new servers and volumes start with a copy of. To bring your own, upload it by API.",
        columns=("Name", "State", "Size", "Who sees it", "Created"),
        rows=[_row(visit, image) for image in images],
        empty="No image yet. Upload one: openstack image create --disk-format qcow2 --file disk.qcow2 NAME",
        command="openstack image create --disk-format qcow2 --file disk.qcow2 NAME\nopenstack image list\n"
        "openstack image delete IMAGE",
        more=more,
        busy=any(is_busy(image["status"]) for image in images),
    )
    return renderer.listing(visit, listing)


async def act(_: Renderer, visit: Visit) -> Response:
    """Delete one."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{_ROOT}/{visit.sent('id')}")
    return see("/images", "deleted")


def _row(visit: Visit, image: Document) -> Row:
    key, name = str(image["id"]), str(image.get("name") or image["id"])
    size = f"{image['size'] / _MIB:,.0f} MiB" if image.get("size") else ""
    cells = (
        Cell(name),
        Cell(image["status"], state=True),
        Cell(size),
        Cell(image["visibility"]),
        Cell(when(image["created_at"])),
    )
    mine = image.get("owner") == visit.session.project_id and not image.get("protected")
    lost = f"No new server can start from {name}; those that run keep their disks."
    return Row(cells, [delete_form(key, name, lost)] if mine else (), key)


PAGE = Page("/images", show, act)
