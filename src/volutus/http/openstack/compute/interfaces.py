"""Network cards of a server."""

from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.errors import Invalid
from volutus.http.kernel import Request, Version, document, empty
from volutus.http.kernel.bodies import decode
from volutus.network import NicRequest
from volutus.network.ports import Port

V2_49 = Version(2, 49)
V2_70 = Version(2, 70)


class FixedIp(Struct, forbid_unknown_fields=True):
    ip_address: str
    subnet_id: str | None = None


class InterfaceBody(Struct, forbid_unknown_fields=True):
    port_id: str | None = None
    net_id: str | None = None
    fixed_ips: list[FixedIp] | None = None
    tag: str | None = None


class CreateBody(Struct, forbid_unknown_fields=True):
    interfaceAttachment: InterfaceBody  # noqa: N815


def index(request: Request) -> Response:
    """All cards."""
    found = compute.interfaces.list_(request.tx, request.caller, request.params["id"])
    return document({"interfaceAttachments": [_view(request, port) for port in found]})


def show(request: Request) -> Response:
    """One card."""
    port = compute.interfaces.get(request.tx, request.caller, request.params["id"], request.params["port_id"])
    return document({"interfaceAttachment": _view(request, port)})


def create(request: Request) -> Response:
    """Plug a card in."""
    wanted = decode(request.body, CreateBody).interfaceAttachment if request.body else InterfaceBody()
    fixed_ips = wanted.fixed_ips or []
    if wanted.port_id and wanted.net_id:
        raise Invalid("Must not input both network_id and port_id", field="interfaceAttachment")
    if fixed_ips and not wanted.net_id:
        raise Invalid("Must input network_id when request IP address", field="interfaceAttachment")
    if len(fixed_ips) > 1:
        raise Invalid("At most one fixed IP can be asked for.", field="fixed_ips")
    if wanted.tag is not None and request.microversion < V2_49:
        raise Invalid("A tag is understood since version 2.49.", field="tag")
    nic = None
    if wanted.port_id or wanted.net_id:
        address = fixed_ips[0].ip_address if fixed_ips else None
        nic = NicRequest(wanted.net_id, wanted.port_id, address, wanted.tag)
    port = compute.interfaces.attach(request.tx, request.caller, request.params["id"], nic)
    return document({"interfaceAttachment": _view(request, port)})


def delete(request: Request) -> Response:
    """Unplug a card."""
    compute.interfaces.detach(request.tx, request.caller, request.params["id"], request.params["port_id"])
    return empty()


def _view(request: Request, port: Port) -> dict[str, Any]:
    view: dict[str, Any] = {
        "port_id": port.id,
        "net_id": port.network_id,
        "mac_addr": port.mac,
        "port_state": port.status,
        "fixed_ips": [
            {"subnet_id": fixed.subnet_id, "ip_address": fixed.address} for fixed in port.fixed_ips
        ],
    }
    if request.microversion >= V2_70:
        view["tag"] = None
    return view
