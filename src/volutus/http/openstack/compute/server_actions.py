"""`POST /servers/{id}/action`: the body's one key names the action, with a permission for each."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from volutus import compute
from volutus.errors import Conflict, Invalid
from volutus.http.kernel import Request, Version, document, empty
from volutus.http.kernel.bodies import decode
from volutus.http.openstack.compute import (
    floating_ips,
    images,
    rebuilds,
    remote_consoles,
    schemas,
    server_shapes,
)

V2_73 = Version(2, 73)


def act(request: Request) -> Response:
    """Find the action, check its permission, and do it."""
    body = decode(request.body, dict[str, Any])
    if len(body) != 1:
        raise Invalid("There is no such action: the body names one.")
    ((name, arguments),) = body.items()
    found = ACTIONS.get(name)
    if found is None:
        raise Invalid(f"There is no such action: {name}", field=name)
    permission, handler = found
    request.plane.policy.require(f"compute:servers:{permission}", request.caller)
    # One permission may stand for an act and its undoing: the gate is told which it is.
    act_name = f"compute:servers:act:{name}"
    with request.plane.gate.passing(request.tx, request.caller, act_name, request.params):
        return handler(request, request.params["id"], arguments)


def _start(request: Request, server_id: str, _arguments: Any) -> Response:
    compute.actions.start(request.tx, request.caller, server_id)
    return empty()


def _stop(request: Request, server_id: str, _arguments: Any) -> Response:
    compute.actions.stop(request.tx, request.caller, server_id)
    return empty()


def _pause(request: Request, server_id: str, _arguments: Any) -> Response:
    compute.actions.pause(request.tx, request.caller, server_id)
    return empty()


def _unpause(request: Request, server_id: str, _arguments: Any) -> Response:
    compute.actions.unpause(request.tx, request.caller, server_id)
    return empty()


def _reboot(request: Request, server_id: str, arguments: Any) -> Response:
    kind = str(_dict(arguments).get("type", "")).upper()
    if kind not in ("SOFT", "HARD"):
        raise Invalid("Argument 'type' for reboot is not HARD or SOFT", field="reboot.type")
    compute.actions.reboot(request.tx, request.caller, server_id, hard=kind == "HARD")
    return empty()


def _lock(request: Request, server_id: str, arguments: Any) -> Response:
    reason = None
    if isinstance(arguments, dict):
        reason = arguments.get("locked_reason")
        known = {"locked_reason"} if request.microversion >= V2_73 else set()
        if set(arguments) - known or not isinstance(reason, str | None) or len(reason or "") > 255:
            raise Invalid("Invalid input for field/attribute lock.", field="lock")
    compute.actions.lock(request.tx, request.caller, server_id, reason)
    return empty()


def _unlock(request: Request, server_id: str, _arguments: Any) -> Response:
    compute.actions.unlock(request.tx, request.caller, server_id)
    return empty()


def _console_output(request: Request, server_id: str, arguments: Any) -> Response:
    length = schemas.number(_dict(arguments).get("length"), "length", -1)
    server = compute.servers.get(request.tx, request.caller, server_id)
    if server.guest is None or server.guest.assigned_at is None:
        raise Conflict(f"Instance {server_id} is not ready")
    return document({"output": compute.console.tail(request.tx, server_id, length)})


def _add_group(request: Request, server_id: str, arguments: Any) -> Response:
    name = _text(_dict(arguments), "name", "addSecurityGroup.name")
    compute.interfaces.add_security_group(request.tx, request.caller, server_id, name)
    return empty()


def _remove_group(request: Request, server_id: str, arguments: Any) -> Response:
    name = _text(_dict(arguments), "name", "removeSecurityGroup.name")
    compute.interfaces.remove_security_group(request.tx, request.caller, server_id, name)
    return empty()


def _add_fixed_ip(request: Request, server_id: str, arguments: Any) -> Response:
    network_id = _text(_dict(arguments), "networkId", "addFixedIp.networkId")
    compute.interfaces.add_fixed_ip(request.tx, request.caller, server_id, network_id)
    return empty()


def _remove_fixed_ip(request: Request, server_id: str, arguments: Any) -> Response:
    address = _text(_dict(arguments), "address", "removeFixedIp.address")
    compute.interfaces.remove_fixed_ip(request.tx, request.caller, server_id, address)
    return empty()


def _reset_state(request: Request, server_id: str, arguments: Any) -> Response:
    state = _text(_dict(arguments), "state", "os-resetState.state")
    if state not in ("active", "error"):
        raise Invalid(f"Invalid input for field/attribute state. Value: {state}.", field="state")
    compute.actions.reset_state(request.tx, request.caller, server_id, to_error=state == "error")
    return empty()


def _look_again(request: Request, server_id: str, _arguments: Any) -> Response:
    """What an operator asks for when a server's network is not as it should be: here it always converges."""
    compute.servers.get(request.tx, request.caller, server_id)
    compute.actions.look_again(request.tx, [server_id])
    return empty()


