"""What this service speaks, for clients that ask before they have a token."""

from typing import Any

from starlette.responses import Response

from volutus.http.kernel import MicroversionRange, Request, Version, document

# The highest is what views and schemas are right for, no more.
MICROVERSIONS = MicroversionRange("compute", Version(2, 1), Version(2, 104), "X-OpenStack-Nova-API-Version")

_UPDATED = "2013-07-23T11:33:21Z"
_UPDATED_LEGACY = "2011-01-21T11:33:21Z"
_MEDIA_TYPES = [{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]


def root(request: Request) -> Response:
    """`GET /compute`: all versions. v2.0 is v2.1 without microversions, for clients from before 2015."""
    return document({"versions": [_legacy(request), _version(request)]})


def v2(request: Request) -> Response:
    """`GET /compute/v2`: the version for old clients."""
    return document({"version": {**_legacy(request), "media-types": _MEDIA_TYPES}})


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


def _legacy(request: Request) -> dict[str, Any]:
    return {
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": _UPDATED_LEGACY,
        "links": [{"rel": "self", "href": f"{request.origin}/compute/v2/"}],
    }


def _version(request: Request) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": str(MICROVERSIONS.highest),
        "min_version": str(MICROVERSIONS.lowest),
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{request.origin}/compute/v2.1/"}],
    }
