"""Key pairs: bring the public key of one's own, or have a pair made."""

from urllib.parse import quote

from starlette.responses import Response

from volutus.console.api import Document
from volutus.console.rendering import Page, Renderer
from volutus.console.server_create import key_page
from volutus.console.shapes import PAGE_ROWS, Cell, Field, Form, Listing, Row, delete_form
from volutus.console.visits import Visit, see

_ROOT = "/compute/v2.1/os-keypairs"


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The user's key pairs."""
    found = await visit.api.items(_ROOT, "keypairs", limit=PAGE_ROWS + 1, marker=visit.asked("marker"))
    pairs = [one["keypair"] for one in found[:PAGE_ROWS]]
    more = visit.with_query(marker=pairs[-1]["name"]) if len(found) > PAGE_ROWS else ""
    name = Field("name", "Name", value=visit.sent("name"))
    key = Field(
        "public_key",
        "Public key",
        "area",
        visit.sent("public_key"),
        "The line of a file such as id_ed25519.pub",
    )
    importing = bool(visit.problem and visit.sent("act") == "import")
    listing = Listing(
        title="Key pairs",
        about="You log in to servers with the private part; the cloud keeps only the public one.",
        columns=("Name", "Kind", "Fingerprint"),
        rows=[_row(pair) for pair in pairs],
        empty="No key pair yet. Make one, or bring the public key you already use.",
        command="openstack keypair create NAME > NAME.pem\n"
        "openstack keypair create --public-key ~/.ssh/id_ed25519.pub NAME\nopenstack keypair delete NAME",
        create=[
            Form("make", "Make a key pair", [name], "Make"),
            Form("import", "Bring a public key", [name, key], "Import", open=importing),
        ],
        more=more,
    )
    return renderer.listing(visit, listing)


async def act(renderer: Renderer, visit: Visit) -> Response:
    """Make, import or delete one."""
    if visit.sent("act") == "delete":
        await visit.api.delete(f"{_ROOT}/{quote(visit.sent('id'), safe='')}")
        return see("/key-pairs", "deleted")
    order = {"name": visit.sent("name")}
    if visit.sent("act") == "import":
        order["public_key"] = visit.sent("public_key")
    made = (await visit.api.post(_ROOT, {"keypair": order}))["keypair"]
    if "private_key" in made:
        return key_page(renderer, visit, order["name"], made["private_key"], "/key-pairs")
    return see("/key-pairs", "created")


def _row(pair: Document) -> Row:
    name = str(pair["name"])
    lost = f"New servers cannot have {name}; those that have it keep it."
    cells = (Cell(name), Cell(str(pair.get("type", "ssh"))), Cell(pair["fingerprint"], code=True))
    return Row(cells, [delete_form(name, name, lost)], quote(name, safe=""))


PAGE = Page("/key-pairs", show, act)
