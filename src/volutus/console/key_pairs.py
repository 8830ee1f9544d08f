"""Key pairs: bring the public key of one's own, or have a pair made."""

from urllib.parse import quote

from starlette.responses import Response

from volutus.console.api import Document
from volutus.console.language import _
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import (
    PAGE_ROWS,
    Cell,
    Field,
    Form,
    Row,
    Sheet,
    Table,
    data_address,
    delete_form,
)
from volutus.console.visits import Visit, see

ROOT = "/compute/v2.1/os-keypairs"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The user's key pairs."""
    found = await visit.api.items(ROOT, "keypairs", limit=PAGE_ROWS + 1, marker=visit.asked("marker"))
    pairs = [one["keypair"] for one in found[:PAGE_ROWS]]
    more = visit.with_query(marker=pairs[-1]["name"]) if len(found) > PAGE_ROWS else ""
    name = Field("name", _("Name"), value=visit.sent("name"))
    hint = _("The line of a file such as %(file)s", file="id_ed25519.pub")
    key = Field("public_key", _("Public key"), "area", visit.sent("public_key"), hint)
    importing = bool(visit.problem and visit.sent("act") == "import")
    sheet = Sheet(
        title=_("Key pairs"),
        about=_("You log in to servers with the private part; the cloud keeps only the public one."),
        tables=[
            Table(
                (_("Name"), _("Kind"), _("Fingerprint")),
                [_row(pair) for pair in pairs],
                _("No key pair yet. Make one, or bring the public key you already use."),
                more=more,
            )
        ],
        command="openstack keypair create NAME > NAME.pem\n"
        "openstack keypair create --public-key ~/.ssh/id_ed25519.pub NAME\nopenstack keypair delete NAME",
        create=[
            Form("make", _("Make a key pair"), [name], _("Make")),
            Form("import", _("Bring a public key"), [name, key], _("Import"), open=importing),
        ],
    )
    return renderer.sheet(visit, sheet)


async def act(renderer: Renderer, visit: Visit) -> Response:
    """Make, import or delete one."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{ROOT}/{quote(visit.sent('id'), safe='')}")
        return see("/key-pairs", "deleted")
    order = {"name": visit.sent("name")}
    if visit.sent("act") == "import":
        order["public_key"] = visit.sent("public_key")
    made = (await visit.api.post(ROOT, {"keypair": order}))["keypair"]
    if "private_key" in made:
        return made_page(renderer, visit, made, "/key-pairs")
    return see("/key-pairs", "created")


def made_page(renderer: Renderer, visit: Visit, pair: Document, onwards: str) -> Response:
    """The private part of a new key pair, which is kept nowhere."""
    name, private_key = str(pair["name"]), str(pair["private_key"])
    download = data_address(private_key, "application/x-pem-file")
    return renderer.page(
        "key_made.html", visit, name=name, private_key=private_key, download=download, onwards=onwards
    )


def _row(pair: Document) -> Row:
    name = str(pair["name"])
    lost = _("New servers cannot have %(name)s; those that have it keep it.", name=name)
    cells = (Cell(name), Cell(str(pair.get("type", "ssh"))), Cell(pair["fingerprint"], code=True))
    return Row(cells, [delete_form(name, name, lost)], quote(name, safe=""))


PAGE = Page("/key-pairs", show, act)
