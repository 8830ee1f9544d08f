"""Shared file systems of a server, since 2.97. This cloud has no service for them yet: a server has none, and
whichever is named is not there."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from volutus import compute
from volutus.errors import NotFound
from volutus.http.kernel import Request, Version, document

V2_97 = Version(2, 97)


class Share(Struct, forbid_unknown_fields=True):
    share_id: Annotated[str, Meta(min_length=1, max_length=36)]
    tag: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class ShareBody(Struct, forbid_unknown_fields=True):
    share: Share


def index(request: Request) -> Response:
    """The shares of a server: none."""
    _require_server(request)
    return document({"shares": []})


def create(request: Request) -> Response:
    """Attach a share, if there were one."""
    _require_server(request)
    raise _not_found(request.read(ShareBody).share.share_id)


def show(request: Request) -> Response:
    """One share of a server."""
    _require_server(request)
    raise _not_found(request.params["share_id"])


def delete(request: Request) -> Response:
    """Detach a share."""
    return show(request)


def _require_server(request: Request) -> None:
    if request.microversion < V2_97:
        raise NotFound("The resource could not be found.")
    compute.servers.get(request.tx, request.caller, request.params["id"])


def _not_found(share_id: str) -> NotFound:
    return NotFound(f"Share {share_id} could not be found: this cloud has no shared file systems.")
