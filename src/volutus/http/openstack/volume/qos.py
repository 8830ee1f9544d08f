"""`/qos-specs`: sets of keys that operators tie to volume types."""

from typing import Any

from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request, decode, document, empty, parse_page
from volutus.http.openstack.volume.bodies import flag, pairs
from volutus.volume import qos
from volutus.volume.qos import QosSpecs


def create(request: Request) -> Response:
    """`POST /qos-specs`."""
    body = _part(request)
    name = body.pop("name", None)
    if not isinstance(name, str) or not 0 < len(name.strip()) <= 255:
        raise Invalid("Invalid input for name: 1 to 255 characters.", field="name")
    consumer = str(body.pop("consumer", "back-end"))
    made = qos.create(request.tx, request.caller, name.strip(), consumer, pairs(body, "qos_specs"))
    return document({"qos_specs": _view(made), "links": _links(request, made.id)})


def list_(request: Request) -> Response:
    """`GET /qos-specs`."""
    found = qos.list_(request.tx, parse_page(request, direction="desc"))
    return document({"qos_specs": [_view(one) for one in found]})


def show(request: Request) -> Response:
    """`GET /qos-specs/ID`."""
    found = qos.get(request.tx, request.params["qos_id"])
    return document({"qos_specs": _view(found), "links": _links(request, found.id)})


def update(request: Request) -> Response:
    """`PUT /qos-specs/ID`: set keys."""
    body = _part(request)
    consumer = body.pop("consumer", None)
    given = pairs(body, "qos_specs")
    if not given and consumer is None:
        raise Invalid("Invalid input for qos_specs: there are no keys.", field="qos_specs")
    qos.set_keys(request.tx, request.caller, request.params["qos_id"], consumer, given)
    told = {**given, **({"consumer": consumer} if consumer is not None else {})}
    return document({"qos_specs": told})


def delete(request: Request) -> Response:
    """`DELETE /qos-specs/ID`."""
    qos.remove(request.tx, request.caller, request.params["qos_id"], force=flag(request, "force"))
    return empty()


def delete_keys(request: Request) -> Response:
    """`PUT /qos-specs/ID/delete_keys`."""
    keys = decode(request.body, dict[str, Any]).get("keys")
    if not isinstance(keys, list):
        raise Invalid("Invalid input for keys: it must be a list.", field="keys")
    qos.remove_keys(request.tx, request.caller, request.params["qos_id"], [str(key) for key in keys])
    return empty()


def associations(request: Request) -> Response:
    """`GET /qos-specs/ID/associations`."""
    found = qos.associations(request.tx, request.params["qos_id"])
    entries = [{"association_type": "volume_type", "id": one, "name": name} for one, name in found]
    return document({"qos_associations": entries})


def associate(request: Request) -> Response:
    """`GET /qos-specs/ID/associate?vol_type_id=`: a GET that writes, as Cinder has it."""
    qos.associate(request.tx, request.caller, request.params["qos_id"], _type_id(request))
    return empty()


def disassociate(request: Request) -> Response:
    """`GET /qos-specs/ID/disassociate?vol_type_id=`."""
    qos.disassociate(request.tx, request.caller, request.params["qos_id"], _type_id(request))
    return empty()


def disassociate_all(request: Request) -> Response:
    """`GET /qos-specs/ID/disassociate_all`."""
    qos.disassociate(request.tx, request.caller, request.params["qos_id"], None)
    return empty()


def _type_id(request: Request) -> str:
    type_id = request.query.get("vol_type_id")
    if not type_id:
        raise Invalid("Volume Type id must not be None.", field="vol_type_id")
    return type_id


def _part(request: Request) -> dict[str, Any]:
    body = decode(request.body, dict[str, Any]).get("qos_specs")
    if not isinstance(body, dict):
        raise Invalid("Invalid input for qos_specs: the body has no such object.", field="qos_specs")
    return dict(body)


def _view(one: QosSpecs) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "consumer": one.consumer, "specs": dict(one.specs)}


def _links(request: Request, qos_id: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": f"{request.service_url}/qos-specs/{qos_id}"}]
