"""Ordering a server: image, size, network, key pair, user data."""

import base64
from typing import Any

from starlette.responses import Response

from volutus.console.api import ApiProblem, Document, together
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import CHOICES_MAX
from volutus.console.visits import Visit, see

NEW_KEY = "+new"
_SIZES = ("mhz", "cores", "memory", "disk")


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The form, with what there is to choose from."""
    images, flavors, networks, keys, groups = await together(
        visit.api.items("/image/v2/images", "images", limit=CHOICES_MAX, status="active"),
        visit.api.items("/compute/v2.1/flavors/detail", "flavors", limit=CHOICES_MAX),
        visit.api.items("/network/v2.0/networks", "networks", limit=CHOICES_MAX),
        visit.api.items("/compute/v2.1/os-keypairs", "keypairs", limit=CHOICES_MAX),
        visit.api.items("/network/v2.0/security-groups", "security_groups", limit=CHOICES_MAX),
    )
    values: dict[str, Any] = {
        "images": images,
        "flavors": sorted(flavors, key=lambda flavor: (flavor["ram"], flavor["vcpus"])),
        "networks": [one for one in networks if not one.get("router:external")],
        "keys": [key["keypair"]["name"] for key in keys],
        "groups": sorted({group["name"] for group in groups}),
        "new_key": NEW_KEY,
        "sent": visit.form,
    }
    return renderer.page("server_create.html", visit, **values)


async def act(renderer: Renderer, visit: Visit) -> Response:
    """Order it. A key pair made on the way is shown even if the order is refused: it is kept nowhere."""
    order = _order(visit)
    private_key = ""
    if visit.sent("key") == NEW_KEY:
        name = visit.sent("key_name")
        made = await visit.api.post("/compute/v2.1/os-keypairs", {"keypair": {"name": name}})
        private_key, order["key_name"] = made["keypair"]["private_key"], name
    try:
        server = (await visit.api.post("/compute/v2.1/servers", {"server": order}))["server"]
    except ApiProblem as problem:
        if not private_key:
            raise
        visit.problem = problem
        return key_page(renderer, visit, order["key_name"], private_key, "/servers/new")
    if private_key:
        return key_page(renderer, visit, order["key_name"], private_key, f"/servers/{server['id']}")
    return see(f"/servers/{server['id']}")


def key_page(renderer: Renderer, visit: Visit, name: str, private_key: str, onwards: str) -> Response:
    """The private part of a new key pair, which is kept nowhere."""
    encoded = base64.b64encode(private_key.encode()).decode()
    values: dict[str, Any] = {
        "name": name,
        "private_key": private_key,
        "encoded": encoded,
        "onwards": onwards,
    }
    return renderer.page("key_made.html", visit, **values)


def flavor_of(visit: Visit) -> str:
    """The preset's id, or the name that spells the size. Raises ApiProblem."""
    if visit.sent("size") != "free":
        return visit.sent("flavor")
    try:
        mhz, cores, memory, disk = (int(visit.sent(name) or 0) for name in _SIZES)
    except ValueError as error:
        raise ApiProblem(400, "A size is whole numbers: MHz, cores, MiB and GiB.", "") from error
    return f"{mhz}mhz-{cores}c-{memory}m" + (f"-{disk}g" if disk else "")


def _order(visit: Visit) -> Document:
    order: Document = {
        "name": visit.sent("name"),
        "imageRef": visit.sent("image"),
        "flavorRef": flavor_of(visit),
        "networks": [{"uuid": visit.sent("network")}] if visit.sent("network") else "auto",
    }
    if visit.sent("key") not in ("", NEW_KEY):
        order["key_name"] = visit.sent("key")
    if visit.sent("group"):
        order["security_groups"] = [{"name": visit.sent("group")}]
    if data := visit.form.get("user_data", "").strip():
        # Forms send lines ending in CR LF, of which a script's first line would not be found.
        text = data.replace("\r\n", "\n") + "\n"
        order["user_data"] = base64.b64encode(text.encode()).decode()
    return order


PAGE = Page("/servers/new", show, act)
