"""What versions there are: read by clients without a token."""

from starlette.responses import Response

from volutus.http.kernel import Request, Version, document

LOWEST = Version(1, 0)
HIGHEST = Version(1, 39)


def root(_request: Request) -> Response:
    """`GET /placement/`."""
    version = {
        "id": "v1.0",
        "status": "CURRENT",
        "min_version": str(LOWEST),
        "max_version": str(HIGHEST),
        "links": [{"rel": "self", "href": ""}],
    }
    return document({"versions": [version]})
