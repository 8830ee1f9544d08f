"""What versions there are: read by clients before anything else, without a token."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import Request, Version, document

LOWEST = Version(3, 0)
HIGHEST = Version(3, 71)


def all_(request: Request) -> Response:
    """`GET /volume/`: a choice of one, told as Cinder tells it."""
    return document({"versions": [_version(request)]}, 300)


def third(request: Request) -> Response:
    """`GET /volume/v3/`."""
    return document({"versions": [_version(request)]})


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": str(HIGHEST),
        "min_version": str(LOWEST),
        "updated": "2024-07-02T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{request.origin}/volume/v3/"},
        ],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}
        ],
    }
