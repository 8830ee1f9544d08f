"""What hangs on a server and is small: metadata, tags, addresses, actions done."""

import dataclasses
from typing import Any

from starlette.responses import Response

from volutus import compute
from volutus.compute import details as detailed
from volutus.compute.history import ServerAction, Stage
from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, Version, document, empty, next_links, no_content, parse_page
from volutus.http.openstack.compute import schemas, views

V2_51 = Version(2, 51)
V2_58 = Version(2, 58)
V2_62 = Version(2, 62)
V2_84 = Version(2, 84)
_TAG_MAX = 60

# Nova's names of steps that are not compute_ACTION_instance: clients wait for them by name.
_EVENTS = {
    "create": "compute__do_build_and_run_instance",
    "createImage": "compute_snapshot_instance",
    "delete": "compute_terminate_instance",
    "attach_interface": "compute_attach_interface",
    "detach_interface": "compute_detach_interface",
    "attach_volume": "compute_attach_volume",
    "detach_volume": "compute_detach_volume",
    "resize": "compute_prep_resize",
    "confirmResize": "compute_confirm_resize",
    "revertResize": "compute_revert_resize",
    "extend_volume": "compute_extend_volume",
}


def metadata(request: Request) -> Response:
    """All items."""
    return document({"metadata": _server(request).metadata})


def create_metadata(request: Request) -> Response:
    """Add or change items."""
    return _set_metadata(request, replace=False)


def replace_metadata(request: Request) -> Response:
    """Have these items and no others."""
    return _set_metadata(request, replace=True)


def metadata_item(request: Request) -> Response:
    """One item."""
    key = request.params["key"]
    value = compute.annotations.metadata_item(request.tx, request.caller, request.params["id"], key)
    return document({"meta": {key: value}})


def set_metadata_item(request: Request) -> Response:
    """Add or change one item, named by both path and body."""
    key, meta = request.params["key"], request.read(schemas.MetaBody).meta
    if set(meta) != {key}:
        raise Invalid("Request body and URI mismatch", field="meta")
    compute.annotations.set_metadata(request.tx, request.caller, request.params["id"], meta, replace=False)
    return document({"meta": meta})


def delete_metadata_item(request: Request) -> Response:
    """Take one item away."""
    compute.annotations.remove_metadata(
        request.tx, request.caller, request.params["id"], request.params["key"]
    )
    return no_content()


def tags(request: Request) -> Response:
    """All tags."""
    return document({"tags": _server(request).tags})


def replace_tags(request: Request) -> Response:
    """Have these tags and no others."""
    wanted = [_tag(tag) for tag in request.read(schemas.TagsBody).tags]
    kept = compute.annotations.set_tags(request.tx, request.caller, request.params["id"], wanted)
    return document({"tags": kept})


def delete_tags(request: Request) -> Response:
    """Have no tags."""
    compute.annotations.set_tags(request.tx, request.caller, request.params["id"], [])
    return no_content()


def has_tag(request: Request) -> Response:
    """204 when it is there, 404 when not."""
    compute.annotations.require_tag(_server(request), request.params["tag"])
    return no_content()


def add_tag(request: Request) -> Response:
    """201 when it is new, 204 when it was there."""
    server_id, tag = request.params["id"], _tag(request.params["tag"])
    if not compute.annotations.add_tag(request.tx, request.caller, server_id, tag):
        return no_content()
    return empty(201, {"Location": f"{request.service_url}/servers/{server_id}/tags/{tag}"})


def delete_tag(request: Request) -> Response:
    """Take one tag away."""
    compute.annotations.remove_tag(request.tx, request.caller, request.params["id"], request.params["tag"])
    return no_content()


def password(request: Request) -> Response:
    """What the guest told of its password, encrypted for the server's key pair."""
    found = compute.guest_passwords.of_server(request.tx, request.caller, request.params["id"])
    return document({"password": found})


def forget_password(request: Request) -> Response:
    """Forget what the guest told."""
    compute.guest_passwords.forget(request.tx, request.caller, request.params["id"])
    return no_content()


def addresses(request: Request) -> Response:
    """All addresses by network."""
    found = detailed.get(request.tx, request.caller, request.params["id"])
    return document({"addresses": views.addresses(found)})


def addresses_of_network(request: Request) -> Response:
    """The addresses on one network."""
    found = views.addresses(detailed.get(request.tx, request.caller, request.params["id"]))
    name = request.params["network"]
    if name not in found:
        raise NotFound("Instance is not a member of specified network")
    return document({name: found[name]})


def actions(request: Request) -> Response:
    """What was done with the server, newest first."""
    page = parse_page(request)
    found = compute.history.list_(request.tx, request.caller, request.params["id"], page)
    lines = [_action(request, action) for action in found]
    more = {}
    if request.microversion >= V2_58 and request.query.get("limit"):
        named = next_links(request, "links", page, [action.request_id for action in found])
        more = {"links": named["links_links"]} if named else {}
    return document({"instanceActions": lines, **more})


def action(request: Request) -> Response:
    """One action with its events."""
    found = compute.history.get(
        request.tx, request.caller, request.params["id"], request.params["request_id"]
    )
    view = _action(request, found)
    if request.caller.is_admin or request.microversion >= V2_51:
        stages = compute.history.stages_of(request.tx, found)
        view["events"] = [_event(request, found), *(_stage(request, found, stage) for stage in stages)]
    return document({"instanceAction": view})


def _action(request: Request, action: ServerAction) -> dict[str, Any]:
    view = {
        "action": action.action,
        "instance_uuid": action.server_id,
        "request_id": action.request_id,
        "user_id": action.user_id or "",
        "project_id": action.project_id or "",
        "start_time": views.long_time(action.started_at),
        "message": action.message,
    }
    if request.microversion >= V2_58:
        view["updated_at"] = views.long_time(action.finished_at or action.started_at)
    return view


def _event(request: Request, action: ServerAction) -> dict[str, Any]:
    result = None if action.finished_at is None else "Error" if action.message else "Success"
    view: dict[str, Any] = {
        "event": _EVENTS.get(action.action, f"compute_{action.action}_instance"),
        "start_time": views.long_time(action.started_at),
        "finish_time": views.long_time(action.finished_at),
        "result": result,
    }
    if request.caller.is_admin:
        view["traceback"] = None
    if request.microversion >= V2_62:
        view["hostId"] = ""
        if request.caller.is_admin:
            view["host"] = ""
    if request.microversion >= V2_84:
        view["details"] = action.message
    return view


def _stage(request: Request, action: ServerAction, stage: Stage) -> dict[str, Any]:
    """A part of the action in the same form. What went wrong did so in the last one."""
    failed = action.message if stage.finished_at == action.finished_at else None
    part = dataclasses.replace(
        action,
        action=stage.name,
        started_at=stage.started_at,
        finished_at=stage.finished_at,
        message=failed,
    )
    return {**_event(request, part), "event": stage.name}


def _set_metadata(request: Request, *, replace: bool) -> Response:
    items = request.read(schemas.MetadataBody).metadata
    kept = compute.annotations.set_metadata(
        request.tx, request.caller, request.params["id"], items, replace=replace
    )
    return document({"metadata": kept})


def _server(request: Request) -> compute.Server:
    return compute.servers.get(request.tx, request.caller, request.params["id"])


def _tag(tag: str) -> str:
    if not 0 < len(tag) <= _TAG_MAX or "/" in tag or "," in tag:
        raise Invalid(f"Invalid input for field/attribute tags. Value: {tag}.", field="tags")
    return tag
