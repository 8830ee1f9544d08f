"""Flavors, their extra specs and who may use them."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from volutus import compute
from volutus.compute.flavors import Flavor, FlavorFilter
from volutus.db import Page, SortKey
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document, empty, next_links, parse_page
from volutus.http.kernel.bodies import decode
from volutus.http.openstack.compute import schemas, views

V2_55 = Version(2, 55)
V2_61 = Version(2, 61)
V2_75 = Version(2, 75)
V2_102 = Version(2, 102)
# The column's bound; nothing real comes near.
_NUMBER_MAX = 2**31 - 1
_ID = re.compile(r"[a-zA-Z0-9. _-]*")
_SPEC = re.compile(r"[\w\-.: ]{1,255}")


class FlavorBody(Struct, forbid_unknown_fields=True):
    name: schemas.Name
    ram: schemas.Number
    vcpus: schemas.Number
    disk: schemas.Number
    id: str | int | None = None
    swap: schemas.Number | None = None
    ephemeral: schemas.Number | None = msgspec.field(name="OS-FLV-EXT-DATA:ephemeral", default=None)
    rxtx_factor: float | str | None = None
    is_public: schemas.Flag | None = msgspec.field(name="os-flavor-access:is_public", default=None)
    description: Annotated[str, Meta(max_length=65535)] | None = None


class CreateBody(Struct, forbid_unknown_fields=True):
    flavor: FlavorBody


class Description(Struct, forbid_unknown_fields=True):
    description: Annotated[str, Meta(max_length=65535)] | None


class UpdateBody(Struct, forbid_unknown_fields=True):
    flavor: Description


class SpecsBody(Struct, forbid_unknown_fields=True):
    extra_specs: dict[str, str | int | float]


def index(request: Request) -> Response:
    """The short list."""
    return _list(request, _brief)


def detail(request: Request) -> Response:
    """The long list."""
    return _list(request, _view)


def show(request: Request) -> Response:
    """One flavor, stored or spelled by its name."""
    flavor = compute.flavors.get(request.tx, request.caller, request.params["id"])
    return document({"flavor": _view(request, flavor)})


def create(request: Request) -> Response:
    """A new flavor."""
    body = request.read(CreateBody).flavor
    if body.description is not None and request.microversion < V2_55:
        raise Invalid("A flavor has a description since version 2.55.", field="description")
    if body.rxtx_factor is not None and request.microversion >= V2_102:
        raise Invalid("A flavor has no rxtx_factor since version 2.102.", field="rxtx_factor")
    flavor_id = str(body.id) if body.id not in (None, "", "auto") else request.tx.ids.uuid()
    if not _ID.fullmatch(flavor_id) or flavor_id != flavor_id.strip() or len(flavor_id) > 255:
        raise Invalid(f"Invalid input for field/attribute id. Value: {flavor_id}.", field="id")
    wanted = Flavor(
        id=flavor_id,
        name=schemas.name_of(body.name, "name"),
        cores=_number(body.vcpus, "vcpus", 1),
        memory_mib=_number(body.ram, "ram", 1),
        disk_gib=_number(body.disk, "disk"),
        ephemeral_gib=_number(body.ephemeral or 0, "OS-FLV-EXT-DATA:ephemeral"),
        swap_mib=_number(body.swap or 0, "swap"),
        rxtx_factor=_factor(body.rxtx_factor),
        is_public=schemas.flag(body.is_public, "os-flavor-access:is_public", default=True),
        description=body.description,
    )
    made = compute.flavors.create(request.tx, request.caller, wanted)
    return document({"flavor": _view(request, made)})


def update(request: Request) -> Response:
    """Describe a flavor."""
    if request.microversion < V2_55:
        raise NotFound("The resource could not be found.")
    body = request.read(UpdateBody).flavor
    changed = compute.flavors.set_description(
        request.tx, request.caller, request.params["id"], body.description
    )
    return document({"flavor": _view(request, changed)})


def delete(request: Request) -> Response:
    """Remove a flavor."""
    compute.flavors.remove(request.tx, request.caller, request.params["id"])
    return empty()


def extra_specs(request: Request) -> Response:
    """All extra specs."""
    flavor = compute.flavors.get(request.tx, request.caller, request.params["id"])
    return document({"extra_specs": flavor.extra_specs})


def create_extra_specs(request: Request) -> Response:
    """Add or change extra specs."""
    specs = _specs(request.read(SpecsBody).extra_specs)
    compute.flavors.set_extra_specs(request.tx, request.caller, request.params["id"], specs)
    return document({"extra_specs": specs})


def extra_spec(request: Request) -> Response:
    """One extra spec."""
    key = request.params["key"]
    flavor = compute.flavors.get(request.tx, request.caller, request.params["id"])
    if key not in flavor.extra_specs:
        raise NotFound(f"Flavor {flavor.id} has no extra specs with key {key}.")
    return document({key: flavor.extra_specs[key]})


def set_extra_spec(request: Request) -> Response:
    """Change one extra spec, named by both path and body."""
    key = request.params["key"]
    specs = _specs(decode(request.body, dict[str, str | int | float]))
    if set(specs) != {key}:
        raise Invalid("Request body and URI mismatch", field=key)
    compute.flavors.set_extra_specs(request.tx, request.caller, request.params["id"], specs)
    return document(specs)


def delete_extra_spec(request: Request) -> Response:
    """Take one extra spec away."""
    compute.flavors.remove_extra_spec(request.tx, request.caller, request.params["id"], request.params["key"])
    return empty(200)


def access(request: Request) -> Response:
    """The projects that may use a flavor which is not public."""
    flavor_id = request.params["id"]
    return _accesses(flavor_id, compute.flavors.access_of(request.tx, request.caller, flavor_id))


def act(request: Request) -> Response:
    """Let a project use a flavor, or stop letting it."""
    body = decode(request.body, dict[str, dict[str, str]])
    verbs = {
        "addTenantAccess": compute.flavors.add_access,
        "removeTenantAccess": compute.flavors.remove_access,
    }
    if len(body) != 1 or next(iter(body)) not in verbs:
        raise Invalid("There is no such action.")
    ((name, arguments),) = body.items()
    if set(arguments) != {"tenant"} or not arguments["tenant"]:
        raise Invalid("The action needs a tenant.", field=f"{name}.tenant")
    flavor_id = request.params["id"]
    return _accesses(flavor_id, verbs[name](request.tx, request.caller, flavor_id, arguments["tenant"]))


def _list(request: Request, view: Any) -> Response:
    parsed = parse_page(request, default_sort=(SortKey("flavorid"),))
    page = Page(parsed.limit, parsed.marker, parsed.sort)
    wanted = FlavorFilter(
        min_memory_mib=_query_number(request, "minRam"),
        min_disk_gib=_query_number(request, "minDisk"),
        is_public=_is_public(request),
        name=request.query.get("name") if request.microversion >= V2_102 else None,
    )
    found = compute.flavors.list_(request.tx, request.caller, page, wanted)
    ids = [flavor.id for flavor in found]
    lines = [view(request, flavor) for flavor in found]
    return document({"flavors": lines, **next_links(request, "flavors", page, ids)})


def _is_public(request: Request) -> bool | None:
    text = request.query.get("is_public")
    if text is None:
        return True
    return None if text.lower() == "none" else schemas.flag(text, "is_public")


def _query_number(request: Request, name: str) -> int:
    text = request.query.get(name, "0")
    if not (text.isascii() and text.isdigit()):
        raise Invalid(f"Invalid {name} filter [{text}]", field=name)
    return int(text)


def _brief(request: Request, flavor: Flavor) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "links": views.links(request, "flavors", flavor.id),
    }
    if request.microversion >= V2_55:
        view["description"] = flavor.description or None
    return view


def _view(request: Request, flavor: Flavor) -> dict[str, Any]:
    version = request.microversion
    # Before 2.75 no swap was shown as an empty string.
    swap: int | str = flavor.swap_mib if flavor.swap_mib or version >= V2_75 else ""
    view = _brief(request, flavor) | {
        "ram": flavor.memory_mib,
        "vcpus": flavor.cores,
        "disk": flavor.disk_gib,
        "swap": swap,
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gib,
        "os-flavor-access:is_public": flavor.is_public,
    }
    if version < V2_102:
        view |= {"OS-FLV-DISABLED:disabled": flavor.disabled, "rxtx_factor": flavor.rxtx_factor}
    if version >= V2_61:
        view["extra_specs"] = flavor.extra_specs
    return view


def _accesses(flavor_id: str, projects: list[str]) -> Response:
    lines = [{"flavor_id": flavor_id, "tenant_id": project_id} for project_id in projects]
    return document({"flavor_access": lines})


def _specs(given: dict[str, str | int | float]) -> dict[str, str]:
    for key, value in given.items():
        if not _SPEC.fullmatch(key) or len(str(value)) > 255:
            raise Invalid(f"Invalid input for field/attribute {key}. Value: {value}.", field=key)
    return {key: str(value) for key, value in given.items()}


def _number(value: int | str, field: str, least: int = 0) -> int:
    found = schemas.number(value, field, least) or 0
    if found > _NUMBER_MAX:
        raise Invalid(f"Invalid input for field/attribute {field}. Value: {value}.", field=field)
    return found


def _factor(value: float | str | None) -> float:
    try:
        factor = float(value) if value is not None else 1.0
    except ValueError as error:
        raise Invalid("rxtx_factor should be a number.", field="rxtx_factor") from error
    if not 0 < factor < 3.4e38:
        raise Invalid("rxtx_factor should be greater than 0.", field="rxtx_factor")
    return factor
