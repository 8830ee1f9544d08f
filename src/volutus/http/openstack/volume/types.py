"""`/types`: volume types, their extra specs and who may use private ones."""

from typing import Any

import msgspec
from starlette.responses import Response

from volutus.db import SortKey
from volutus.errors import Invalid
from volutus.http.kernel import Request, decode, document, empty, next_links, parse_page
from volutus.http.openstack.volume import schemas
from volutus.http.openstack.volume.bodies import boolean, pairs, read
from volutus.http.openstack.volume.views import moment
from volutus.volume import types
from volutus.volume.faults import KeyNotFound
from volutus.volume.types import TypeOrder, VolumeType

NEWEST = (SortKey("created_at", descending=True),)


def create(request: Request) -> Response:
    """`POST /types`."""
    body = read(request, "volume_type", schemas.TypeCreate)
    if not body.name.strip():
        raise Invalid("Invalid input for name: it must not be blank.", field="name")
    specs = pairs(body.extra_specs or {}, "extra_specs")
    order = TypeOrder(body.name.strip(), body.description, body.is_public, specs)
    return document({"volume_type": _created(types.create(request.tx, request.caller, order))})


def list_(request: Request) -> Response:
    """`GET /types`; `is_public=None` has private ones too, for administrators."""
    text = request.query.get("is_public", "None" if request.caller.is_admin else "true")
    is_public = None if text.lower() == "none" else boolean(text, "is_public")
    page = parse_page(request, default_sort=NEWEST, direction="desc")
    found = types.list_(request.tx, request.caller, page, is_public=is_public)
    body: dict[str, Any] = {"volume_types": [_type(request, one) for one in found]}
    body.update(next_links(request, "volume_type", page, [one.id for one in found]))
    return document(body)


def show(request: Request) -> Response:
    """`GET /types/ID`; `default` is the one of volumes that name none."""
    type_id = request.params["type_id"]
    if type_id == "default":
        found = types.find(request.tx, request.caller, None)
    else:
        found = types.get(request.tx, request.caller, type_id)
    return document({"volume_type": _type(request, found)})


def update(request: Request) -> Response:
    """`PUT /types/ID`."""
    body = read(request, "volume_type", schemas.TypeUpdate)
    changes: dict[str, Any] = {}
    if body.name is not None:
        if not body.name.strip():
            raise Invalid("Volume type name can not be empty.", field="name")
        changes["name"] = body.name.strip()
    if body.description is not msgspec.UNSET:
        changes["description"] = body.description
    if body.is_public is not None:
        changes["is_public"] = body.is_public
    if not changes:
        raise Invalid("Specify volume type name, description, is_public or a combination thereof.")
    changed = types.update_(request.tx, request.caller, request.params["type_id"], changes)
    return document({"volume_type": {**_base(changed), "extra_specs": changed.extra_specs}})


def delete(request: Request) -> Response:
    """`DELETE /types/ID`."""
    types.remove(request.tx, request.caller, request.params["type_id"])
    return empty()


def list_specs(request: Request) -> Response:
    """`GET /types/ID/extra_specs`."""
    return document({"extra_specs": _specs(request)})


def set_specs(request: Request) -> Response:
    """`POST /types/ID/extra_specs`."""
    given = pairs(decode(request.body, dict[str, Any]).get("extra_specs"), "extra_specs")
    _check_keys(given)
    types.set_specs(request.tx, request.caller, request.params["type_id"], given)
    return document({"extra_specs": given})


def show_spec(request: Request) -> Response:
    """`GET /types/ID/extra_specs/KEY`."""
    key, specs = request.params["key"], _specs(request)
    if key not in specs:
        raise KeyNotFound(f"Volume Type {request.params['type_id']} has no extra specs with key {key}.")
    return document({key: specs[key]})


def set_spec(request: Request) -> Response:
    """`PUT /types/ID/extra_specs/KEY`."""
    given = pairs(decode(request.body, dict[str, Any]), "extra_specs")
    if list(given) != [request.params["key"]]:
        raise Invalid("Request body and URI mismatch", field="extra_specs")
    _check_keys(given)
    types.set_specs(request.tx, request.caller, request.params["type_id"], given)
    return document(given)


def delete_spec(request: Request) -> Response:
    """`DELETE /types/ID/extra_specs/KEY`."""
    types.remove_spec(request.tx, request.caller, request.params["type_id"], request.params["key"])
    return empty()


def encryption(request: Request) -> Response:
    """`GET /types/ID/encryption`: empty where volumes are not encrypted."""
    type_id = request.params["type_id"]
    found = types.get(request.tx, request.caller, type_id)
    if found.encryption is None:
        return document({})
    moments = {"created_at": moment(found.updated_at), "updated_at": None, "deleted_at": None}
    return document({"volume_type_id": type_id, **found.encryption, **moments, "deleted": False})


