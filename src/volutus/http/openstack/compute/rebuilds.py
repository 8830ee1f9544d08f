"""The action `rebuild`, which has a body and an answer of its own."""

import secrets
from typing import Any

from starlette.responses import Response

from volutus import compute
from volutus.compute import details as detailed
from volutus.compute.rebuilds import Rebuild
from volutus.http.kernel import Request, Version, accepted
from volutus.http.kernel.bodies import convert
from volutus.http.openstack.compute import schemas, views
from volutus.http.openstack.compute.servers import PASSWORD_BYTES, address_of, disk_config_of, hostname_of

V2_54 = Version(2, 54)
V2_57 = Version(2, 57)
V2_93 = Version(2, 93)


def rebuild(request: Request, server_id: str, arguments: Any) -> Response:
    """Order a new root disk, and whatever else is to change with it."""
    body = convert(arguments, schemas.ServerRebuild)
    schemas.check_version(body, request.microversion)
    password = body.admin_pass if isinstance(body.admin_pass, str) else None
    wanted = Rebuild(
        image_id=body.image,
        name=schemas.name_of(body.name, "name") if body.name is not None else None,
        metadata=body.metadata,
        admin_pass=password,
        changes=_changes(request, body),
        files=schemas.files_of(body.personality),
        reimages=request.microversion >= V2_93,
        preserve_ephemeral=schemas.flag(body.preserve_ephemeral, "preserve_ephemeral"),
    )
    server = compute.rebuilds.rebuild(request.tx, request.caller, server_id, wanted)
    found = detailed.of(request.tx, request.caller, [server])[0]
    view = views.server_updated(request, found)
    view["adminPass"] = password or secrets.token_urlsafe(PASSWORD_BYTES)
    if request.microversion >= V2_54:
        view["key_name"] = server.key_name
    if request.microversion >= V2_57:
        # Under this name only: Nova shows it so here, and under the other nowhere else.
        view.pop("OS-EXT-SRV-ATTR:user_data", None)
        view["user_data"] = server.user_data
    return accepted({"server": view}, {"Location": view["links"][0]["href"]})


def _changes(request: Request, body: schemas.ServerRebuild) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "access_ipv4": address_of(body.access_ipv4, 4, "accessIPv4"),
        "access_ipv6": address_of(body.access_ipv6, 6, "accessIPv6"),
        "disk_config": disk_config_of(body.disk_config),
        "hostname": hostname_of(body.hostname) if isinstance(body.hostname, str) else None,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if isinstance(body.description, str | None):
        changes["description"] = body.description
    if isinstance(body.user_data, str | None) and request.microversion >= V2_57:
        if body.user_data is not None:
            compute.orders.check_user_data(body.user_data)
        changes["user_data"] = body.user_data
    if isinstance(body.key_name, str | None) and request.microversion >= V2_54:
        pair = compute.key_pairs.get(request.tx, request.caller, body.key_name) if body.key_name else None
        changes |= {
            "key_name": pair.name if pair else None,
            "key_public": pair.public_key if pair else None,
        }
    return changes
