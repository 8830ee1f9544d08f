"""Snapshots of volumes: what a volume was at a time; a new volume can begin as it."""

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    CHOICES_MAX,
    Cell,
    Field,
    Form,
    Row,
    Sheet,
    Table,
    choices,
    delete_form,
    hidden,
    moment,
    page_of,
    short,
)
from volutus.console.states import is_busy
from volutus.console.visits import Visit, see
from volutus.console.volumes import root


async def show(renderer: Renderer, visit: Visit) -> Response:
    """All of the project."""
    (snapshots, more), volumes = await together(
        page_of(visit, f"{root(visit)}/snapshots/detail", "snapshots"),
        visit.api.items(f"{root(visit)}/volumes", "volumes", limit=CHOICES_MAX),
    )
    names = dict(choices(volumes))
    sheet = Sheet(
        title=_("Snapshots"),
        about=_("A volume as it was at one moment. A new volume can begin as it."),
        tables=[
            Table(
                (_("Name"), _("State"), _("Size"), _("Volume"), _("Created")),
                [_row(one, names) for one in snapshots],
                _("No snapshot yet. Take one of a volume, on the page of volumes."),
                more=more,
            )
        ],
        command="openstack volume snapshot create --volume VOLUME NAME\nopenstack volume snapshot list\n"
        "openstack volume create --snapshot SNAPSHOT NAME\nopenstack volume snapshot delete SNAPSHOT",
        busy=any(is_busy(one["status"]) for one in snapshots),
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Make a volume of one, or delete it."""
    wanted, key = visit.sent("act"), visit.sent("id")
    if wanted == "volume":
        order = {"name": visit.sent("name"), "snapshot_id": key}
        await visit.api.post(f"{root(visit)}/volumes", {"volume": order})
        return see("/volumes", "created")
    if wanted == "delete":
        await visit.api.delete(f"{root(visit)}/snapshots/{key}")
    return see("/snapshots", "deleted")


def _row(one: Document, names: dict[str, str]) -> Row:
    key, name = str(one["id"]), str(one["name"] or one["id"])
    volume_id = str(one["volume_id"])
    cells = (
        Cell(name),
        Cell(one["status"], state=True),
        Cell(f"{one['size']} GiB", number=True),
        Cell(names.get(volume_id, short(volume_id)), "/volumes"),
        moment(one["created_at"]),
    )
    field = Field("name", _("Name of the volume"), value=f"{name}-volume")
    button = _("Make a volume of %(name)s", name=name)
    lost = _("The snapshot %(name)s is gone for good; its volume stays.", name=name)
    forms = [Form("volume", _("New volume"), [*hidden(id=key), field], button), delete_form(key, name, lost)]
    return Row(cells, forms, key)


PAGE = Page("/snapshots", show, act)
