"""Actions that give a server another shape (size, rescue system, shelf, suspension), and those that would
take it to another host."""

import secrets
from typing import Any

from msgspec import Struct
from starlette.responses import Response

from volutus import compute
from volutus.compute.rescues import Rescue
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document, empty, no_content
from volutus.http.kernel.bodies import convert
from volutus.http.openstack.compute.servers import PASSWORD_BYTES, disk_config_of

V2_17 = Version(2, 17)
V2_77 = Version(2, 77)
V2_87 = Version(2, 87)
V2_91 = Version(2, 91)


class RescueBody(Struct, forbid_unknown_fields=True):
    adminPass: str | None = None  # noqa: N815  (the wire's name)
    rescue_image_ref: str | None = None


class Unshelve(Struct, forbid_unknown_fields=True):
    availability_zone: str | None = None
    host: str | None = None


def change_password(request: Request, server_id: str, arguments: Any) -> Response:
    """Set in the guest by its agent; kept nowhere."""
    password = arguments.get("adminPass") if isinstance(arguments, dict) else None
    if not isinstance(password, str) or not password:
        raise Invalid("Invalid input for field/attribute adminPass.", field="changePassword.adminPass")
    keys, at = request.plane.parts["identity"].token_keys, int(request.tx.now.timestamp())

    def seal(text: str) -> str:
        return str(keys.seal(text.encode(), at))

    compute.guest_commands.change_password(request.tx, request.caller, server_id, password, seal)
    return empty()


def crash_dump(request: Request, server_id: str, _arguments: Any) -> Response:
    """An interrupt that cannot be masked."""
    if request.microversion < V2_17:
        raise NotFound("The resource could not be found.")
    compute.guest_commands.crash_dump(request.tx, request.caller, server_id)
    return empty()


def suspend(request: Request, server_id: str, _arguments: Any) -> Response:
    """Memory to disk."""
    compute.actions.suspend(request.tx, request.caller, server_id)
    return empty()


def resume(request: Request, server_id: str, _arguments: Any) -> Response:
    """Go on where it was."""
    compute.actions.resume(request.tx, request.caller, server_id)
    return empty()


def resize(request: Request, server_id: str, arguments: Any) -> Response:
    """Another flavor."""
    named = arguments.get("flavorRef") if isinstance(arguments, dict) else None
    known = {"flavorRef", "OS-DCF:diskConfig"}
    if (
        not isinstance(named, str | int)
        or isinstance(named, bool)
        or not str(named)
        or set(arguments) - known
    ):
        raise Invalid(f"Invalid input for field/attribute flavorRef. Value: {named}.", field="flavorRef")
    disk_config = disk_config_of(arguments.get("OS-DCF:diskConfig"))
    compute.resizes.resize(request.tx, request.caller, server_id, str(named), disk_config)
    return empty()


def confirm_resize(request: Request, server_id: str, _arguments: Any) -> Response:
    """Keep the new size."""
    compute.resizes.confirm(request.tx, request.caller, server_id)
    return no_content()


def revert_resize(request: Request, server_id: str, _arguments: Any) -> Response:
    """Back to the size before."""
    compute.resizes.revert(request.tx, request.caller, server_id)
    return empty()


def rescue(request: Request, server_id: str, arguments: Any) -> Response:
    """Boot another system."""
    body = convert(arguments or {}, RescueBody)
    password = body.adminPass or secrets.token_urlsafe(PASSWORD_BYTES)
    wanted = Rescue(body.rescue_image_ref, password, volumes_too=request.microversion >= V2_87)
    compute.rescues.rescue(request.tx, request.caller, server_id, wanted)
    return document({"adminPass": password})


def unrescue(request: Request, server_id: str, _arguments: Any) -> Response:
    """Boot its own system."""
    compute.rescues.unrescue(request.tx, request.caller, server_id)
    return empty()


def shelve(request: Request, server_id: str, _arguments: Any) -> Response:
    """Give back its place."""
    compute.shelving.shelve(request.tx, request.caller, server_id)
    return empty()


def shelve_offload(request: Request, server_id: str, _arguments: Any) -> Response:
    """Done by itself here."""
    compute.shelving.offload(request.tx, request.caller, server_id)
    return empty()


def unshelve(request: Request, server_id: str, arguments: Any) -> Response:
    """Find a place again."""
    body = convert(arguments or {}, Unshelve)
    if body.availability_zone is not None and request.microversion < V2_77:
        raise Invalid("availability_zone needs version 2.77.", field="unshelve.availability_zone")
    if body.host is not None:
        if request.microversion < V2_91:
            raise Invalid("host needs version 2.91.", field="unshelve.host")
        request.plane.policy.require("compute:servers:create:host", request.caller)
    where = (body.availability_zone, body.host)
    compute.shelving.unshelve(request.tx, request.caller, server_id, *where)
    return empty()


def migrate(request: Request, server_id: str, _arguments: Any) -> Response:
    """Nowhere to."""
    compute.moves.refuse(request.tx, request.caller, server_id, "migrate")
    return empty()


def live_migrate(request: Request, server_id: str, _arguments: Any) -> Response:
    """Nowhere to."""
    compute.moves.refuse(request.tx, request.caller, server_id, "os-migrateLive")
    return empty()


def evacuate(request: Request, server_id: str, _arguments: Any) -> Response:
    """Nowhere to."""
    compute.moves.refuse(request.tx, request.caller, server_id, "evacuate")
    return empty()


def restore(request: Request, server_id: str, _arguments: Any) -> Response:
    """What is deleted here is gone."""
    compute.moves.refuse(request.tx, request.caller, server_id, "restore")
    return empty()
