"""SSH key pairs, made by the cloud or brought by their user, over HTTP."""

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.compute.key_pairs import KeyPair, KeyPairOrder
from volutus.db import Page
from volutus.errors import Forbidden, Invalid
from volutus.http.kernel import Request, Version, document, empty, next_links, no_content, parse_page
from volutus.http.openstack.compute import views

V2_2 = Version(2, 2)
V2_10 = Version(2, 10)
V2_35 = Version(2, 35)
V2_92 = Version(2, 92)


class KeyPairBody(Struct, forbid_unknown_fields=True):
    name: str
    public_key: str | None = None
    type: str | None = None
    user_id: str | None = None


class CreateBody(Struct, forbid_unknown_fields=True):
    keypair: KeyPairBody


def create(request: Request) -> Response:
    """Import a key, or have one made: since 2.92 Nova only imports, and so do we for those who ask for it."""
    body = request.read(CreateBody).keypair
    version = request.microversion
    if body.type not in (None, "ssh", "x509"):
        raise Invalid("The type of a key pair is ssh or x509.", field="keypair.type")
    if body.public_key is None and version >= V2_92:
        raise Invalid("'public_key' is a required property", field="keypair.public_key")
    order = KeyPairOrder(body.name, body.public_key, _owner(request, body.user_id), type=body.type or "ssh")
    made = compute.key_pairs.create(request.tx, request.caller, order)
    view = _view(made, version) | {"user_id": made.user_id}
    if made.private_key is not None:
        view["private_key"] = made.private_key
    return document({"keypair": view}, 201 if version >= V2_2 else 200)


def index(request: Request) -> Response:
    """The caller's key pairs."""
    page = parse_page(request) if request.microversion >= V2_35 else Page()
    owner = _owner(request, request.query.get("user_id"))
    found = compute.key_pairs.list_(request.tx, request.caller, page, owner)
    lines = [{"keypair": _view(pair, request.microversion)} for pair in found]
    more = next_links(request, "keypairs", page, [pair.name for pair in found])
    return document({"keypairs": lines, **(more if request.microversion >= V2_35 else {})})


def show(request: Request) -> Response:
    """One key pair, without its private part."""
    owner = _owner(request, request.query.get("user_id"))
    pair = compute.key_pairs.get(request.tx, request.caller, request.params["name"], owner)
    view = _view(pair, request.microversion) | {
        "user_id": pair.user_id,
        "id": pair.number,
        "created_at": views.long_time(pair.created_at),
        "updated_at": None,
        "deleted_at": None,
        "deleted": False,
    }
    return document({"keypair": view})


def delete(request: Request) -> Response:
    """Remove a key pair."""
    owner = _owner(request, request.query.get("user_id"))
    compute.key_pairs.remove(request.tx, request.caller, request.params["name"], owner)
    return no_content() if request.microversion >= V2_2 else empty()


def _owner(request: Request, user_id: str | None) -> str | None:
    """Whose key pairs: another user's only for administrators, and only since 2.10."""
    if user_id is None or request.microversion < V2_10:
        return None
    if user_id != request.caller.user_id and not request.caller.is_admin:
        raise Forbidden("Policy does not allow compute:key_pairs of another user.")
    return user_id


def _view(pair: KeyPair, version: Version) -> dict[str, Any]:
    view = {"name": pair.name, "public_key": pair.public_key, "fingerprint": pair.fingerprint}
    if version >= V2_2:
        view["type"] = pair.type
    return view
