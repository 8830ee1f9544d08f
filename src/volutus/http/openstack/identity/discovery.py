"""Version documents, which clients read before they have a token."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, document

VERSION = "v3.14"
UPDATED = "2020-04-07T00:00:00Z"
MEDIA_TYPE = "application/vnd.openstack.identity-v3+json"


def versions(request: Request) -> Response:
    """All versions: there is one."""
    return document({"versions": {"values": [_version(request)]}}, 300)


def version(request: Request) -> Response:
    """The one version."""
    return document({"version": _version(request)})


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": VERSION,
        "status": "stable",
        "updated": UPDATED,
        "links": [{"rel": "self", "href": f"{request.service_url}/v3/"}],
        "media-types": [{"base": "application/json", "type": MEDIA_TYPE}],
    }
