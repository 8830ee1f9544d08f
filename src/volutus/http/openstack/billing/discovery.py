"""Version documents, read before there is a token."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, document

_UPDATED = "2026-11-21T00:00:00Z"


def versions(request: Request) -> Response:
    """All versions: there is one."""
    return document({"versions": [_version(request)]}, 300)


def version(request: Request) -> Response:
    """The one version."""
    return document({"version": _version(request)})


def _version(request: Request) -> dict[str, Any]:
    links = [{"rel": "self", "href": f"{request.service_url}/v1/"}]
    return {"id": "v1.0", "status": "CURRENT", "updated": _UPDATED, "links": links}
