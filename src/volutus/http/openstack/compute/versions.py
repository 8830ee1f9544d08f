"""What this service speaks, for clients that ask before they have a token."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import MicroversionRange, Request, Version, document

# The highest is what views and schemas are right for, no more.
MICROVERSIONS = MicroversionRange("compute", Version(2, 1), Version(2, 96), "X-OpenStack-Nova-API-Version")

_UPDATED = "2013-07-23T11:33:21Z"
_MEDIA_TYPES = [{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]


def root(request: Request) -> Response:
    """`GET /compute`: all versions, of which there is one."""
    return document({"versions": [_version(request)]})


def v2_1(request: Request) -> Response:
    """`GET /compute/v2.1`: this version."""
    described = {
        "rel": "describedby",
        "type": "text/html",
        "href": "https://docs.openstack.org/api-ref/compute/",
    }
    version = _version(request)
    version["links"].append(described)
    return document({"version": {**version, "media-types": _MEDIA_TYPES}})


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(MICROVERSIONS.highest),
        "min_version": str(MICROVERSIONS.lowest),
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{request.origin}/compute/v2.1/"}],
    }