def _force_delete(request: Request, server_id: str, _arguments: Any) -> Response:
    compute.actions.delete(request.tx, request.caller, server_id)
    return empty()


def _dict(arguments: Any) -> dict[str, Any]:
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise Invalid("The action's value should be an object.")
    return arguments


def _text(arguments: dict[str, Any], name: str, field: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid(f"Invalid input for field/attribute {field}. Value: {value}.", field=field)
    return value


_Handler = Callable[[Request, str, Any], Response]

# Wire name → (permission, handler).
ACTIONS: dict[str, tuple[str, _Handler]] = {
    "os-start": ("start", _start),
    "os-stop": ("stop", _stop),
    "pause": ("pause", _pause),
    "unpause": ("pause", _unpause),
    "changePassword": ("change_password", server_shapes.change_password),
    "trigger_crash_dump": ("crash_dump", server_shapes.crash_dump),
    "suspend": ("suspend", server_shapes.suspend),
    "resume": ("suspend", server_shapes.resume),
    "resize": ("resize", server_shapes.resize),
    "confirmResize": ("resize", server_shapes.confirm_resize),
    "revertResize": ("resize", server_shapes.revert_resize),
    "rescue": ("rescue", server_shapes.rescue),
    "unrescue": ("rescue", server_shapes.unrescue),
    "shelve": ("shelve", server_shapes.shelve),
    "shelveOffload": ("shelve_offload", server_shapes.shelve_offload),
    "unshelve": ("shelve", server_shapes.unshelve),
    "migrate": ("migrate", server_shapes.migrate),
    "os-migrateLive": ("migrate", server_shapes.live_migrate),
    "evacuate": ("migrate", server_shapes.evacuate),
    "restore": ("restore", server_shapes.restore),
    "reboot": ("reboot", _reboot),
    "rebuild": ("rebuild", rebuilds.rebuild),
    "createImage": ("create_image", images.create),
    "createBackup": ("create_image", images.back_up),
    "lock": ("lock", _lock),
    "unlock": ("unlock", _unlock),
    "os-getConsoleOutput": ("console_output", _console_output),
    "os-getVNCConsole": ("remote_consoles", remote_consoles.vnc),
    "os-getSerialConsole": ("remote_consoles", remote_consoles.serial),
    "addSecurityGroup": ("security_groups", _add_group),
    "removeSecurityGroup": ("security_groups", _remove_group),
    "addFixedIp": ("fixed_ips", _add_fixed_ip),
    "removeFixedIp": ("fixed_ips", _remove_fixed_ip),
    "addFloatingIp": ("fixed_ips", floating_ips.add),
    "removeFloatingIp": ("fixed_ips", floating_ips.remove),
    "injectNetworkInfo": ("reset_state", _look_again),
    "resetNetwork": ("reset_state", _look_again),
    "os-resetState": ("reset_state", _reset_state),
    "forceDelete": ("force_delete", _force_delete),
}
