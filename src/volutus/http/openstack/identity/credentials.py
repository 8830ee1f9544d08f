"""Credentials over HTTP, by themselves and as EC2's pairs of keys."""

import msgspec
from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import filters, identity_of, read_object
from volutus.identity import access, credentials
from volutus.identity.credentials import Credential, CredentialFields


class Ec2Body(msgspec.Struct):
    """The project that a pair of keys shall be for."""

    tenant_id: str


def create(request: Request) -> Response:
    """Keep a credential."""
    fields, _ = read_object(request, "credential", CredentialFields)
    made = credentials.create(request.tx, request.caller, identity_of(request).vault, fields)
    return created({"credential": _shown(request, made)})


def index(request: Request) -> Response:
    """One's own credentials; all for who sees all."""
    page = parse_page(request)
    wanted = filters(request, "user_id", "type")
    found = credentials.list_(request.tx, request.caller, identity_of(request).vault, page, wanted)
    return views.listing(request, "credentials", [_shown(request, item) for item in found], page)


def show(request: Request) -> Response:
    """One credential."""
    vault = identity_of(request).vault
    found = credentials.get(request.tx, request.caller, vault, request.params["credential_id"])
    return document({"credential": _shown(request, found)})


def update(request: Request) -> Response:
    """Change a credential."""
    fields, _ = read_object(request, "credential", CredentialFields)
    vault = identity_of(request).vault
    made = credentials.change(request.tx, request.caller, vault, request.params["credential_id"], fields)
    return document({"credential": _shown(request, made)})


def delete(request: Request) -> Response:
    """Delete a credential."""
    vault = identity_of(request).vault
    credentials.remove(request.tx, request.caller, vault, request.params["credential_id"])
    return no_content()


def create_ec2(request: Request) -> Response:
    """A pair of keys for a project."""
    body = request.read(Ec2Body)
    vault = identity_of(request).vault
    made = credentials.create_ec2(
        request.tx, request.caller, vault, request.params["user_id"], body.tenant_id
    )
    return created({"credential": _pair(request, made)})


def list_ec2(request: Request) -> Response:
    """A user's pairs of keys."""
    page = parse_page(request)
    user_id = request.params["user_id"]
    access.require(request.caller.user_id == user_id or access.sees_all(request.caller))
    wanted = {"user_id": user_id, "type": credentials.EC2}
    found = credentials.list_(request.tx, request.caller, identity_of(request).vault, page, wanted)
    return views.listing(request, "credentials", [_pair(request, item) for item in found])


def show_ec2(request: Request) -> Response:
    """A pair by its access key."""
    vault, key = identity_of(request).vault, credentials.ec2_id(request.params["access_key"])
    return document({"credential": _pair(request, credentials.get(request.tx, request.caller, vault, key))})


def delete_ec2(request: Request) -> Response:
    """Delete a pair by its access key."""
    vault, key = identity_of(request).vault, credentials.ec2_id(request.params["access_key"])
    credentials.remove(request.tx, request.caller, vault, key)
    return no_content()


def _shown(request: Request, item: Credential) -> views.Document:
    return {
        "id": item.id,
        "user_id": item.user_id,
        "project_id": item.project_id,
        "type": item.type,
        "blob": item.blob,
        "links": views.links(request, "credentials", item.id),
    }


def _pair(request: Request, item: Credential) -> views.Document:
    pair = msgspec.json.decode(item.blob, type=dict[str, str | None])
    access_key = str(pair.get("access"))
    return {
        "access": access_key,
        "secret": pair.get("secret"),
        "user_id": item.user_id,
        "tenant_id": item.project_id,
        "trust_id": pair.get("trust_id"),
        "links": views.links(request, "users", item.user_id, "credentials", "OS-EC2", access_key),
    }
