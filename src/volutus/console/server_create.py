"""Ordering a server: image, size, network, key pair, user data; the price follows what is chosen."""

import base64
import shlex
from math import ceil
from typing import Any

from starlette.responses import Response

from volutus.console import key_pairs, quotes, traffic
from volutus.console.api import ApiProblem, Document, together
from volutus.console.images import ROOT as IMAGES
from volutus.console.language import _
from volutus.console.networks import ROOT as NETWORKS
from volutus.console.rendering import Page, Renderer
from volutus.console.servers import ROOT
from volutus.console.shapes import CHOICES_MAX
from volutus.console.visits import Visit, see

NEW_KEY = "+new"
_FLAVORS = "/compute/v2.1/flavors"
_SIZES = ("mhz", "cores", "memory", "disk")
_GIB = 1 << 30
_MIB_PER_GIB = 1024


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The form, with what there is to choose from."""
    images, flavors, networks, keys, groups, caps = await together(
        visit.api.items(IMAGES, "images", limit=CHOICES_MAX, status="active"),
        visit.api.items(f"{_FLAVORS}/detail", "flavors", limit=CHOICES_MAX),
        visit.api.items(NETWORKS, "networks", limit=CHOICES_MAX),
        visit.api.items(key_pairs.ROOT, "keypairs", limit=CHOICES_MAX),
        visit.api.items("/network/v2.0/security-groups", "security_groups", limit=CHOICES_MAX),
        traffic.caps(visit.api),
    )
    flavors = sorted(flavors, key=lambda flavor: (flavor["ram"], flavor["vcpus"]))
    values: dict[str, Any] = {
        "images": images,
        "flavors": flavors,
        "networks": [one for one in networks if not one.get("router:external")],
        "keys": [key["keypair"]["name"] for key in keys],
        "groups": sorted({group["name"] for group in groups}),
        "new_key": NEW_KEY,
        "sent": visit.form,
        "sliders": sliders(),
        "traffic": traffic.fields(caps, visit),
        "price": await _price(visit, flavors, images, caps),
        "command": _command(visit, images, flavors, networks),
    }
    return renderer.page("server_create.html", visit, **values)


async def act(renderer: Renderer, visit: Visit) -> Response:
    """Order it. A key pair made on the way is shown even if the order is refused: it is kept nowhere."""
    order = _order(visit)
    pair: Document = {}
    if visit.sent("key") == NEW_KEY:
        name = visit.sent("key_name")
        pair = (await visit.api.post(key_pairs.ROOT, {"keypair": {"name": name}}))["keypair"]
        order["key_name"] = name
    try:
        server = (await visit.api.post(ROOT, {"server": order}))["server"]
        await _pay_for_traffic(visit, str(server["id"]))
    except ApiProblem as problem:
        if not pair:
            raise
        visit.problem = problem
        return key_pairs.made_page(renderer, visit, pair, "/servers/new")
    if pair:
        return key_pairs.made_page(renderer, visit, pair, f"/servers/{server['id']}")
    return see(f"/servers/{server['id']}")


async def show_nothing(_renderer: Renderer, _visit: Visit) -> Response:
    """The price alone is no page."""
    return see("/servers/new")


async def act_price(renderer: Renderer, visit: Visit) -> Response:
    """What is chosen now would cost that, and a new server is ordered so by API."""
    flavors, images, networks, caps = await together(
        visit.api.items(f"{_FLAVORS}/detail", "flavors", limit=CHOICES_MAX),
        visit.api.items(IMAGES, "images", limit=CHOICES_MAX, status="active"),
        visit.api.items(NETWORKS, "networks", limit=CHOICES_MAX),
        traffic.caps(visit.api),
    )
    price = await _price(visit, flavors, images, caps)
    if not visit.sent("image"):
        return renderer.page("price.html", visit, price=price)
    command = _command(visit, images, flavors, networks)
    return renderer.page("order.html", visit, price=price, command=command)


def flavor_of(visit: Visit) -> str:
    """The preset's id, or the name that spells the size. Raises ApiProblem."""
    if visit.sent("size") != "free":
        return visit.sent("flavor")
    return spelled_flavor(visit)


def spelled_flavor(visit: Visit) -> str:
    """The name of a flavor that spells the sizes of the form. Raises ApiProblem."""
    mhz, cores, memory, disk = _sizes(visit)
    return f"{mhz}mhz-{cores}c-{memory}m" + (f"-{disk}g" if disk else "")


