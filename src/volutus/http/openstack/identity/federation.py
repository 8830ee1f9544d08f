"""Identity providers, protocols, mappings and service providers (OS-FEDERATION) over HTTP."""

from typing import Any

import msgspec
from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import flag, read_object
from volutus.identity import federation, mappings
from volutus.identity.federation import ProtocolFields, ProviderFields, ServiceProviderFields
from volutus.identity.mappings import MappingOrder

_ROOT = "OS-FEDERATION"


class MappingBody(msgspec.Struct):
    mapping: MappingOrder


def create_provider(request: Request) -> Response:
    """A new identity provider."""
    fields, _ = read_object(request, "identity_provider", ProviderFields)
    _check_id(request.params["idp_id"])
    row = federation.create_provider(request.tx, request.caller, request.params["idp_id"], fields)
    return created({"identity_provider": _provider(request, row)})


def list_providers(request: Request) -> Response:
    """All identity providers."""
    page = parse_page(request)
    enabled = flag(request, "enabled")
    rows = federation.list_providers(request.tx, page, request.query.get("id"), enabled=enabled)
    return views.listing(request, "identity_providers", [_provider(request, row) for row in rows], page)


def show_provider(request: Request) -> Response:
    """One identity provider."""
    row = federation.get_provider(request.tx, request.params["idp_id"])
    return document({"identity_provider": _provider(request, row)})


def update_provider(request: Request) -> Response:
    """Change an identity provider."""
    fields, _ = read_object(request, "identity_provider", ProviderFields)
    row = federation.change_provider(request.tx, request.caller, request.params["idp_id"], fields)
    return document({"identity_provider": _provider(request, row)})


def delete_provider(request: Request) -> Response:
    """Delete an identity provider with its users."""
    federation.remove_provider(request.tx, request.caller, request.params["idp_id"])
    return no_content()


def create_protocol(request: Request) -> Response:
    """Let users of a provider sign in by a protocol."""
    fields, _ = read_object(request, "protocol", ProtocolFields)
    idp_id, protocol_id = _pair(request)
    _check_id(protocol_id)
    row = federation.create_protocol(request.tx, request.caller, idp_id, protocol_id, fields)
    return created({"protocol": _protocol(request, row)})


def list_protocols(request: Request) -> Response:
    """A provider's protocols."""
    page = parse_page(request)
    rows = federation.list_protocols(request.tx, request.params["idp_id"], page)
    return views.listing(request, "protocols", [_protocol(request, row) for row in rows], page)


def show_protocol(request: Request) -> Response:
    """One protocol of a provider."""
    row = federation.get_protocol(request.tx, *_pair(request))
    return document({"protocol": _protocol(request, row)})


def update_protocol(request: Request) -> Response:
    """Change a protocol."""
    fields, _ = read_object(request, "protocol", ProtocolFields)
    row = federation.change_protocol(request.tx, request.caller, *_pair(request), fields)
    return document({"protocol": _protocol(request, row)})


def delete_protocol(request: Request) -> Response:
    """Delete a protocol."""
    federation.remove_protocol(request.tx, request.caller, *_pair(request))
    return no_content()


def create_mapping(request: Request) -> Response:
    """A new mapping."""
    order = request.read(MappingBody).mapping
    _check_id(request.params["mapping_id"])
    row = mappings.create(request.tx, request.caller, request.params["mapping_id"], order)
    return created({"mapping": _mapping(request, row)})


def list_mappings(request: Request) -> Response:
    """All mappings."""
    page = parse_page(request)
    rows = mappings.list_(request.tx, page)
    return views.listing(request, "mappings", [_mapping(request, row) for row in rows], page)


def show_mapping(request: Request) -> Response:
    """One mapping."""
    return document({"mapping": _mapping(request, mappings.get(request.tx, request.params["mapping_id"]))})


def update_mapping(request: Request) -> Response:
    """Replace a mapping's rules."""
    order = request.read(MappingBody).mapping
    row = mappings.change(request.tx, request.caller, request.params["mapping_id"], order)
    return document({"mapping": _mapping(request, row)})


def delete_mapping(request: Request) -> Response:
    """Delete a mapping."""
    mappings.remove(request.tx, request.caller, request.params["mapping_id"])
    return no_content()


def create_service_provider(request: Request) -> Response:
    """Note another cloud."""
    fields, _ = read_object(request, "service_provider", ServiceProviderFields)
    _check_id(request.params["sp_id"])
    row = federation.create_service_provider(request.tx, request.caller, request.params["sp_id"], fields)
    return created({"service_provider": _service_provider(request, row)})


def list_service_providers(request: Request) -> Response:
    """All service providers."""
    page = parse_page(request)
    rows = federation.list_service_providers(request.tx, page)
    shown = [_service_provider(request, row) for row in rows]
    return views.listing(request, "service_providers", shown, page)


def show_service_provider(request: Request) -> Response:
    """One service provider."""
    row = federation.get_service_provider(request.tx, request.params["sp_id"])
    return document({"service_provider": _service_provider(request, row)})


def update_service_provider(request: Request) -> Response:
    """Change a service provider."""
    fields, _ = read_object(request, "service_provider", ServiceProviderFields)
    row = federation.change_service_provider(request.tx, request.caller, request.params["sp_id"], fields)
    return document({"service_provider": _service_provider(request, row)})


def delete_service_provider(request: Request) -> Response:
    """Forget another cloud."""
    federation.remove_service_provider(request.tx, request.caller, request.params["sp_id"])
    return no_content()


def _check_id(chosen: str) -> None:
    if not 1 <= len(chosen) <= 64:
        raise Invalid("An id has 1 to 64 characters.", field="id")


def _pair(request: Request) -> tuple[str, str]:
    return request.params["idp_id"], request.params["protocol_id"]


def _provider(request: Request, row: Any) -> views.Document:
    links = views.links(request, _ROOT, "identity_providers", row.id)
    protocols = views.links(request, _ROOT, "identity_providers", row.id, "protocols")
    return {
        "id": row.id,
        "domain_id": row.domain_id,
        "enabled": row.enabled,
        "description": row.description,
        "remote_ids": row.remote_ids,
        "authorization_ttl": row.authorization_ttl,
        "links": {**links, "protocols": protocols["self"]},
    }


def _protocol(request: Request, row: Any) -> views.Document:
    own = views.links(request, _ROOT, "identity_providers", row.provider_id, "protocols", row.id)
    theirs = views.links(request, _ROOT, "identity_providers", row.provider_id)
    return {
        "id": row.id,
        "mapping_id": row.mapping_id,
        "remote_id_attribute": row.remote_id_attribute,
        "links": {**own, "identity_provider": theirs["self"]},
    }


def _mapping(request: Request, row: Any) -> views.Document:
    links = views.links(request, _ROOT, "mappings", row.id)
    return {"id": row.id, "rules": row.rules, "schema_version": row.schema_version, "links": links}


def _service_provider(request: Request, row: Any) -> views.Document:
    return {
        "id": row.id,
        "auth_url": row.auth_url,
        "sp_url": row.sp_url,
        "enabled": row.enabled,
        "description": row.description,
        "relay_state_prefix": row.relay_state_prefix,
        "links": views.links(request, _ROOT, "service_providers", row.id),
    }
