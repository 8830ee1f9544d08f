"""Responses in the few shapes that the APIs use."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

_ENCODER = msgspec.json.Encoder()


def document(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON document: dicts, lists, Structs, datetimes, enums and decimals are encoded."""
    return Response(_ENCODER.encode(body), status, headers, media_type="application/json")


def created(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """201 with the new object."""
    return document(body, 201, headers)


def accepted(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """202: the intent is stored, the cloud converges."""
    return document(body, 202, headers)


def empty(status: int = 202, headers: Mapping[str, str] | None = None) -> Response:
    """A status alone."""
    return Response(b"", status, headers)


def no_content() -> Response:
    """204: done, nothing to say."""
    return Response(b"", 204)
