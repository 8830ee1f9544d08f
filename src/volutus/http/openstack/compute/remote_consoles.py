"""Interactive consoles on the wire: by `remote-consoles` from 2.6 on, before that by an action for each kind.

The answer's URL is a page of the web console; `path` in its query is where the page, or a program in its
place, opens the WebSocket, as noVNC's own pages say it.
"""

from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document
from volutus.http.relay import SOCKET_PATH
from volutus.wire import ConsoleKind

V2_6 = Version(2, 6)
V2_31 = Version(2, 31)
V2_99 = Version(2, 99)

_TYPES = {"novnc": ConsoleKind.VNC, "serial": ConsoleKind.SERIAL}
_PROTOCOLS = {
    "vnc": ("novnc", "xvpvnc"),
    "serial": ("serial",),
    "spice": ("spice-html5", "spice-direct"),
    "rdp": ("rdp-html5",),
}


class RemoteConsole(Struct, forbid_unknown_fields=True):
    protocol: str
    type: str


class RemoteConsoleBody(Struct, forbid_unknown_fields=True):
    remote_console: RemoteConsole


def create(request: Request) -> Response:
    """A console by protocol and type."""
    if request.microversion < V2_6:
        raise NotFound("The resource could not be found.")
    wanted = request.read(RemoteConsoleBody).remote_console
    is_known = wanted.type in _PROTOCOLS.get(wanted.protocol, ())
    if not is_known or (wanted.type == "spice-direct" and request.microversion < V2_99):
        raise Invalid(
            f"Invalid input for field/attribute type: {wanted.type} is no type of {wanted.protocol}.",
            field="remote_console.type",
        )
    url = _url(request, request.params["id"], wanted.type)
    return document({"remote_console": {"protocol": wanted.protocol, "type": wanted.type, "url": url}})


def vnc(request: Request, server_id: str, arguments: Any) -> Response:
    """`os-getVNCConsole`."""
    return _by_action(request, server_id, arguments, "os-getVNCConsole")


def serial(request: Request, server_id: str, arguments: Any) -> Response:
    """`os-getSerialConsole`."""
    return _by_action(request, server_id, arguments, "os-getSerialConsole")


def show_token(request: Request) -> Response:
    """What a token stands for, for operators' own proxies."""
    if request.microversion < V2_31:
        raise NotFound("The resource could not be found.")
    found = compute.remote_consoles.look_up(request.tx, request.params["token"])
    host, _, port = request.origin.partition("://")[2].partition(":")
    answer: dict[str, Any] = {
        "instance_uuid": found.server_id,
        "host": host,
        "port": int(port or (443 if request.origin.startswith("https") else 80)),
        "internal_access_path": SOCKET_PATH,
    }
    if request.microversion >= V2_99:
        answer["tls_port"] = answer["port"] if request.origin.startswith("https") else None
    return document({"console": answer})


def _by_action(request: Request, server_id: str, arguments: Any, name: str) -> Response:
    if request.microversion >= V2_6:
        raise NotFound("The resource could not be found.")
    kind = arguments.get("type") if isinstance(arguments, dict) and set(arguments) == {"type"} else None
    if not isinstance(kind, str):
        raise Invalid(f"Invalid input for field/attribute {name}.", field=f"{name}.type")
    return document({"console": {"type": kind, "url": _url(request, server_id, kind)}})


def _url(request: Request, server_id: str, kind: str) -> str:
    if kind not in _TYPES:
        raise Invalid(f"Unavailable console type {kind}.", field="type")
    wanted = _TYPES[kind]
    token = compute.remote_consoles.create(request.tx, request.caller, server_id, wanted)
    path = f"{SOCKET_PATH.lstrip('/')}?{urlencode({'token': token})}"
    return f"{request.origin}/console/{wanted.value}?{urlencode({'token': token, 'path': path})}"