def _sizes(visit: Visit) -> tuple[int, ...]:
    try:
        return tuple(int(visit.sent(name) or 0) for name in _SIZES)
    except ValueError as error:
        raise ApiProblem(400, _("A size is whole numbers: MHz, cores, MiB and GiB."), "") from error


def sliders() -> list[tuple[str, str, int, int, int, int]]:
    """Name, label, least, most, step and preset; more than a slider's most can be typed."""
    return [
        ("mhz", _("CPU, MHz"), 100, 32000, 100, 1000),
        ("cores", _("Cores"), 1, 32, 1, 1),
        ("memory", _("Memory, MiB"), 128, 65536, 128, 512),
        ("disk", _("Disk, GiB"), 0, 500, 1, 2),
    ]


async def _pay_for_traffic(visit: Visit, server_id: str) -> None:
    try:
        await traffic.order(visit, server_id, new=True)
    except ApiProblem:
        # What was ordered is a server with that traffic, not one with another.
        await visit.api.delete(f"{ROOT}/{server_id}")
        raise


def local_gib(ephemeral_gib: int | None, swap_mib: int | str | None) -> int:
    """What a flavor's ephemeral disk and swap are charged as, as the API tells of either."""
    return int(ephemeral_gib or 0) + ceil(int(swap_mib or 0) / _MIB_PER_GIB)


async def _price(
    visit: Visit, flavors: list[Document], images: list[Document], caps: list[traffic.Cap]
) -> Document | None:
    """The quote for what the form has, or for what it begins with; None while it is incomplete."""
    image = next((one for one in images if one["id"] == visit.sent("image")), images[0] if images else {})
    local = 0
    if visit.sent("size") == "free":
        try:
            mhz, _cores, memory, disk = _sizes(visit)
        except ApiProblem:
            return None
    else:
        chosen = visit.sent("flavor")
        flavor = next((one for one in flavors if one["id"] == chosen), flavors[0] if flavors else {})
        specs = flavor.get("extra_specs") or {}
        mhz, memory, disk = int(specs.get("volutus:mhz", 0)), flavor.get("ram", 0), flavor.get("disk", 0)
        local = local_gib(flavor.get("OS-FLV-EXT-DATA:ephemeral"), flavor.get("swap"))
    least = max(int(image.get("min_disk") or 0), ceil(int(image.get("virtual_size") or 0) / _GIB))
    amounts = {"cpu_mhz": mhz, "memory_mib": memory, "storage_gib": (disk or least) + local}
    more, bounds = traffic.quoted(visit, caps)
    return await quotes.quote(visit, amounts | more, **bounds)


def _command(visit: Visit, images: list[Document], flavors: list[Document], networks: list[Document]) -> str:
    """The order as it is typed for the API; until something is chosen, what the form begins with."""
    try:
        flavor = spelled_flavor(visit) if visit.sent("size") == "free" else ""
    except ApiProblem:
        flavor = "MHZmhz-CORESc-MEMORYm-DISKg"
    inside = [one for one in networks if not one.get("router:external")]
    new = visit.sent("key") == NEW_KEY
    words = {
        "--image": _name(images, visit.sent("image")),
        "--flavor": flavor or _name(flavors, visit.sent("flavor")),
        "--network": _name(inside, visit.sent("network")),
        "--security-group": visit.sent("group"),
        "--key-name": visit.sent("key_name") if new else visit.sent("key"),
        "--user-data": "FILE" if visit.sent("user_data") else "",
    }
    said = "".join(f" {word} {shlex.quote(value)}" for word, value in words.items() if value)
    key = shlex.quote(visit.sent("key_name"))
    first = f"openstack keypair create {key} > {key}.pem\n" if new else ""
    return f"{first}openstack server create{said} {shlex.quote(visit.sent('name') or 'NAME')}"


def _name(found: list[Document], key: str) -> str:
    """What a client may call one of them: its name if no other has it."""
    one = next((one for one in found if one["id"] == key), found[0] if found else {})
    name = one.get("name")
    alone = sum(other.get("name") == name for other in found) == 1
    return str(name if name and alone else one.get("id", ""))


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


PAGES = (Page("/servers/new", show, act), Page("/servers/price", show_nothing, act_price))