def show_encryption(request: Request) -> Response:
    """`GET /types/ID/encryption/KEY`."""
    found = types.get(request.tx, request.caller, request.params["type_id"]).encryption
    key = request.params["key"]
    if found is None or key not in found:
        raise KeyNotFound(f"The volume type's encryption has no {key}.")
    return document({key: found[key]})


def create_encryption(request: Request) -> Response:
    """`POST /types/ID/encryption`."""
    type_id = request.params["type_id"]
    body = read(request, "encryption", schemas.Encryption)
    if types.get(request.tx, request.caller, type_id).encryption is not None:
        raise Invalid(f"Volume type encryption for type {type_id} already exists.")
    wanted = _encryption(body, {"control_location": "front-end", "cipher": None, "key_size": None})
    if "provider" not in wanted:
        raise Invalid("Invalid input for encryption: it has no provider.", field="encryption.provider")
    made = {"encryption_id": request.tx.ids.uuid(), **wanted}
    types.set_encryption(request.tx, request.caller, type_id, made)
    return document({"encryption": {"volume_type_id": type_id, **made}})


def update_encryption(request: Request) -> Response:
    """`PUT /types/ID/encryption/ENCRYPTION`."""
    type_id, found = request.params["type_id"], _of_type(request)
    changed = _encryption(read(request, "encryption", schemas.Encryption), {})
    types.set_encryption(request.tx, request.caller, type_id, {**found, **changed})
    return document({"encryption": changed})


def delete_encryption(request: Request) -> Response:
    """`DELETE /types/ID/encryption/ENCRYPTION`."""
    _of_type(request)
    types.set_encryption(request.tx, request.caller, request.params["type_id"], None)
    return empty()


def _of_type(request: Request) -> dict[str, Any]:
    found = types.get(request.tx, request.caller, request.params["type_id"]).encryption
    if found is None or found["encryption_id"] != request.params["key"]:
        raise KeyNotFound("The volume type has no such encryption.")
    return dict(found)


def _encryption(body: schemas.Encryption, standard: dict[str, Any]) -> dict[str, Any]:
    """What was said, over the standard: notes for clients. Disks are LUKS with AES-256-XTS, whatever it
    is."""
    if body.control_location not in (None, "front-end", "back-end"):
        raise Invalid("The control location is front-end or back-end.", field="encryption.control_location")
    given = {name: getattr(body, name) for name in ("provider", "control_location", "cipher", "key_size")}
    return {**standard, **{name: value for name, value in given.items() if value is not None}}


def list_access(request: Request) -> Response:
    """`GET /types/ID/os-volume-type-access`."""
    type_id = request.params["type_id"]
    projects = types.access(request.tx, request.caller, type_id)
    entries = [{"volume_type_id": type_id, "project_id": project_id} for project_id in projects]
    return document({"volume_type_access": entries})


def act(request: Request) -> Response:
    """`POST /types/ID/action`: give to a project, take from it."""
    body, type_id = decode(request.body, dict[str, Any]), request.params["type_id"]
    if "addProjectAccess" in body:
        project = read(request, "addProjectAccess", schemas.TypeAccess).project
        types.grant(request.tx, request.caller, type_id, project)
    elif "removeProjectAccess" in body:
        project = read(request, "removeProjectAccess", schemas.TypeAccess).project
        types.revoke(request.tx, request.caller, type_id, project)
    else:
        raise Invalid("There is no such action.")
    return empty()


def _specs(request: Request) -> dict[str, str]:
    return dict(types.get(request.tx, request.caller, request.params["type_id"]).extra_specs)


def _check_keys(specs: dict[str, str]) -> None:
    if not specs:
        raise Invalid("Invalid input for extra_specs: there are none.", field="extra_specs")
    for key in specs:
        if not all(letter.isalnum() or letter in "-_.: " for letter in key):
            raise Invalid(
                "Key names can only contain alphanumeric characters, underscores, periods, colons and "
                "hyphens.",
                field="extra_specs",
            )


def _base(one: VolumeType) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "description": one.description, "is_public": one.is_public}


def _created(one: VolumeType) -> dict[str, Any]:
    body = {**_base(one), "os-volume-type-access:is_public": one.is_public}
    return {**body, "extra_specs": one.extra_specs}


def _type(request: Request, one: VolumeType) -> dict[str, Any]:
    body = _created(one)
    if request.caller.is_admin:
        body["qos_specs_id"] = one.qos_specs_id
    return body
