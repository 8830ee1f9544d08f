"""Settings deposited for domains, over HTTP."""

from typing import Any

from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request, created, document, no_content
from volutus.http.openstack.identity.bodies import identity_of
from volutus.identity import domain_configs
from volutus.identity.domain_configs import Part


def replace(request: Request) -> Response:
    """Set a domain's configuration."""
    config = domain_configs.replace(
        request.tx, request.caller, identity_of(request).vault, request.params["domain_id"], _config(request)
    )
    return created({"config": config})


def show(request: Request) -> Response:
    """The configuration, a group of it or an option."""
    vault = identity_of(request).vault
    found = domain_configs.show(request.tx, vault, request.params["domain_id"], _part(request))
    return document({"config": found})


def show_default(request: Request) -> Response:
    """The defaults, of a group or an option."""
    return document({"config": domain_configs.default(_part(request))})


def update(request: Request) -> Response:
    """Change the configuration, a group of it or an option."""
    config = domain_configs.change(
        request.tx,
        request.caller,
        identity_of(request).vault,
        request.params["domain_id"],
        _part(request),
        _config(request),
    )
    return document({"config": config})


def delete(request: Request) -> Response:
    """Forget the configuration, a group of it or an option."""
    vault = identity_of(request).vault
    domain_configs.remove(request.tx, request.caller, vault, request.params["domain_id"], _part(request))
    return no_content()


def _part(request: Request) -> Part:
    return Part(request.params.get("group"), request.params.get("option"))


def _config(request: Request) -> object:
    body = request.read(dict[str, Any])
    if "config" not in body:
        raise Invalid("Invalid input for config: it is required.", field="config")
    return body["config"]
