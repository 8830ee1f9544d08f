"""Backups of volumes: copies that outlive the volume they were made of."""

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
    (backups, more), volumes = await together(
        page_of(visit, f"{root(visit)}/backups/detail", "backups"),
        visit.api.items(f"{root(visit)}/volumes/detail", "volumes", limit=CHOICES_MAX),
    )
    sheet = Sheet(
        title=_("Backups"),
        about=_("A copy of a volume kept apart from it: it stays when the volume is deleted or lost."),
        tables=[
            Table(
                (_("Name"), _("State"), _("Size"), _("Volume"), _("Kind"), _("Created")),
                [_row(one, volumes) for one in backups],
                _("No backup yet. Create one of a volume; restore it to a new volume at any time."),
                more=more,
            )
        ],
        command="openstack volume backup create --name NAME VOLUME\nopenstack volume backup list\n"
        "openstack volume backup restore BACKUP VOLUME\nopenstack volume backup delete BACKUP",
        create=[_create_form(visit, volumes)] if volumes else [],
        busy=any(is_busy(one["status"]) for one in backups),
    )
    return renderer.sheet(visit, sheet)


async def act(_renderer: Renderer, visit: Visit) -> Response:
    """Make one, bring one back, or delete it."""
    wanted, path = visit.sent("act"), f"{root(visit)}/backups/{visit.sent('id')}"
    if wanted == "create":
        order: Document = {"name": visit.sent("name"), "volume_id": visit.sent("volume"), "force": True}
        order["incremental"] = visit.sent("incremental") == "yes"
        await visit.api.post(f"{root(visit)}/backups", {"backup": order})
        return see("/backups", "created")
    if wanted == "restore":
        await visit.api.post(f"{path}/restore", {"restore": {"name": visit.sent("name")}})
        return see("/volumes", "created")
    if wanted == "over":
        await visit.api.post(f"{path}/restore", {"restore": {"volume_id": visit.sent("volume")}})
        return see("/volumes", "changed")
    if wanted == "delete":
        await visit.api.delete(path)
    return see("/backups", "deleted")


def _create_form(visit: Visit, volumes: list[Document]) -> Form:
    hint = _("Only what changed since the newest backup of the same volume")
    fields = [
        Field("name", _("Name"), value=visit.sent("name")),
        Field("volume", _("Volume"), "select", visit.sent("volume"), options=choices(volumes)),
        Field("incremental", _("Incremental"), "checkbox", visit.sent("incremental"), hint, required=False),
    ]
    return Form("create", _("Create a backup"), fields, _("Create"), open=bool(visit.problem))


def _row(one: Document, volumes: list[Document]) -> Row:
    key, name = str(one["id"]), str(one["name"] or one["id"])
    volume_id = str(one["volume_id"])
    cells = (
        Cell(name),
        Cell(one["status"], state=True),
        Cell(f"{one['size']} GiB", number=True),
        Cell(dict(choices(volumes)).get(volume_id, short(volume_id))),
        Cell(_("incremental") if one["is_incremental"] else _("full copy")),
        moment(one["created_at"]),
    )
    forms = _restore_forms(one, key, name, volumes) if one["status"] == "available" else []
    if not is_busy(one["status"]):
        lost = _("The backup %(name)s is gone for good; its volume stays.", name=name)
        forms.append(delete_form(key, name, lost))
    return Row(cells, forms, key)


def _restore_forms(one: Document, key: str, name: str, volumes: list[Document]) -> list[Form]:
    field = Field("name", _("Name of the volume"), value=f"{name}-volume")
    button = _("Restore %(name)s to a new volume", name=name)
    forms = [Form("restore", _("New volume"), [*hidden(id=key), field], button)]
    fitting = [each for each in volumes if each["status"] == "available" and each["size"] >= one["size"]]
    if fitting:
        choice = Field("volume", _("Volume"), "select", options=choices(fitting))
        lost = _("All that is on the chosen volume is replaced by what %(name)s has.", name=name)
        button = _("Overwrite it with %(name)s", name=name)
        forms.append(Form("over", _("Restore"), [*hidden(id=key), choice], button, danger=lost))
    return forms


PAGE = Page("/backups", show, act)
